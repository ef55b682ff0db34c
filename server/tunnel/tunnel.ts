/**
 * A tunnel at the server's end: the WebSocket as a byte stream, its heartbeat, and its end.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { Buffer } from "node:buffer";
import { CloseCode } from "../../shared/websocket/close_codes.ts";
import type { OpenSocket } from "../dial/dial.ts";
import { Heartbeat, type HeartbeatNumbers } from "./heartbeat.ts";
import { FrameType } from "../../shared/http2/frames.ts";
import {
  type FrameHead,
  goawayFrame,
  Http2Scan,
  readFrameHead,
} from "../../shared/http2/scan/http2_scan.ts";
import { OpenStreams } from "../../shared/http2/scan/open_streams.ts";
import { RENEWING } from "../../shared/registration/renewing.ts";
import type { VoucherReader } from "../policy/voucher_reader.ts";
import { closeSocket, WebSocketStream } from "./web_socket_stream.ts";

const log = getLogger(["server", "tunnel"]);

/** Why a tunnel ended, in words that an operator reads. */
export interface Lost {
  readonly reason: string;
  /** Who ended it. */
  readonly by: "hub" | "server" | "network";
}

/** Options of {@linkcode ServerTunnel}. */
export interface TunnelOptions {
  /** Until Welcome brings the hub's own. */
  readonly numbers: HeartbeatNumbers;
  /** Keeps GOAWAY frames from who speaks HTTP/2 here: `node:http2` needs that, see Http2Scan. */
  readonly dropGoaway: boolean;
  /** What comes from the hub goes through it too. */
  readonly inbound?: Pick<Http2Scan, "pass"> | undefined;
  /** Called for each frame that comes from the hub. */
  readonly onInbound?: ((head: FrameHead) => void) | undefined;
  /** Called for each frame that goes to the hub. */
  readonly onOutbound?: ((head: FrameHead) => void) | undefined;
  /** Reads who calls, by vouchers of the hub; with a policy only. */
  readonly vouchers?: VoucherReader | undefined;
}

let lastId = 0;

/** Construct it in the turn in which the socket opened: bytes that come before are lost. */
export class ServerTunnel {
  /** Unique in this process; `context.peer` of the calls that come through it. */
  readonly id = `tunnel-${++lastId}`;
  readonly stream: WebSocketStream;
  readonly openedAtMs: number = performance.now();
  /** Resolves once, never rejects. */
  readonly closed: Promise<Lost>;
  /** Resolves when a new tunnel is due, with the end that wants it: no more calls come here. */
  readonly leaving: Promise<"hub" | "upstream">;
  /** The hub's calls that are in flight. */
  readonly calls = new OpenStreams();
  /** A server that lost this tunnel waits a random part of it before it dials. */
  reconnectSpreadMs = 0;
  readonly vouchers: VoucherReader | undefined;
  /** How the hub names itself, if it does. */
  readonly hubId: string | undefined;
  readonly #open: OpenSocket;
  readonly #heartbeat: Heartbeat;
  readonly #resolveClosed: (lost: Lost) => void;
  readonly #resolveLeaving: (by: "hub" | "upstream") => void;
  #isClosed = false;
  /** Pings are numbered, and a pong answers all up to its own (RFC 6455 §5.5.3). */
  #pings = 0;
  #awaitedPongs: { readonly ping: number; readonly resolve: () => void }[] = [];

  constructor(open: OpenSocket, options: TunnelOptions) {
    const { numbers, dropGoaway, vouchers, inbound, onInbound, onOutbound } = options;
    this.#open = open;
    this.vouchers = vouchers;
    const { socket, connection } = open;
    this.hubId = open.hubId;
    const leaving = Promise.withResolvers<"hub" | "upstream">();
    this.leaving = leaving.promise;
    this.#resolveLeaving = leaving.resolve;
    const scan = new Http2Scan({
      fromClient: true,
      dropGoaway,
      onFrame: (head) => {
        if (head.type === FrameType.GOAWAY) leaving.resolve("hub");
        else this.calls.fromClient(head);
        onInbound?.(head);
      },
    });
    this.stream = new WebSocketStream(socket, {
      remoteAddress: this.id,
      connection,
      inbound: inbound === undefined
        ? scan
        : { pass: (bytes) => scan.pass(bytes).flatMap((piece) => inbound.pass(piece)) },
      outbound: new Http2Scan({
        fromClient: false,
        onFrame: (head) => {
          this.calls.fromServer(head);
          onOutbound?.(head);
        },
      }),
    });
    const closed = Promise.withResolvers<Lost>();
    this.closed = closed.promise;
    this.#resolveClosed = closed.resolve;
    this.#heartbeat = new Heartbeat({
      bytesRead: () => connection.bytesRead,
      paused: () => this.stream.paused,
      ping: () => this.#ping(),
      onDead: (silentMs) => {
        this.#end({ reason: `Nothing came in for ${silentMs} ms`, by: "network" });
        // Not close(): that would wait for the peer that is gone.
        socket.terminate();
      },
    }, numbers);
    socket.on("pong", (payload: Buffer) => {
      const number = Number(payload);
      for (const { ping, resolve } of this.#awaitedPongs) if (number >= ping) resolve();
      this.#awaitedPongs = this.#awaitedPongs.filter(({ ping }) => number < ping);
    });
    socket.once("close", (code: number, reason: Buffer) => this.#end(lostBy(code, String(reason))));
    this.stream.on("error", (error) => {
      log.debug("Stream of {tunnel} ended: {error}", { tunnel: this.id, error });
    });
  }

  /** How long it has been open. */
  get ageMs(): number {
    return performance.now() - this.openedAtMs;
  }

  /** Replaces the numbers of the heartbeat. */
  set numbers(numbers: HeartbeatNumbers) {
    if (!this.#isClosed) this.#heartbeat.numbers = numbers;
  }

  get numbers(): HeartbeatNumbers {
    return this.#heartbeat.numbers;
  }

  /** Sends a frame of our own to the hub, between others. */
  send(frame: Uint8Array): void {
    this.calls.fromServer(readFrameHead(frame));
    this.stream.inject(frame);
  }

  /** Says goodbye and closes, without waiting for the hub. Later calls do nothing. */
  close(reason: string, code: number = CloseCode.GOING_AWAY): void {
    closeSocket(this.#open.socket, { code, reason });
    this.#end({ reason, by: "server" });
  }

  /**
   * Tells the hub to send no more calls (GOAWAY), lets those in flight end, and closes: at the
   * latest when `signal` fires. Resolves when it is closed.
   *
   * @param why What the hub is told.
   */
  async stop(signal: AbortSignal, why = "The server is shutting down"): Promise<void> {
    const cut = () => this.close(`${why}: calls in flight were cut`);
    if (signal.aborted) return cut();
    signal.addEventListener("abort", cut, { once: true });
    try {
      this.stream.inject(goawayFrame());
      // A call that crossed the GOAWAY is here when the hub has answered what came after it.
      await Promise.race([this.#roundTrip(), this.closed]);
      await Promise.race([this.calls.idle(), this.closed]);
      this.close(why);
    } finally {
      signal.removeEventListener("abort", cut);
    }
  }

  /**
   * Tells the hub that another tunnel takes this one's place at once, so that it lets calls wait for
   * that. Resolves when all calls that it sent before have come, or when it is closed.
   */
  async giveWay(): Promise<void> {
    this.stream.inject(goawayFrame(undefined, { debug: RENEWING }));
    this.#resolveLeaving("upstream");
    await Promise.race([this.#roundTrip(), this.closed]);
  }

  #roundTrip(): Promise<void> {
    return new Promise((resolve) => {
      this.#awaitedPongs.push({ ping: this.#pings + 1, resolve });
      this.#ping();
    });
  }

  #ping(): void {
    const { socket } = this.#open;
    if (socket.readyState === socket.OPEN) socket.ping(String(++this.#pings));
  }

  #end(lost: Lost): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#heartbeat[Symbol.dispose]();
    this.#resolveClosed(lost);
    this.stream.destroy();
  }
}

/** What the end of a WebSocket means. */
function lostBy(code: number, reason: string): Lost {
  if (code === CloseCode.ABNORMAL) return { reason: "The connection was cut", by: "network" };
  const words = reason === "" ? `close code ${code}` : reason;
  return { reason: words, by: "hub" };
}
