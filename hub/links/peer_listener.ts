/**
 * Where other hubs dial: TLS, the first words, and then HTTP/2, in which they forward the calls of
 * their callers. The relay is the same as for a caller; who calls and where the call may go is
 * `peer_router.ts`'s, and that sees this hub's own tunnels only.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { HANDSHAKE_TIMEOUT_MS } from "../net/listen_options.ts";
import { closeQuietly, type PeerConn, peerOf } from "../net/peer.ts";
import { CallerConnection, type RelayContext } from "../relay/caller_connection.ts";
import { LINK_DEAD_AFTER_S } from "./open_link.ts";
import { meetDialler, type PeerHub } from "./peer_handshake.ts";
import {
  MAX_LINK_STREAMS,
  MAX_PEER_CONNECTIONS,
  MAX_PEER_HEADER_LIST_BYTES,
  PEER_FLOOD_LIMITS,
} from "./peer_limits.ts";

export interface PeerListenerContext {
  /** Its router must be a `PeerRouter`. */
  readonly relay: Omit<RelayContext, "forwarder" | "maxStreams">;
  readonly self: () => PeerHub;
  readonly secret: string | undefined;
  /** SHA-256 of the certificate that it shows. */
  readonly certificate: string;
}

/** Serves connections of other hubs. */
export class PeerListener {
  /** Links that stand. */
  readonly callers: Set<CallerConnection> = new Set();
  readonly #context: PeerListenerContext;
  readonly #connections = new Set<PeerConn>();
  #closed = false;

  constructor(context: PeerListenerContext) {
    this.#context = context;
  }

  /** Ends all at once. */
  close(): void {
    this.#closed = true;
    for (const caller of this.callers) caller.close();
    for (const conn of this.#connections) closeQuietly(conn);
  }

  /** Takes one connection from its first byte to its end. */
  async serve(conn: PeerConn): Promise<void> {
    const peer = peerOf(conn);
    if (this.#closed || this.#connections.size >= MAX_PEER_CONNECTIONS) return closeQuietly(conn);
    this.#connections.add(conn);
    try {
      conn.setNoDelay(true);
      const { hub, link, rest } = await this.#meet(conn);
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
      getLogger(["hub", "links"]).warn("Refused a link from {peer}: {reason}", {
        peer: peer.remoteAddress,
        reason: error instanceof Error ? error.message : String(error),
      });
    } finally {
      this.#connections.delete(conn);
      closeQuietly(conn);
    }
  }

  async #meet(conn: PeerConn) {
    const { self, secret, certificate } = this.#context;
    const timer = setTimeout(() => closeQuietly(conn), HANDSHAKE_TIMEOUT_MS);
    try {
      const isProven = conn.certificate !== undefined;
      return await meetDialler(conn, { self: self(), secret, certificate, isProven });
    } finally {
      clearTimeout(timer);
    }
  }
}
