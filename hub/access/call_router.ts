/**
 * From the headers of a call to where it goes: who calls, what it may do, whether there is room.
 *
 *     headers ─▶ identify ─▶ CallIdentity ─▶ route ─▶ Routed { target }
 *                    │                          │         └─ the server is away ─▶ waitFor ─▶ target
 *                    ▼                          ▼
 *                 RpcError                   RpcError: nothing was delivered
 *
 * @module
 */
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { after, type Answer } from "../auth/identity.ts";
import type { CallPlace, Limits } from "../limits/limits.ts";
import type { Peer } from "../net/peer.ts";
import type { CallTarget } from "../peer/call_target.ts";
import type { ServerName } from "../registry/tunnel.ts";
import type { QueueOptions } from "../registry/wait_queue.ts";
import type { Authenticator } from "./authenticator.ts";
import type { CallHeaders } from "./call_head.ts";
import { type CallIdentity, callIdentity } from "./call_identity.ts";
import type { Permissions } from "./permissions.ts";

/** Where a call goes. */
export interface Routed {
  /** Name of its server; empty for the hub's own services. */
  readonly server: ServerName;
  /** `undefined` while its server is away. */
  readonly target: CallTarget | undefined;
  /** How long the call may wait for its server, inside its deadline. */
  readonly waitMs: number;
}

/** Where servers are: the registry, or with other hubs `cluster/directory.ts`. */
export interface Whereabouts {
  pick(name: ServerName): CallTarget | undefined;
  waitFor(name: ServerName, options: QueueOptions): Promise<CallTarget>;
}

export interface CallRouterOptions {
  readonly authenticator: Pick<Authenticator, "authorizeCall">;
  readonly permissions: Pick<Permissions, "direct" | "notHere" | "permitForwarded">;
  readonly registry: Whereabouts;
  readonly limits: Pick<Limits, "ownRefusal" | "refusal">;
  /** The hub's own services. */
  readonly own: () => CallTarget;
}

/** See {@linkcode Routed}. It keeps nothing of a call. */
export class CallRouter {
  readonly #authenticator: CallRouterOptions["authenticator"];
  readonly #permissions: CallRouterOptions["permissions"];
  readonly #registry: CallRouterOptions["registry"];
  readonly #limits: CallRouterOptions["limits"];
  readonly #own: CallRouterOptions["own"];

  constructor({ authenticator, permissions, registry, limits, own }: CallRouterOptions) {
    this.#authenticator = authenticator;
    this.#permissions = permissions;
    this.#registry = registry;
    this.#limits = limits;
    this.#own = own;
  }

  /** Who calls, or why it may not. */
  identify(head: CallHeaders, peer: Peer): Answer<CallIdentity | RpcError> {
    return after(this.#authenticator.authorizeCall(head, peer), callIdentity);
  }

  /** Where the call goes, or why it goes nowhere. */
  route(head: CallHeaders, identity: CallIdentity): Routed | RpcError {
    const route = this.#permissions.direct(head, identity);
    if (route instanceof RpcError) return route;
    if (route.to === "hub") {
      return this.#limits.ownRefusal(identity.name) ??
        { server: "", target: this.#own(), waitMs: 0 };
    }
    const { name: server, waitMs = 0 } = route;
    const target = this.#registry.pick(server);
    return this.#limits.refusal(identity.name, loadOf(server, target, identity.name)) ??
      { server, target, waitMs };
  }

  /**
   * Waits for a server that is away.
   *
   * @throws {RpcError} If it does not come in time, or if the caller may not call what has come: its
   * labels were not known before.
   */
  async waitFor(
    { head, server, identity }: {
      readonly head: CallHeaders;
      readonly server: ServerName;
      readonly identity: CallIdentity;
    },
    { waitMs, signal }: { readonly waitMs: number; readonly signal: AbortSignal },
  ): Promise<CallTarget> {
    const over = new AbortController();
    const timer = setTimeout(() => over.abort(this.#permissions.notHere(server)), waitMs);
    try {
      const target = await this.#registry.waitFor(server, {
        signal: AbortSignal.any([signal, over.signal]),
        operator: identity.name,
      });
      const error = this.#permissions.permitForwarded(head, { operator: identity, server });
      if (error !== undefined) throw error;
      return target;
    } finally {
      clearTimeout(timer);
    }
  }
}

/**
 * How many calls a server has, and whose calls they are.
 *
 * @param target A server that is away has none, and is not full. How full one is whose tunnel is at
 * another hub, that hub knows.
 */
export function loadOf(
  server: ServerName,
  target: CallTarget | undefined,
  operator: string,
): CallPlace {
  if (target === undefined || target.hop === "peer") return { server, callsAtServer: 0 };
  const { side: { connection }, resets } = target;
  return {
    server,
    callsAtServer: connection.streamCount,
    serverTakes: connection.maxRequests,
    ending: resets.waitingOf(operator),
  };
}
