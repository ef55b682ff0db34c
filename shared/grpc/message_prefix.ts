/**
 * Messages on a gRPC stream: a flag for compression, the length, the message.
 *
 *     Length-Prefixed-Message → Compressed-Flag (1) Message-Length (4) Message
 *
 * @see https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests
 * @module
 */
import { RpcError } from "./rpc_error.ts";
import { Status } from "./status.ts";

/** Bytes in front of each message. */
export const PREFIX_BYTES = 5;

/** Puts the prefix of an uncompressed message before it. */
export function prefixMessage(message: Uint8Array): Uint8Array {
  const out = new Uint8Array(PREFIX_BYTES + message.length);
  new DataView(out.buffer).setUint32(1, message.length);
  out.set(message, PREFIX_BYTES);
  return out;
}

/** Cuts a byte stream into messages. Its work is linear in the bytes, in pieces of whatever size. */
export class MessageReader {
  readonly #maxBytes: number;
  readonly #prefix = new Uint8Array(PREFIX_BYTES);
  #prefixFill = 0;
  /** The message that is being received. It grows with what has come, not with what was promised. */
  #message = new Uint8Array();
  #fill = 0;
  #length = 0;

  /** @param maxBytes A longer message is an error. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes that are kept for a message that is not complete. */
  get heldBytes(): number {
    return this.#message.length;
  }

  /**
   * Takes bytes as they come.
   *
   * @returns The messages that are complete now, each a copy of its own.
   * @throws {RpcError} `RESOURCE_EXHAUSTED` for a message over the limit, `INTERNAL` for a
   * compressed one, which nobody asked for.
   */
  push(bytes: Uint8Array): Uint8Array[] {
    const messages: Uint8Array[] = [];
    for (let at = 0; at < bytes.length;) {
      if (this.#prefixFill < PREFIX_BYTES) {
        const n = Math.min(PREFIX_BYTES - this.#prefixFill, bytes.length - at);
        this.#prefix.set(bytes.subarray(at, at + n), this.#prefixFill);
        this.#prefixFill += n;
        at += n;
        if (this.#prefixFill < PREFIX_BYTES) break;
        this.#begin();
      }
      const n = Math.min(this.#length - this.#fill, bytes.length - at);
      this.#append(bytes.subarray(at, at + n));
      at += n;
      if (this.#fill < this.#length) break;
      // It is no longer than its message once that is complete.
      messages.push(this.#message);
      this.#message = new Uint8Array();
      this.#prefixFill = 0;
    }
    return messages;
  }

  #begin(): void {
    if (this.#prefix[0] !== 0) throw new RpcError(Status.INTERNAL, "Message is compressed");
    this.#length = new DataView(this.#prefix.buffer).getUint32(1);
    this.#fill = 0;
    if (this.#length <= this.#maxBytes) return;
    throw new RpcError(Status.RESOURCE_EXHAUSTED, `Message of ${this.#length} bytes is too large`);
  }

  #append(piece: Uint8Array): void {
    if (this.#fill + piece.length > this.#message.length) {
      const larger = new Uint8Array(
        Math.min(this.#length, Math.max(2 * this.#message.length, this.#fill + piece.length)),
      );
      larger.set(this.#message.subarray(0, this.#fill));
      this.#message = larger;
    }
    this.#message.set(piece, this.#fill);
    this.#fill += piece.length;
  }
}
