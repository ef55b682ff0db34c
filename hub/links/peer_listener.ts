/**
 * Where other hubs dial: TLS, the first words, and then HTTP/2, in which they forward the calls of
 * their callers. The relay is the same as for a caller; who calls and where the call may go is
 * `peer_router.ts`'s, and that sees this hub's own tunnels only.
 *
 * @module
 */
import { FairShare } from "../../shared/async/fair_share.ts";
import { HANDSHAKE_TIMEOUT_MS } from "../net/listen_options.ts";
import { networkOf } from "../net/network.ts";
import { closeQuietly, hostOf, type Peer, type PeerConn, peerOf } from "../net/peer.ts";
import { CallerConnection, type RelayContext } from "../relay/caller_connection.ts";
import { LINK_DEAD_AFTER_S } from "./open_link.ts";
import { meetDialler, type PeerHub } from "./peer_handshake.ts";
import {
  MAX_LINK_STREAMS,
  MAX_PEER_CONNECTIONS,
  MAX_PEER_HEADER_LIST_BYTES,
  MAX_UNPROVEN_PEERS,
  PEER_FLOOD_LIMITS,
} from "./peer_limits.ts";

/** By what a listener and those who dial it prove themselves. */
export interface ListenerProof {
  readonly secret: string | undefined;
  /** Whether hubs must show a certificate of an authority; that TLS has looked at it then. */
  readonly needsCertificate: boolean;
  /** SHA-256 of the certificate that it shows. */
  readonly certificate: string;
}

export interface PeerListenerContext {
  /** Its router must be a `PeerRouter`, which sees this hub's own tunnels only. */
  readonly relay: Omit<RelayContext, "forwarder" | "maxStreams">;
  readonly self: () => PeerHub;
  /** What proves hubs now. */
  readonly proof: () => ListenerProof;
  onRefused(remoteAddress: string, reason: string): void;
}

/** Serves connections of other hubs. */
export class PeerListener {
  /** Links that stand. */
  readonly callers: Set<CallerConnection> = new Set();
  readonly #context: PeerListenerContext;
  readonly #connections = new Set<PeerConn>();
  /** Shared by the networks that they come from: nobody can keep hubs out by saying nothing. */
  readonly #unproven = new FairShare(MAX_UNPROVEN_PEERS);
  #closed = false;

  constructor(context: PeerListenerContext) {
    this.#context = context;
  }

  /** Ends all at once. */
  async close(): Promise<void> {
    this.#closed = true;
    const closed = [...this.callers].map((caller) => caller.close());
    for (const conn of this.#connections) closeQuietly(conn);
    await Promise.all(closed);
  }

  /** Takes one connection from its first byte to its end. */
  async serve(conn: PeerConn): Promise<void> {
    const peer = peerOf(conn);
    if (this.#closed) return closeQuietly(conn);
    this.#connections.add(conn);
    try {
      conn.setNoDelay();
      const { hub, link, rest } = await this.#meet(conn, peer);
      if (this.callers.size >= MAX_PEER_CONNECTIONS) throw new Error("Too many links are open");
      const relay: RelayContext = {
        ...this.#context.relay,
        maxStreams: MAX_LINK_STREAMS,
        forwarder: {
          from: `${hub.name}/${link}`,
          floodLimits: PEER_FLOOD_LIMITS,
          maxHeaderListBytes: MAX_PEER_HEADER_LIST_BYTES,
          deadAfterS: LINK_DEAD_AFTER_S,
        },
      };
      const caller = new CallerConnection(relay, conn, peer);
      this.callers.add(caller);
      try {
        await caller.run(rest);
      } finally {
        this.callers.delete(caller);
      }
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#context.onRefused(peer.remoteAddress, reason);
    } finally {
      this.#connections.delete(conn);
      closeQuietly(conn);
    }
  }

  async #meet(conn: PeerConn, { remoteAddress }: Peer) {
    const { self, proof } = this.#context;
    const { secret, certificate, needsCertificate } = proof();
    using place = this.#unproven.take(networkOf(hostOf(remoteAddress)));
    if (place === undefined) throw new Error("Too many connections have proven nothing");
    const timer = setTimeout(() => closeQuietly(conn), HANDSHAKE_TIMEOUT_MS);
    try {
      const unproven = needsCertificate ? unprovenBy(conn) : undefined;
      return await meetDialler(conn, { self: self(), secret, certificate, unproven });
    } finally {
      clearTimeout(timer);
    }
  }
}

/** What a hub does that shows no certificate that is good; `undefined` if it shows one. */
function unprovenBy({ certificate, certificateFault }: PeerConn): string | undefined {
  if (certificate !== undefined) return undefined;
  return certificateFault === undefined
    ? "shows no certificate, and the other one wants one of its --peer-ca"
    : `shows a certificate that ${certificateFault} (--peer-ca)`;
}
