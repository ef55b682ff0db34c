/**
 * Where operators call: looks at a connection's first bytes and serves it in the mode that
 * they ask for (docs/protocol.md §9).
 *
 *     PRI * HTTP/2.0   routed: `relay/caller_connection.ts`
 *     {…}  CONNECT     raw:    `raw_handshake.ts`, then `raw_connection.ts`
 *     else             one helpful answer
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { deadline } from "../../shared/async/deadline.ts";
import { loopTurn } from "../../shared/async/turns.ts";
import { HttpError } from "../../shared/http1/http_error.ts";
import { errorInfo, RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import { networkOf } from "../net/network.ts";
import type { CallRequest, Operator } from "../auth/identity.ts";
import { loadOf } from "../access/call_router.ts";
import { shownNames } from "../access/director.ts";
import type { Access } from "../access/access.ts";
import type { LiveRaw } from "../access/live_access.ts";
import {
  acceptance,
  type Handshake,
  type HandshakeMode,
  HandshakeReader,
  helpfulAnswer,
  rejection,
} from "./raw_handshake.ts";
import type { Limits } from "../limits/limits.ts";
import type { ConnectionPlaces } from "../limits/open_files.ts";
import type { ServerTarget } from "../peer/call_target.ts";
import { probeResponse } from "../relay/probes.ts";
import { RawConnection, type RawMeters, type RawResult } from "./raw_connection.ts";
import type { ServerName } from "../registry/tunnel.ts";
import { readHead } from "../net/read_head.ts";
import { CallerConnection, type RelayContext } from "../relay/caller_connection.ts";
import { MAX_SNIFF_BYTES, sniff, type Sniffed } from "./sniff.ts";
import { closeQuietly, hostOf, type Peer, type PeerConn, peerOf, writeAll } from "../net/peer.ts";
import type { HubListener } from "../net/listen.ts";
import { HANDSHAKE_TIMEOUT_MS } from "../net/listen_options.ts";
import { ERROR_DOMAIN } from "../errors.ts";

/** Connections of callers at a time, shared by their addresses; more are closed at once. */
export const MAX_CALLERS = 10_000;
/** When a hub drains, callers that have just dialled have this long for their first bytes. */
export const ARRIVAL_MS = 1_000;

/** A raw connection, for feed and audit. */
export interface RawRecord {
  readonly id: string;
  readonly server: string;
  readonly remoteAddress: string;
  readonly identity: Operator;
  /** Which call at which other hub it is; `undefined` if its server's tunnel is here. */
  readonly via?: string | undefined;
}

/** What the call listener needs of the hub. */
export interface CallListenerContext {
  readonly relay: RelayContext;
  readonly access: Access;
  /** Where servers are. */
  readonly directory: { pick(name: ServerName): ServerTarget | undefined };
  readonly limits: Limits;
  readonly places: ConnectionPlaces;
  nextId(): string;
  onRawRefused(raw: Omit<RawRecord, "identity"> & { readonly who: string }, error: RpcError): void;
  onRawOpened(raw: RawRecord): void;
  onRawEnded(raw: RawRecord, result: RawResult & { readonly durationMs: number }): void;
}

/** A connection that asks for raw mode. */
interface Arrived {
  readonly mode: HandshakeMode;
  readonly peer: Peer;
  readonly first: Uint8Array;
}

/** A raw connection that its server has accepted. */
interface OpenedRaw {
  readonly raw: RawConnection;
  readonly handshake: Handshake;
  readonly server: string;
  readonly tunnel: ServerTarget;
  readonly identity: Operator;
}

/**
 * A raw connection's permission and its place among the calls, from the moment in which they were
 * given: until the server has accepted, much may change, and many could come. Disposing gives both
 * back.
 */
class Admitted implements Disposable {
  readonly #context: Pick<CallListenerContext, "access" | "limits">;
  readonly #out = new AbortController();
  readonly #held = new DisposableStack();
  #meters: RawMeters | undefined;

  constructor(context: Pick<CallListenerContext, "access" | "limits">) {
    this.#context = context;
  }

  /** Fires with the reason when the permission has ended. */
  get signal(): AbortSignal {
    return this.#out.signal;
  }

  /** Why it has ended. */
  get ended(): RpcError | undefined {
    return this.#out.signal.reason;
  }

  /** What limits its bytes, where something does. */
  get meters(): RawMeters | undefined {
    return this.#meters;
  }

  keep(raw: Omit<LiveRaw, "end">): void {
    const { live } = this.#context.access;
    this.#held.use(live.keepRaw({ ...raw, end: (error) => this.#out.abort(error) }));
  }

  enter(operator: string, server: string): void {
    const { limits } = this.#context;
    const account = limits.enter(operator, server);
    this.#held.defer(() => {
      limits.ended(account, server);
      limits.leave(account);
    });
    if (!limits.metered) return;
    this.#meters = { up: limits.meter(account, server), down: limits.meter(account, server) };
  }

  onEnd(end: () => void): void {
    if (this.signal.aborted) end();
    this.signal.addEventListener("abort", end);
  }

  [Symbol.dispose](): void {
    this.#held.dispose();
  }
}

/** Serves connections of operators. */
export class CallListener {
  readonly #context: CallListenerContext;
  /** Routed connections. */
  readonly callers: Set<CallerConnection> = new Set();
  readonly #connections = new Set<PeerConn>();
  /** Of connections whose first bytes have not come. */
  readonly #arriving = new Set<Promise<unknown>>();
  /** Raw connections that stand. */
  readonly raws: Set<RawConnection> = new Set();
  #closed = false;

  constructor(context: CallListenerContext) {
    this.#context = context;
  }

  /** What goes on: each resolves when it has ended. */
  busy(): Promise<void>[] {
    const callers = [...this.callers].filter((caller) => caller.isBusy);
    return [
      ...callers.map((caller) => caller.whenIdle()),
      ...[...this.raws].map((raw) => raw.closed),
    ];
  }

  /**
   * To be waited for when nobody can dial any more. Callers that did so before may believe that they are
   * through, and have sent a call: they get so far that they are told that nobody looks at it. Resolves
   * when the first bytes of all have come, at the latest after `ARRIVAL_MS`.
   */
  async arrived(
    listener: Pick<HubListener, "settled">,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const endMs = performance.now() + ARRIVAL_MS;
    // A caller that says nothing at all is not waited for.
    const inTime = (all: Promise<unknown>) =>
      deadline(all, Math.max(0, endMs - performance.now()), { signal }).catch(() => {});
    await inTime(listener.settled?.() ?? Promise.resolve());
    await loopTurn(); // What came through is taken.
    await inTime(Promise.allSettled(this.#arriving));
    await loopTurn();
  }

  /** Ends all connections at once, whatever they are about. */
  async close(): Promise<void> {
    this.#closed = true;
    const closed = [...this.callers].map((caller) => caller.close());
    for (const conn of this.#connections) closeQuietly(conn);
    await Promise.all(closed);
  }

  /** Takes one connection from its first byte to its end. */
  async serve(conn: PeerConn): Promise<void> {
    const peer = peerOf(conn);
    const { remoteAddress } = peer;
    using place = this.#context.places.caller(networkOf(hostOf(remoteAddress)));
    this.#connections.add(conn);
    try {
      if (place === undefined || this.#closed) return;
      conn.setNoDelay();
      const arriving = firstBytes(conn);
      this.#arriving.add(arriving);
      const first = await arriving.finally(() => this.#arriving.delete(arriving));
      if (first === undefined || this.#closed) return;
      const { is, bytes } = first;
      if (is === "http2") await this.#routed(conn, peer, bytes);
      else if (is === "json" || is === "connect") {
        await this.#rawMode(conn, { mode: is, peer, first: bytes });
      } else await writeAll(conn, await this.#probed(conn, first) ?? helpfulAnswer(is));
    } catch (error) {
      getLogger(["hub", "call"]).debug("Connection of {remoteAddress} failed: {error}", {
        remoteAddress,
        error,
      });
    } finally {
      this.#connections.delete(conn);
      closeQuietly(conn);
    }
  }

  /** The answer to an HTTP/1.1 probe, if it is one. */
  async #probed(conn: PeerConn, { is, bytes }: FirstBytes): Promise<Uint8Array | undefined> {
    if (is !== "http1") return undefined;
    const timer = setTimeout(() => closeQuietly(conn), HANDSHAKE_TIMEOUT_MS);
    try {
      const read = await readHead(conn, bytes);
      return read && probeResponse(read.head, this.#context.relay.isReady());
    } catch (error) {
      if (error instanceof HttpError) return undefined;
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  async #routed(conn: PeerConn, peer: Peer, first: Uint8Array): Promise<void> {
    const caller = new CallerConnection(this.#context.relay, conn, peer);
    this.callers.add(caller);
    try {
      await caller.run(first);
    } finally {
      this.callers.delete(caller);
    }
  }

  async #rawMode(conn: PeerConn, arrived: Arrived): Promise<void> {
    using admitted = new Admitted(this.#context);
    const opened = await this.#openRaw(conn, arrived, admitted);
    if (opened === undefined) return;
    using raw = opened.raw;
    const { handshake, server, tunnel, identity } = opened;
    const { remoteAddress } = arrived.peer;
    admitted.onEnd(() => closeQuietly(conn));
    const { via } = raw;
    const record = { id: this.#context.nextId(), server, remoteAddress, identity, via };
    this.#context.onRawOpened(record);
    this.raws.add(raw);
    void raw.closed.then(() => this.raws.delete(raw));
    const startedMs = performance.now();
    try {
      await writeAll(conn, acceptance(arrived.mode, { server, tunnel: tunnel.id }));
    } catch {
      // The caller is gone, which `join` finds out in its turn.
    }
    const result = await raw.join(conn, handshake.rest, admitted.meters);
    const { ended } = admitted;
    const how = ended === undefined ? {} : { status: ended.code, reason: ended.message };
    const durationMs = performance.now() - startedMs;
    this.#context.onRawEnded(record, { ...result, ...how, durationMs });
  }

  /** From the handshake to a server that has accepted; a refusal is answered here. */
  async #openRaw(
    conn: PeerConn,
    { mode, peer, first }: Arrived,
    admitted: Admitted,
  ): Promise<OpenedRaw | undefined> {
    const { remoteAddress } = peer;
    const { access: { authenticator, permissions }, directory } = this.#context;
    let identity: Operator | undefined;
    let server = "";
    let raw: RawConnection | undefined;
    const tooLate = new AbortController();
    const timer = setTimeout(() => tooLate.abort(), HANDSHAKE_TIMEOUT_MS);
    try {
      const handshake = await readHandshake(conn, mode, first);
      if (handshake === undefined) return undefined;
      const { candidates, token, forwarded } = handshake.request;
      server = candidates[0] ?? "";
      const request: CallRequest = {
        remote: hostOf(remoteAddress),
        authorization: token === undefined ? undefined : `Bearer ${token}`,
        certificate: peer.certificate,
        forwarded,
      };
      const who = await authenticator.authorizeRequest(request, peer);
      if (who instanceof RpcError) throw who;
      identity = who;
      const route = permissions.directRaw(candidates, who);
      if (route instanceof RpcError) throw route;
      if (route.to === "hub") throw new RpcError(Status.INVALID_ARGUMENT, "No server is named");
      server = route.name;
      admitted.keep({ server, identity: who, request });
      const [name = "", expose = ""] = server.split("/");
      const tunnel = directory.pick(name);
      if (tunnel === undefined) throw parentAway(server, name);
      const place = loadOf(name, tunnel, identity.name);
      const full = this.#context.limits.refusal(identity.name, place);
      if (full !== undefined) throw full;
      admitted.enter(identity.name, name);
      const voucher = tunnel.vouchers?.of(identity);
      raw = new RawConnection(tunnel, { expose, operator: identity, voucher });
      await raw.open(AbortSignal.any([tooLate.signal, admitted.signal]));
      return { raw, handshake, server, tunnel, identity };
    } catch (error) {
      raw?.[Symbol.dispose]();
      const refusal = RpcError.from(error);
      const names = identity === undefined ? [] : shownNames(permissions.view(identity)).names;
      const who = identity?.name ?? "";
      const id = this.#context.nextId();
      this.#context.onRawRefused({ id, server, remoteAddress, who }, refusal);
      await writeAll(conn, rejection(mode, refusal, { servers: names }));
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** What a connection began with. */
interface FirstBytes {
  readonly is: Sniffed;
  readonly bytes: Uint8Array;
}

/** Reads until it is clear what this is. `undefined` if the peer was gone, or too slow. */
async function firstBytes(conn: PeerConn): Promise<FirstBytes | undefined> {
  const timer = setTimeout(() => closeQuietly(conn), HANDSHAKE_TIMEOUT_MS);
  try {
    const buffer = new Uint8Array(4096);
    let length = 0;
    for (;;) {
      const n = await conn.read(buffer.subarray(length));
      if (n === null) return undefined;
      length += n;
      const bytes = buffer.subarray(0, length);
      const is = sniff(bytes);
      if (is !== "more") return { is, bytes };
      if (length > MAX_SNIFF_BYTES) return { is: "other", bytes };
    }
  } finally {
    clearTimeout(timer);
  }
}

/** Reads a raw mode's handshake. `undefined` if the peer was gone, or too slow. */
async function readHandshake(
  conn: PeerConn,
  mode: HandshakeMode,
  first: Uint8Array,
): Promise<Handshake | undefined> {
  const timer = setTimeout(() => closeQuietly(conn), HANDSHAKE_TIMEOUT_MS);
  try {
    const reader = new HandshakeReader(mode);
    const buffer = new Uint8Array(4096);
    for (let bytes = first;;) {
      const handshake = reader.push(bytes);
      if (handshake instanceof RpcError) throw handshake;
      // The rest is a view of the read buffer, which nobody fills again.
      if (handshake !== undefined) return handshake;
      const n = await conn.read(buffer);
      if (n === null) return undefined;
      bytes = buffer.subarray(0, n);
    }
  } finally {
    clearTimeout(timer);
  }
}

function parentAway(server: string, name: string): RpcError {
  return new RpcError(
    Status.UNAVAILABLE,
    `Raw mode to "${server}" goes through server "${name}", which is away`,
    { details: [errorInfo("SERVER_OFFLINE", ERROR_DOMAIN, { server: name })] },
  );
}
