/**
 * Where operators call: looks at a connection's first bytes and serves it in the mode that
 * they ask for (docs/protocol.md §9).
 *
 *     PRI * HTTP/2.0   routed: `relay.ts`
 *     {…}  CONNECT     raw:    `handshake.ts`, then `raw.ts`
 *     else             one helpful answer
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { errorInfo, RpcError } from "../shared/grpc/rpc_error.ts";
import { Status } from "../shared/grpc/status.ts";
import type { CallRequest, Operator } from "./auth.ts";
import type { Gatekeeper } from "./gatekeeper.ts";
import {
  acceptance,
  type Handshake,
  type HandshakeMode,
  HandshakeReader,
  helpfulAnswer,
  rejection,
} from "./handshake.ts";
import type { OpenTunnel } from "./open_tunnel.ts";
import { RawConnection, type RawResult } from "./raw.ts";
import type { Registry } from "./registry.ts";
import { Caller, type RelayContext } from "./relay.ts";
import { MAX_SNIFF_BYTES, sniff, type Sniffed } from "./sniff.ts";
import { closeQuietly, hostOf, noDelay, type Peer, peerOf, writeAll } from "./socket.ts";
import { HANDSHAKE_TIMEOUT_MS } from "./tunnel_listener.ts";

/** Connections of callers at a time; more are closed at once. */
export const MAX_CALLERS = 10_000;

/** A raw connection, for feed and audit. */
export interface RawRecord {
  readonly id: string;
  readonly server: string;
  readonly remoteAddress: string;
  readonly identity: Operator;
}

/** What the call listener needs of the hub. */
export interface CallListenerContext {
  readonly relay: RelayContext;
  readonly gate: Gatekeeper;
  readonly registry: Registry<OpenTunnel>;
  nextId(): string;
  onRawRefused(raw: Omit<RawRecord, "identity"> & { readonly who: string }, error: RpcError): void;
  onRawOpened(raw: RawRecord): void;
  onRawEnded(raw: RawRecord, result: RawResult & { readonly durationMs: number }): void;
}

/** Serves connections of operators. */
export class CallListener {
  readonly #context: CallListenerContext;
  /** Routed connections. */
  readonly callers: Set<Caller> = new Set();
  readonly #raw = new Set<Deno.Conn>();
  #connections = 0;

  constructor(context: CallListenerContext) {
    this.#context = context;
  }

  /** Raw connections now. */
  get rawCount(): number {
    return this.#raw.size;
  }

  /** Closes all raw connections: there is no way to tell their ends to hurry. */
  closeRaw(): void {
    for (const conn of this.#raw) closeQuietly(conn);
  }

  /** Takes one connection from its first byte to its end. */
  async serve(conn: Deno.Conn): Promise<void> {
    const peer = peerOf(conn);
    const { remoteAddress } = peer;
    this.#connections++;
    try {
      if (this.#connections > MAX_CALLERS) return;
      noDelay(conn);
      const first = await firstBytes(conn);
      if (first === undefined) return;
      const { is, bytes } = first;
      if (is === "http2") await this.#routed(conn, peer, bytes);
      else if (is === "json" || is === "connect") {
        await this.#rawMode(conn, { mode: is, peer, first: bytes });
      } else await writeAll(conn, helpfulAnswer(is));
    } catch (error) {
      getLogger(["hub", "call"]).debug("Connection of {remoteAddress} failed: {error}", {
        remoteAddress,
        error,
      });
    } finally {
      this.#connections--;
      closeQuietly(conn);
    }
  }

  async #routed(conn: Deno.Conn, peer: Peer, first: Uint8Array): Promise<void> {
    const caller = new Caller(this.#context.relay, conn, peer);
    this.callers.add(caller);
    try {
      await caller.run(first);
    } finally {
      this.callers.delete(caller);
    }
  }

  async #rawMode(
    conn: Deno.Conn,
    { mode, peer, first }: { mode: HandshakeMode; peer: Peer; first: Uint8Array },
  ): Promise<void> {
    const { remoteAddress } = peer;
    const { gate, registry } = this.#context;
    let identity: Operator | undefined;
    let request: CallRequest;
    let raw: RawConnection, handshake: Handshake, server = "", tunnel: OpenTunnel;
    const deadline = AbortSignal.timeout(HANDSHAKE_TIMEOUT_MS);
    try {
      const read = await readHandshake(conn, mode, first);
      if (read === undefined) return;
      handshake = read;
      const { candidates, token, forwarded } = handshake.request;
      server = candidates[0] ?? "";
      request = {
        remote: hostOf(remoteAddress),
        authorization: token === undefined ? undefined : `Bearer ${token}`,
        certificate: peer.certificate,
        forwarded,
      };
      const who = await gate.authorizeRequest(request, peer);
      if (who instanceof RpcError) throw who;
      identity = who;
      const route = gate.directRaw(candidates, who);
      if (route instanceof RpcError) throw route;
      if (route.to === "hub") throw new RpcError(Status.INVALID_ARGUMENT, "No server is named");
      server = route.name;
      const [name = "", expose = ""] = server.split("/");
      const picked = registry.pick(name);
      if (picked === undefined) throw parentAway(server, name);
      tunnel = picked;
      raw = new RawConnection(tunnel, { expose, operator: identity.name });
      await raw.open(deadline);
    } catch (error) {
      const refusal = RpcError.from(error);
      const names = identity === undefined ? [] : gate.view(identity).names();
      const who = identity?.name ?? "";
      this.#context.onRawRefused(
        { id: this.#context.nextId(), server, remoteAddress, who },
        refusal,
      );
      await writeAll(conn, rejection(mode, refusal, names));
      return;
    }
    await writeAll(conn, acceptance(mode, { server, tunnel: tunnel.id }));
    const record = { id: this.#context.nextId(), server, remoteAddress, identity };
    this.#context.onRawOpened(record);
    this.#raw.add(conn);
    let ended: RpcError | undefined;
    using _ = gate.keepRaw({
      server,
      identity,
      request,
      end: (error) => {
        ended ??= error;
        closeQuietly(conn);
      },
    });
    const startedMs = performance.now();
    const result = await raw.join(conn, handshake.rest);
    this.#raw.delete(conn);
    const how = ended === undefined ? {} : { status: ended.code, reason: ended.message };
    const durationMs = performance.now() - startedMs;
    this.#context.onRawEnded(record, { ...result, ...how, durationMs });
  }
}

/** Reads until it is clear what this is. `undefined` if the peer was gone, or too slow. */
async function firstBytes(
  conn: Deno.Conn,
): Promise<{ is: Sniffed; bytes: Uint8Array } | undefined> {
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
  conn: Deno.Conn,
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
    { details: [errorInfo("SERVER_OFFLINE", "ghub", { server: name })] },
  );
}
