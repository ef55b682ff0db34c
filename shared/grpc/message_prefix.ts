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

/** Cuts a byte stream into messages. */
export class MessageReader {
  readonly #maxBytes: number;
  #rest = new Uint8Array();

  /** @param maxBytes A longer message is an error. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /**
   * Takes bytes as they come.
   *
   * @returns The messages that are complete now, each a copy.
   * @throws {RpcError} `RESOURCE_EXHAUSTED` for a message over the limit, `INTERNAL` for a
   * compressed one, which nobody asked for.
   */
  push(bytes: Uint8Array): Uint8Array[] {
    let input = bytes;
    if (this.#rest.length > 0) {
      input = new Uint8Array(this.#rest.length + bytes.length);
      input.set(this.#rest);
      input.set(bytes, this.#rest.length);
    }
    const messages: Uint8Array[] = [];
    let at = 0;
    while (input.length - at >= PREFIX_BYTES) {
      if (input[at] !== 0) throw new RpcError(Status.INTERNAL, "Message is compressed");
      const length = new DataView(input.buffer, input.byteOffset + at + 1).getUint32(0);
      if (length > this.#maxBytes) {
        throw new RpcError(Status.RESOURCE_EXHAUSTED, `Message of ${length} bytes is too large`);
      }
      if (input.length - at - PREFIX_BYTES < length) break;
      messages.push(input.slice(at + PREFIX_BYTES, at + PREFIX_BYTES + length));
      at += PREFIX_BYTES + length;
    }
    this.#rest = input.slice(at);
    return messages;
  }
}
