/**
 * A tunnel that is open: WebSocket frames (RFC 6455) on a socket, HTTP/2 inside, the hub as
 * its client.
 *
 *     socket ─▶ WebSocketFrameReader ─▶ Connection ─▶ RelayedCall …
 *     socket ◀─ sealFrame ◀──────────── Connection ◀─ RelayedCall …
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { CloseCode } from "../../shared/websocket/close_codes.ts";
import {
  closeFrame,
  controlFrame,
  type FrameHandler,
  Opcode,
  sealFrame,
  WebSocketFrameReader,
} from "../../shared/websocket/frames.ts";
import { WebSocketError } from "../../shared/websocket/web_socket_error.ts";
import { Connection, type ConnectionEvents } from "../../shared/http2/connection.ts";
import { RENEWING } from "../../shared/registration/renewing.ts";
import { ErrorCode, errorName, type Http2Error } from "../../shared/http2/frames.ts";
import { type PumpProtocol, type Socket, SocketPump } from "../peer/socket_pump.ts";
import { ResetPacer } from "../peer/reset_pacer.ts";
import { MAX_BACKLOG, ReceiveBudget } from "../peer/receive_budget.ts";
import type { CloseReason, ServerInfo, Tunnel, TunnelStats } from "../registry/tunnel.ts";
import type { Swept } from "./keepalive.ts";
import type { OwnCall, Welcomed } from "./welcome.ts";
import type { TunnelVouchers } from "../access/vouchers.ts";

/** A tunnel is closed when its socket has taken no byte of what waits for this long. */
export const MAX_TUNNEL_STALL_S = 15;
/**
 * Unsent bytes beyond which a tunnel is closed. Calls and DATA wait long before; only a server that
 * takes a byte now and then, and makes the hub say much, comes so far.
 */
export const MAX_UNSENT = 4 * MAX_BACKLOG;

export interface OpenTunnelOptions {
  readonly id: string;
  readonly info: ServerInfo;
  readonly generation: number;
  /** See `Tunnel.owner`. @default "" */
  readonly owner?: string;
  /** The answer to the upgrade request: sent before all else. */
  readonly greeting: Uint8Array;
  /** For a server that asked for them. */
  readonly vouchers?: TunnelVouchers | undefined;
}

/**
 * A tunnel that is open: HTTP/2 in WebSocket frames, with the hub as the client. `run()` it once,
 * right after it was registered.
 */
export class OpenTunnel implements Tunnel, Welcomed, ConnectionEvents, PumpProtocol, Swept {
  readonly hop = "server";
  readonly id: string;
  readonly info: ServerInfo;
  generation: number;
  readonly owner: string;
  readonly vouchers: TunnelVouchers | undefined;
  readonly connectedAtMs: number = Date.now();
  readonly side: ReceiveBudget;
  readonly resets: ResetPacer;
  readonly closed: Promise<CloseReason>;
  callsTotal = 0;
  ownCall: OwnCall | undefined;
  isRenewing = false;
  lastByteMs: number = performance.now();
  nextTickMs = 0;
  nextPingMs = 0;
  readonly #connection: Connection;
  readonly #link: SocketPump;
  readonly #frames: WebSocketFrameReader;
  readonly #resolveClosed: (reason: CloseReason) => void;
  #state: Tunnel["state"] = "open";
  #reason: CloseReason | undefined;
  /** Control frames that wait; at most one pong, the newest (RFC 6455 §5.5.3). */
  #pong: Uint8Array | undefined;
  #ping: Uint8Array | undefined;
  /** The first bytes: the answer to the upgrade. */
  #greeting: Uint8Array | undefined;
  #goodbye: Uint8Array | undefined;
  #pingSentMs = 0;
  #rttMs: number | undefined;
  /** Resolves when a draining tunnel has no calls left; made when somebody waits. */
  #idle: PromiseWithResolvers<void> | undefined;
  /** Resolves when the socket of a closed tunnel is closed. */
  #gone: Promise<void> | undefined;

  constructor(socket: Socket, options: OpenTunnelOptions) {
    this.id = options.id;
    this.info = options.info;
    this.generation = options.generation;
    this.owner = options.owner ?? "";
    this.vouchers = options.vouchers;
    const { promise, resolve } = Promise.withResolvers<CloseReason>();
    this.closed = promise;
    this.#resolveClosed = resolve;
    this.#link = new SocketPump(socket, this);
    this.#connection = new Connection(this, { role: "client" });
    this.#greeting = options.greeting;
    this.#frames = new WebSocketFrameReader(new TunnelFrames(this, this.#connection), FROM_SERVER);
    this.side = new ReceiveBudget(this.#connection);
    this.resets = new ResetPacer(this.#connection);
    this.#connection.start();
  }

  get name(): string {
    return this.info.name;
  }

  get state(): Tunnel["state"] {
    return this.#state;
  }

  get lost(): string | undefined {
    return this.#reason?.reason;
  }

  /**
   * Speaks with the server until the tunnel ends.
   *
   * @param first What came after the upgrade request.
   */
  run(first: Uint8Array): void {
    // Not awaited: a function that waits is kept as long, and there are thousands of tunnels.
    void this.#link.run(first.slice()).then((error) =>
      this.close(
        error === undefined
          ? { reason: "The server closed the connection", by: "server" }
          : { reason: error instanceof Error ? error.message : String(error), by: "network" },
      )
    );
  }

  confirm(generation: number): void {
    this.generation = generation;
  }

  stats(): TunnelStats {
    return {
      callsInFlight: this.#connection.streamCount,
      callsTotal: this.callsTotal,
      rttMs: this.#rttMs,
      lastSeenMs: Date.now() - (performance.now() - this.lastByteMs),
    };
  }

  /** Once per ping interval. */
  ping(): void {
    if (this.#state === "closed") return;
    this.#pingSentMs = performance.now();
    this.#ping = controlFrame(Opcode.PING);
    this.#link.wake();
  }

  /** Once a second: floods, stalls, worn-out stream ids, the end of a drain. */
  tick(): void {
    this.#connection.tick();
    this.#link.tick();
    this.resets.tick();
    if (this.#link.stalledTicks >= MAX_TUNNEL_STALL_S) {
      this.close({
        reason: `The server has read nothing for ${MAX_TUNNEL_STALL_S} s`,
        by: "network",
      });
    }
    if (this.#connection.outputBytes > MAX_UNSENT) {
      this.close({ reason: "The server does not read what it makes the hub say", by: "network" });
    }
    if (this.#connection.isWornOut && this.#state === "open") void this.drain();
    if (this.#state !== "draining" || this.#connection.streamCount > 0) return;
    if (this.#idle !== undefined) this.#idle.resolve();
    else this.close({ reason: "The server took no more calls", by: "server" });
  }

  close(reason: CloseReason, code: number = CloseCode.NORMAL): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#reason = reason;
    this.#goodbye = closeFrame(code, reason.reason);
    this.#resolveClosed(reason);
    this.#connection.abort(ErrorCode.INTERNAL_ERROR);
    this.#idle?.resolve();
    this.#gone = this.#link.end();
  }

  async drain({ signal }: { readonly signal?: AbortSignal } = {}): Promise<void> {
    if (this.#state === "closed") return;
    if (this.#state === "open") {
      this.#state = "draining";
      // Nobody waits for the answer: a drain has none to wait for but the operators'.
      this.ownCall?.cancel();
      this.#connection.goaway(ErrorCode.NO_ERROR, {
        debug: "Open a new tunnel, then end this one",
      });
    }
    if (this.#connection.streamCount > 0 && !signal?.aborted) {
      const idle = this.#idle ??= Promise.withResolvers();
      const stop = () => idle.resolve();
      signal?.addEventListener("abort", stop);
      await idle.promise;
      signal?.removeEventListener("abort", stop);
    }
    this.close({ reason: "The hub drained the tunnel", by: "hub" }, CloseCode.GOING_AWAY);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close({ reason: "The hub closed the tunnel", by: "hub" });
    await this.#gone;
  }

  // ---- PumpProtocol

  onBytes(bytes: Uint8Array): number {
    this.lastByteMs = performance.now();
    try {
      this.#frames.receive(bytes);
    } catch (error) {
      const code = error instanceof WebSocketError ? error.closeCode : CloseCode.INTERNAL_ERROR;
      const reason = error instanceof Error ? error.message : String(error);
      this.close({ reason, by: "hub" }, code);
    }
    return bytes.length;
  }

  take(): readonly Uint8Array[] {
    const frames: Uint8Array[] = [];
    if (this.#greeting !== undefined) frames.push(this.#greeting);
    this.#greeting = undefined;
    if (this.#pong !== undefined) frames.push(this.#pong);
    if (this.#ping !== undefined) frames.push(this.#ping);
    this.#pong = this.#ping = undefined;
    for (const view of this.#connection.take()) {
      const buffer = new Uint8Array(view.buffer);
      frames.push(sealFrame(buffer, view.byteOffset, view.byteOffset + view.byteLength));
    }
    if (this.#goodbye !== undefined) frames.push(this.#goodbye);
    this.#goodbye = undefined;
    return frames;
  }

  /** Not paused: what makes it speak is bounded, and its silence would look like death. */
  readonly isFull = false;

  // ---- ConnectionEvents

  onOutput(urgent: boolean): void {
    if (urgent) this.#link.wake();
    else this.#link.wakeLate();
  }

  onRequest(): never {
    throw new Error("A server opened a stream");
  }

  /** The server takes no more calls: it is stopping, or renews itself, and what is in flight may end. */
  onGoaway(_lastId: number, code: number, debug: string): void {
    if (this.#state === "open") {
      this.#state = "draining";
      this.isRenewing = code === ErrorCode.NO_ERROR && debug === RENEWING;
    }
    this.ownCall?.cancel();
    if (code === ErrorCode.NO_ERROR) return;
    const why = debug === "" ? errorName(code) : `${errorName(code)}: ${debug}`;
    this.close({ reason: `The server ended HTTP/2: ${why}`, by: "server" });
  }

  onPong(): void {}

  onFault(error: unknown): void {
    const { name } = this;
    getLogger(["hub", "tunnel"]).error('A call to "{name}" hit an unexpected error: {error}', {
      name,
      error,
    });
  }

  onError(error: Http2Error): void {
    this.close({ reason: error.message, by: "hub" }, CloseCode.PROTOCOL_ERROR);
  }

  // ---- WebSocket control frames, from TunnelFrames

  /** @ignore */
  pingReceived(bytes: Uint8Array): void {
    this.#pong = controlFrame(Opcode.PONG, bytes);
    this.#link.wake();
  }

  /** @ignore */
  pongReceived(): void {
    if (this.#pingSentMs > 0) this.#rttMs = performance.now() - this.#pingSentMs;
    this.#pingSentMs = 0;
  }
}

const FROM_SERVER = { requireMask: true };

/** Hands on what a tunnel's WebSocket frames bring. */
class TunnelFrames implements FrameHandler {
  readonly #tunnel: OpenTunnel;
  readonly #connection: Connection;

  constructor(tunnel: OpenTunnel, connection: Connection) {
    this.#tunnel = tunnel;
    this.#connection = connection;
  }

  payload(bytes: Uint8Array): void {
    this.#connection.receive(bytes);
  }

  ping(bytes: Uint8Array): void {
    this.#tunnel.pingReceived(bytes);
  }

  pong(): void {
    this.#tunnel.pongReceived();
  }

  close(code: number, reason: string): void {
    const why = reason === "" ? `close code ${code}` : reason;
    this.#tunnel.close({ reason: `The server closed the tunnel: ${why}`, by: "server" });
  }
}
