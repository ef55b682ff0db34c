/**
 * A WebSocket as a byte stream: the bridge at the server's end of a tunnel.
 *
 *     hub ═ binary messages ═▶ scan ─▶ readable side    a full buffer pauses the socket
 *     hub ◀═ binary messages ═ scan ◀─ writable side    a write is done when the socket took it
 *
 * Not `createWebSocketStream` of npm:ws: that takes text for bytes, shows no GOAWAY, and does
 * not tell `node:http2` when the peer has gone.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { CloseCode, isSendable } from "../../shared/websocket/close_codes.ts";
import { maskedFrame } from "../../shared/websocket/masked_frame.ts";
import type { WebSocket } from "../../shared/websocket/ws.ts";
import type { Http2Scan } from "../../shared/http2/scan/http2_scan.ts";

/** Bytes that wait in each direction before the other end has to. */
export const STREAM_BUFFER_BYTES = 256 * 1024;

/** Frames of our own that wait for the end of one under way. */
const MAX_INJECTED = 1_000;
/** Bytes that wait for a hub that does not read; what comes through the writable side waits itself. */
const MAX_UNSENT_BYTES = 4 * 1024 * 1024;

/** Options of {@linkcode WebSocketStream}. */
export interface WebSocketStreamOptions {
  /** What passes from the hub goes through it. */
  readonly inbound?: Pick<Http2Scan, "pass">;
  /** What passes to the hub goes through it. */
  readonly outbound?: Http2Scan;
  /**
   * What carries a client's WebSocket: messages go to it directly, as `maskedFrame` makes them.
   *
   * @default messages are sent by npm:ws
   */
  readonly connection?: Socket;
  /** What `node:http2`, and so `context.peer` of a call, sees as the address of the other end. */
  readonly remoteAddress?: string;
}

/**
 * Guarantees:
 * - No byte is lost that comes after the constructor has run; construct it in `open`.
 * - A text message closes the WebSocket with 1003 and ends the stream with an error.
 * - When the WebSocket closes the stream is destroyed: a tunnel has no half that could go on.
 * - `destroy()` closes the WebSocket and waits for nobody.
 */
export class WebSocketStream extends Duplex {
  readonly remoteAddress: string;
  readonly #socket: WebSocket;
  readonly #outbound: Http2Scan | undefined;
  readonly #connection: Socket | undefined;
  #paused = false;
  #written = false;
  #injected: Uint8Array[] = [];

  constructor(socket: WebSocket, options: WebSocketStreamOptions = {}) {
    super({ highWaterMark: STREAM_BUFFER_BYTES, allowHalfOpen: true });
    this.#socket = socket;
    this.#outbound = options.outbound;
    this.#connection = options.connection;
    this.remoteAddress = options.remoteAddress ?? "tunnel";
    const { inbound } = options;
    socket.on("message", (data: Buffer, isBinary: boolean) => {
      if (this.destroyed) return;
      if (!isBinary) return this.#refuseText();
      for (const bytes of inbound?.pass(data) ?? [data]) {
        if (!this.push(bytes)) this.#pause();
      }
    });
    socket.once("close", () => this.destroy());
    // An error is always followed by a close, which tells more.
    socket.on("error", () => {});
  }

  /** Nothing is being read because the reader is slow: silence is not the peer's fault. */
  get paused(): boolean {
    return this.#paused;
  }

  /**
   * Sends an HTTP/2 frame that did not come through the writable side, after a frame that did:
   * not before the first one, which must be SETTINGS (RFC 9113 §3.4).
   */
  inject(frame: Uint8Array): void {
    if (this.#injected.length >= MAX_INJECTED || this.#socket.bufferedAmount > MAX_UNSENT_BYTES) {
      return void this.destroy(new Error("The hub does not read what it is answered"));
    }
    this.#injected.push(frame);
    this.#sendInjected();
  }

  #sendInjected(): void {
    if (this.#injected.length === 0 || this.destroyed) return;
    if (!this.#written || this.#outbound?.atBorder === false) return;
    this.#send(this.#injected.splice(0), () => {});
  }

  #send(pieces: readonly Uint8Array[], done: (error?: Error | null) => void): void {
    const { readyState, OPEN } = this.#socket;
    if (readyState !== OPEN) done(new Error("The WebSocket is closing"));
    else if (this.#connection !== undefined) this.#connection.write(maskedFrame(pieces), done);
    else this.#socket.send(Buffer.concat(pieces), done);
  }

  override _read(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#pass([chunk], done);
  }

  /** What was written while the last message was on its way leaves as one. */
  override _writev(
    chunks: readonly { readonly chunk: Buffer }[],
    done: (error?: Error | null) => void,
  ): void {
    this.#pass(chunks.map(({ chunk }) => chunk), done);
  }

  #pass(chunks: readonly Buffer[], done: (error?: Error | null) => void): void {
    this.#written = true;
    for (const chunk of chunks) this.#outbound?.pass(chunk);
    this.#send(chunks, done);
    this.#sendInjected();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    closeSocket(this.#socket, {
      code: error === null ? CloseCode.NORMAL : CloseCode.INTERNAL_ERROR,
    });
    done(error);
  }

  #pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#socket.pause();
  }

  #refuseText(): void {
    const message = "Text messages are not accepted: a tunnel carries binary messages";
    closeSocket(this.#socket, { code: CloseCode.UNSUPPORTED_DATA, reason: message });
    this.destroy(new Error(message));
  }
}

/** Most bytes of a reason, as RFC 6455 §5.5 bounds control frames; ours are ASCII. */
const MAX_REASON = 123;

/** Starts the closing handshake; does nothing if it has begun. */
export function closeSocket(
  socket: WebSocket,
  { code, reason = "" }: { readonly code: number; readonly reason?: string },
): void {
  // A paused socket would never read the peer's close frame.
  if (socket.isPaused) socket.resume();
  if (socket.readyState === socket.OPEN) {
    socket.close(isSendable(code) ? code : CloseCode.NORMAL, reason.slice(0, MAX_REASON));
  }
}
