/**
 * What a cluster keeps in its engine, and where:
 *
 * | key                      | value                                             | ends          |
 * | ------------------------ | ------------------------------------------------- | ------------- |
 * | `hub/<session>`          | the hub's record                                  | with its session |
 * | `at/<session>/<name>`    | a tunnel; counts while `hub/<session>` is there   | is swept      |
 * | `name/<name>`            | which instance has the name, and since when       | is swept      |
 * | `epoch`                  | a number that is raised when revisions went back  | never         |
 *
 * Places have no session of etcd: with 100 000 keys on one lease it could not follow 200 writes a
 * second (etcd#15993).
 *
 * @module
 */
import type { ServerName } from "../registry/tunnel.ts";

/** What a key stands for. */
export type ParsedKey =
  | { readonly kind: "hub"; readonly session: string }
  | { readonly kind: "place"; readonly session: string; readonly name: ServerName }
  | { readonly kind: "name"; readonly name: ServerName }
  | { readonly kind: "epoch" };

/** Names of clusters: they are a part of each key. */
export const CLUSTER_NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;

/** The keys of one cluster. */
export class ClusterKeys {
  /** All begin so. */
  readonly prefix: string;
  readonly epoch: string;

  constructor(cluster: string) {
    this.prefix = `/ghub/v1/${cluster}/`;
    this.epoch = `${this.prefix}epoch`;
  }

  /** The records of all hubs begin so. */
  get hubs(): string {
    return `${this.prefix}hub/`;
  }

  hub(session: string): string {
    return `${this.prefix}hub/${session}`;
  }

  /** All places of a session begin so. */
  places(session: string): string {
    return `${this.prefix}at/${session}/`;
  }

  place(session: string, name: ServerName): string {
    return `${this.prefix}at/${session}/${name}`;
  }

  name(name: ServerName): string {
    return `${this.prefix}name/${name}`;
  }

  /** @returns `undefined` for a key of nobody, or of a later version. */
  parse(key: string): ParsedKey | undefined {
    if (!key.startsWith(this.prefix)) return undefined;
    const rest = key.slice(this.prefix.length);
    if (rest === "epoch") return { kind: "epoch" };
    const slash = rest.indexOf("/");
    const [kind, tail] = [rest.slice(0, slash), rest.slice(slash + 1)];
    if (slash < 0 || tail === "") return undefined;
    if (kind === "hub") return { kind, session: tail };
    if (kind === "name") return { kind, name: tail };
    const next = tail.indexOf("/");
    if (kind !== "at" || next < 1 || next === tail.length - 1) return undefined;
    return { kind: "place", session: tail.slice(0, next), name: tail.slice(next + 1) };
  }
}

/** Revisions of one epoch: 2⁴⁰ of them. */
const EPOCH_SPAN = 2 ** 40;
/** Beyond, a generation would not be a number of JavaScript without loss. */
export const MAX_EPOCH = 2 ** 13 - 1;

/**
 * Unique and growing over all names of a cluster, also when the engine was restored from a backup: its
 * revisions went back then, and the epoch was raised.
 */
export function generationOf(epoch: number, revision: number): number {
  return epoch * EPOCH_SPAN + revision;
}
