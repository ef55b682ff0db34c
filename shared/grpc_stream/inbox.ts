/**
 * Bytes of DATA → messages, compressed or not.
 *
 *     Length-Prefixed-Message → Compressed-Flag (1) Message-Length (4) Message
 *
 * What waits is kept as the bytes that came, however small the messages are: thirteen thousand empty
 * ones fit into a stream's first window. What a peer may send ahead of the reader is a window; only for
 * the message that the reader waits for it gets as much as that one needs.
 *
 * @see https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests
 * @module
 */
import { ByteQueue } from "../bytes/byte_queue.ts";
import { PREFIX_BYTES } from "../grpc/message_prefix.ts";
import { RpcError } from "../grpc/rpc_error.ts";
import { Status } from "../grpc/status.ts";

/** A message as it came. */
export interface Packed {
  readonly bytes: Uint8Array;
  readonly compressed: boolean;
}

export interface InboxOptions {
  /** A longer message is an error. */
  readonly maxMessageBytes: number;
  /** What may wait for the reader, or be under way to it. */
  readonly windowBytes: number;
}

/**
 * Turns the bytes of a stream into messages. Holds no more than a window, or one message and its
 * prefix if that is longer.
 */
export class Inbox {
  readonly #options: InboxOptions;
  readonly #queue = new ByteQueue();
  /** Whole messages in the queue. */
  #whole = 0;
  /** Of the message that is coming: its prefix, as far as it is there, and what is to come of it. */
  readonly #prefix = new Uint8Array(PREFIX_BYTES);
  #prefixFill = 0;
  #length = 0;
  #left = 0;

  constructor(options: InboxOptions) {
    this.#options = options;
  }

  /** Bytes that wait for the reader, or for the rest of their message. */
  get heldBytes(): number {
    return this.#queue.length;
  }

  /** Whether a message has begun and not ended. */
  get isInside(): boolean {
    return this.#prefixFill > 0;
  }

  /** Whether there is a message to {@linkcode take}. */
  get hasMessage(): boolean {
    return this.#whole > 0;
  }

  /**
   * Takes bytes as they come; they are copied.
   *
   * @throws {RpcError} `RESOURCE_EXHAUSTED` for a message over the limit, `INTERNAL` for a flag that
   *     gRPC does not have. Messages before it can still be taken.
   */
  push(bytes: Uint8Array): void {
    this.#queue.push(bytes);
    for (let at = 0; at < bytes.length;) {
      if (this.#prefixFill < PREFIX_BYTES) {
        this.#prefix[this.#prefixFill++] = bytes[at++]!;
        if (this.#prefixFill < PREFIX_BYTES) continue;
        this.#begin();
      } else {
        const some = Math.min(this.#left, bytes.length - at);
        this.#left -= some;
        at += some;
      }
      if (this.#left > 0) continue;
      this.#whole++;
      this.#prefixFill = 0;
    }
  }

  /** The next message, a copy of its own; `undefined` if none is whole. */
  take(): Packed | undefined {
    if (this.#whole === 0) return undefined;
    this.#whole--;
    const prefix = this.#read(PREFIX_BYTES);
    const bytes = this.#read(new DataView(prefix.buffer).getUint32(1));
    return { bytes, compressed: prefix[0] === 1 };
  }

  /** Forgets what waits. */
  clear(): void {
    this.#whole = 0;
    while (this.#queue.length > 0) this.#queue.drop(this.#queue.peek(Infinity).length);
  }

  /**
   * What the peer may be granted; nothing while that is too little for a frame.
   *
   * @param open What it may send already.
   * @param isAwaited Whether the reader waits for the next message.
   */
  credit(open: number, isAwaited: boolean): number {
    const { windowBytes } = this.#options;
    const needed = isAwaited && this.#whole === 0 && this.#prefixFill === PREFIX_BYTES
      ? PREFIX_BYTES + this.#length
      : 0;
    const room = Math.max(windowBytes, needed) - this.#queue.length - open;
    return room > 0 && (room * 2 >= windowBytes || open === 0) ? room : 0;
  }

  #begin(): void {
    const flag = this.#prefix[0]!;
    if (flag > 1) throw new RpcError(Status.INTERNAL, `Message has the unknown flag ${flag}`);
    this.#left = this.#length = new DataView(this.#prefix.buffer).getUint32(1);
    if (this.#length > this.#options.maxMessageBytes) {
      throw tooLarge(this.#length, this.#options.maxMessageBytes);
    }
  }

  #read(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length;) {
      const some = this.#queue.peek(length - at);
      bytes.set(some, at);
      at += some.length;
      this.#queue.drop(some.length);
    }
    return bytes;
  }
}

/** A message over the limit, by what it says or by what it unpacks to. */
export function tooLarge(bytes: number | string, maxBytes: number): RpcError {
  return new RpcError(
    Status.RESOURCE_EXHAUSTED,
    `The peer sent a message of ${bytes} bytes; the most that is accepted are ${maxBytes}`,
  );
}
