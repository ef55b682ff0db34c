/**
 * How a hub becomes a member of a cluster, and what arbitrates when it is alone.
 *
 * @module
 */
import type { ReloadPart } from "../../shared/cli/reload.ts";
import type { Engine } from "../engine/engine.ts";
import type { Registry } from "../registry/registry.ts";
import type { Claims } from "./view.ts";

/** The cluster that a hub is to be a member of. */
export interface ClusterSetup {
  /** The cluster's name: `NAME` of `etcd://…/NAME`. */
  readonly cluster: string;
  /** This hub's name, for people. */
  readonly hub: string;
  /** How long a session is, and how often it is renewed. @default SESSION_TTL_MS, RENEW_MS */
  readonly times?: { readonly ttlMs: number; readonly renewMs: number };
  /** Looks at the files by which the engine is asked. @default there are none */
  readonly reloadPart?: ReloadPart | undefined;
  /** Opens the engine. The hub disposes of it at its end. */
  open(): Engine;
}

/** Claims of a hub that is alone: the registry decides, at once. */
export function aloneClaims(registry: Pick<Registry, "nextGeneration">): Claims {
  return {
    claim: ({ name }) => ({ generation: registry.nextGeneration(name) }),
    release() {},
  };
}
