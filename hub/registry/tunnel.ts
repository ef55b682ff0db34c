/**
 * A tunnel: one WebSocket from a server to the hub, and the HTTP/2 connection inside it,
 * as the rest of the hub sees it.
 *
 * @module
 */
import type { HeaderList } from "../../shared/http2/header_list.ts";

/** A name of a server: 1–128 of `a-z 0-9 . _ -`, with `/upstream` for an exposed one. */
export type ServerName = string;

/** What a server said of itself when it dialled in: docs/protocol.md, "Registration". */
export interface ServerInfo {
  readonly name: ServerName;
  readonly labels: Readonly<Record<string, string>>;
  /** A UUID that the server's process made at its start; empty for a server that sent none. */
  readonly instance: string;
  readonly version: string;
  /** `host:port` that its WebSocket came from. */
  readonly remoteAddress: string;
  /** The tunnel of the same instance that it follows may end its calls. @default false */
  readonly renews?: boolean;
}

/** Why a tunnel ended, in words that an operator reads. */
export interface CloseReason {
  readonly reason: string;
  /** Who ended it. */
  readonly by: "hub" | "server" | "network";
}

/** Numbers of a tunnel, for lists and metrics. */
export interface TunnelStats {
  readonly callsInFlight: number;
  readonly callsTotal: number;
  /** Round trip of the last ping in milliseconds; `undefined` before the first one. */
  readonly rttMs: number | undefined;
  /** `Date.now()` when the last byte came in. */
  readonly lastSeenMs: number;
}

/** What a tunnel guarantees to registry and services. Calls go through `hub/relay/caller_connection.ts`. */
export interface Tunnel extends AsyncDisposable {
  /** Unique at this hub, and in time. */
  readonly id: string;
  readonly info: ServerInfo;
  readonly generation: number;
  /** The entry of the auth file, or the token, that its server has shown: names are shared by it. */
  readonly owner?: string;
  readonly state: "open" | "draining" | "closed";
  /** Its server takes no more calls on it, because it opens another one. */
  readonly isRenewing?: boolean;
  readonly connectedAtMs: number;
  /** Resolves once, never rejects. */
  readonly closed: Promise<CloseReason>;
  stats(): TunnelStats;
  /** Gives a tunnel that was registered provisionally the generation that the cluster gave it. */
  confirm?(generation: number): void;
  /** Closes the socket without waiting for the peer. Later calls do nothing. */
  close(reason: CloseReason): void;
  /** Takes no new calls, tells the server, resolves when the calls in flight have ended or `signal` fires. */
  drain(options?: { readonly signal?: AbortSignal }): Promise<void>;
}

/** The head of a call, from its HEADERS. */
export interface CallHead {
  /** `/package.Service/Method`. */
  readonly path: string;
  /** `:authority`, or empty. */
  readonly authority: string;
  readonly fields: HeaderList;
}
