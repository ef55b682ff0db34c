/**
 * Messages both ways on one stream of HTTP/2, at either end of it.
 *
 *     stream ──receive()──▶ Inbox ──next()──▶ reader         credit back as it reads
 *     stream ◀────────────── send() ◀──────── writer         which waits when too much waits
 *
 * @module
 */
import { turns } from "../async/turns.ts";
import { prefixMessage } from "../grpc/message_prefix.ts";
import type { Connection } from "../http2/connection.ts";
import { LAST, MORE, type Stream } from "../http2/stream.ts";
import { Inbox, type InboxOptions } from "./inbox.ts";
import { unpack } from "./unpack.ts";

/** Bytes that may wait to be sent before `send()` waits. */
const SEND_BYTES = 64 << 10;

const NOTHING = new Uint8Array();

/** Messages both ways on one stream of HTTP/2. One reader and one writer at a time. */
export class MessageStream {
  /** `grpc-encoding` of what comes. */
  encoding = "identity";
  readonly #connection: Connection;
  readonly #options: InboxOptions;
  readonly #inbox: Inbox;
  #stream: Stream | undefined;
  /** Nothing more comes, or goes. */
  #inEnded = false;
  #outEnded = false;
  #isReading = false;
  #unpacking = 0;
  #wakeReader = () => {};
  #wakeWriter = () => {};

  constructor(connection: Connection, options: InboxOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#inbox = new Inbox(options);
  }

  /** What it keeps of what came; what waits to be sent is the connection's matter. */
  get heldBytes(): number {
    return this.#inbox.heldBytes + this.#unpacking;
  }

  /** Whether the last message that came has not ended. */
  get isInside(): boolean {
    return this.#inbox.isInside;
  }

  /** Begins. */
  open(stream: Stream): void {
    this.#stream = stream;
    this.#grant();
  }

  /**
   * Takes a piece of DATA.
   *
   * @throws {RpcError} If it is no message that is accepted.
   */
  receive(piece: Uint8Array): void {
    // The connection's window is for all calls: each has one of its own that it must not exceed.
    this.#connection.consumed(piece.length);
    if (this.#inEnded) return;
    this.#inbox.push(piece);
    this.#grant();
    if (this.#inbox.hasMessage) this.#wakeReader();
  }

  /** Nothing more comes; what is here can still be read. */
  endReceiving(): void {
    this.#inEnded = true;
    this.#wakeReader();
  }

  /** Nothing more comes, goes or is read. */
  close(): void {
    this.#inbox.clear();
    this.endReceiving();
    this.endSending();
  }

  /** Nothing more goes: who waits to send need not. */
  endSending(): void {
    this.#outEnded = true;
    this.#wakeWriter();
  }

  /** Bytes have left that waited. */
  drained(): void {
    this.#wakeWriter();
  }

  /**
   * The next message, unpacked; `undefined` at the end.
   *
   * @throws {RpcError} If it cannot be unpacked.
   */
  async next(): Promise<Uint8Array | undefined> {
    while (!this.#inbox.hasMessage && !this.#inEnded) {
      this.#isReading = true;
      this.#grant();
      await new Promise<void>((resolve) => this.#wakeReader = resolve);
    }
    this.#isReading = false;
    // Small messages come by the thousand, and reading them never waits: others must have their turn.
    if (this.#inbox.hasMessage && turns.isOver()) await turns.next();
    const packed = this.#inbox.take();
    if (packed === undefined) return undefined;
    this.#grant();
    if (!packed.compressed) return packed.bytes;
    const { maxMessageBytes: maxBytes } = this.#options;
    this.#unpacking = packed.bytes.length + maxBytes;
    try {
      return await unpack(packed, { encoding: this.encoding, maxBytes });
    } finally {
      this.#unpacking = 0;
    }
  }

  /** Sends a message; resolves when the next one may follow. */
  async send(message: Uint8Array): Promise<void> {
    const stream = this.#stream;
    if (stream === undefined || this.#outEnded) return;
    this.#connection.data(stream, prefixMessage(message), MORE);
    while (stream.queuedBytes > SEND_BYTES && !this.#outEnded) {
      await new Promise<void>((resolve) => this.#wakeWriter = resolve);
    }
  }

  /** Sends the end of what is sent, without trailers. */
  sendEnd(): void {
    if (this.#stream === undefined || this.#outEnded) return;
    this.#connection.data(this.#stream, NOTHING, LAST);
  }

  #grant(): void {
    const stream = this.#stream;
    if (stream === undefined || this.#inEnded || stream.closed) return;
    const credit = this.#inbox.credit(stream.recvWindow, this.#isReading);
    if (credit > 0) this.#connection.grant(stream, credit);
  }
}
