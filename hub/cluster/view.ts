/**
 * What a hub knows of the other hubs of its cluster, and who arbitrates over names: the types on which
 * the rest of the hub builds. docs/cluster.md tells the whole.
 *
 *     engine ──watch──▶ ClusterView ─▶ directory, lists, links
 *     engine ◀──claim── Claims ◀────── registrations
 *
 * The view is a map, not a lock: the hub that has a tunnel knows whether it has it. So reading the view
 * never waits for the engine, and while the engine is away the last view is used.
 *
 * @module
 */
import type { Answer } from "../auth/identity.ts";
import type { Refusal } from "../registry/refusal.ts";
import type { ServerInfo, ServerName, Tunnel } from "../registry/tunnel.ts";

/** Where a hub stands in its cluster: docs/lifecycle.md. */
export type MemberState = "joining" | "member" | "detached" | "leaving";

/** A hub of the cluster, as its own record says. */
export interface HubRecord {
  /** Its life in the cluster; a hub that starts again has another one. */
  readonly session: string;
  readonly name: string;
  /**
   * `host:port` of its peer port: a hint only, because whoever answers there must prove itself. Empty
   * for a hub without a peer port.
   */
  readonly peerAddress: string;
  readonly version: string;
  readonly protocol: number;
  readonly state: "open" | "draining";
  readonly sinceMs: number;
  /** Files that all hubs must share → fingerprint: `auth`, `join`, `operator`, `voucher`. */
  readonly fingerprints: Readonly<Record<string, string>>;
}

/** That a server has a tunnel at another hub. */
export interface Place {
  readonly hub: HubRecord;
  /** The tunnel's id at that hub. */
  readonly tunnel: string;
  readonly generation: number;
  readonly info: ServerInfo;
  /** See `Tunnel.owner`. */
  readonly owner?: string;
  readonly sinceMs: number;
}

/** How a name went away, as the cluster remembers it. */
export interface RemoteDeparture {
  readonly info: ServerInfo;
  readonly owner: string;
  /** When its tenure began. */
  readonly generation: number;
  /** When, why and from which hub; `undefined` where it is there, or its hub died long ago. */
  readonly left:
    | {
      readonly atMs: number;
      readonly reason: string;
      readonly hub: string;
      /** Its last tunnel had said that another one takes its place at once. */
      readonly isRenewing?: true;
    }
    | undefined;
  /** How often two living instances were seen to fight over it. */
  readonly flaps: number;
}

/** A name whose places changed, or a hub (its session) that came, changed or went. */
export interface ViewChange {
  readonly server?: ServerName;
  readonly hub?: string;
}

/** What other hubs have; this hub's own tunnels are in the registry. Never waits for the engine. */
export interface ClusterView {
  readonly state: MemberState;
  /** This hub's own session; `undefined` without one. */
  readonly session: string | undefined;
  /** All hubs with a living session, this one too. */
  hubs(): readonly HubRecord[];
  /** Places of a name at other hubs of living sessions. */
  placesOf(name: ServerName): readonly Place[];
  /** Names with at least one such place. */
  names(): Iterable<ServerName>;
  /** How a name that is nowhere now went away, as the cluster remembers it. */
  departureOf(name: ServerName): RemoteDeparture | undefined;
  /** The same for all names that are known to be nowhere. */
  departures(): Iterable<RemoteDeparture>;
  /** Tells what changes, after it has. */
  onChange(listener: (change: ViewChange) => void): Disposable;
}

/** A name that a server may have. */
export interface Claim {
  /** Above all earlier ones of the name, at all hubs. */
  readonly generation: number;
}

/** For whom a name is claimed. */
export interface Claimed {
  /** The id that its tunnel is going to have. */
  readonly tunnel: string;
  /** See `Tunnel.owner`. */
  readonly owner: string;
}

/** Who arbitrates which of two instances has a name. Alone it answers at once, from the registry. */
export interface Claims {
  claim(info: ServerInfo, claimed: Claimed): Answer<Claim | Refusal>;
  /** To be told of the tunnel that was claimed for, when it opens: its end gives the name back. */
  release(tunnel: Pick<Tunnel, "id" | "info" | "isRenewing" | "closed">): void;
}
