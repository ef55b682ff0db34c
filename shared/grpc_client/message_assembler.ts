/**
 * Bytes of DATA → messages, compressed or not.
 *
 *     Length-Prefixed-Message → Compressed-Flag (1) Message-Length (4) Message
 *
 * A peer may say that a message has 64 MiB and send nothing: room is made as bytes come. Compressed
 * messages are unpacked when they are taken, and no further than the limit.
 *
 * @see https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests
 * @module
 */
import { PREFIX_BYTES } from "../grpc/message_prefix.ts";
import { RpcError } from "../grpc/rpc_error.ts";
import { Status } from "../grpc/status.ts";

/** A message as it came. */
export interface Packed {
  readonly bytes: Uint8Array;
  readonly compressed: boolean;
}

/** Room that a message gets before its bytes are there. */
const FIRST_ROOM_BYTES = 64 << 10;

/** Cuts a stream of bytes into messages. */
export class MessageAssembler {
  readonly #maxBytes: number;
  readonly #prefix = new Uint8Array(PREFIX_BYTES);
  #prefixBytes = 0;
  #length = 0;
  #body = new Uint8Array();
  #bodyBytes = 0;

  /** @param maxBytes A longer message is an error. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Whether a message has begun and not ended. */
  get isInside(): boolean {
    return this.#prefixBytes > 0;
  }

  /**
   * Takes bytes as they come; they are copied.
   *
   * @throws {RpcError} `RESOURCE_EXHAUSTED` for a message over the limit, `INTERNAL` for a flag that
   *     gRPC does not have.
   */
  push(bytes: Uint8Array): Packed[] {
    const messages: Packed[] = [];
    let at = 0;
    while (at < bytes.length || this.#isWhole) {
      if (this.#prefixBytes < PREFIX_BYTES) {
        const part = bytes.subarray(at, at + PREFIX_BYTES - this.#prefixBytes);
        this.#prefix.set(part, this.#prefixBytes);
        this.#prefixBytes += part.length;
        at += part.length;
        if (this.#prefixBytes < PREFIX_BYTES) break;
        this.#begin();
      }
      const part = bytes.subarray(at, at + this.#length - this.#bodyBytes);
      this.#room(this.#bodyBytes + part.length);
      this.#body.set(part, this.#bodyBytes);
      this.#bodyBytes += part.length;
      at += part.length;
      if (this.#isWhole) messages.push(this.#end());
    }
    return messages;
  }

  get #isWhole(): boolean {
    return this.#prefixBytes === PREFIX_BYTES && this.#bodyBytes === this.#length;
  }

  #begin(): void {
    const flag = this.#prefix[0]!;
    if (flag > 1) throw new RpcError(Status.INTERNAL, `Message has the unknown flag ${flag}`);
    this.#length = new DataView(this.#prefix.buffer).getUint32(1);
    if (this.#length > this.#maxBytes) throw tooLarge(this.#length, this.#maxBytes);
    this.#bodyBytes = 0;
    this.#body = new Uint8Array(Math.min(this.#length, FIRST_ROOM_BYTES));
  }

  #room(bytes: number): void {
    if (bytes <= this.#body.length) return;
    const grown = new Uint8Array(Math.min(this.#length, Math.max(bytes, 2 * this.#body.length)));
    grown.set(this.#body.subarray(0, this.#bodyBytes));
    this.#body = grown;
  }

  #end(): Packed {
    const message = { bytes: this.#body, compressed: this.#prefix[0] === 1 };
    this.#prefixBytes = 0;
    this.#bodyBytes = 0;
    this.#length = 0;
    this.#body = new Uint8Array();
    return message;
  }
}

function tooLarge(bytes: number | string, maxBytes: number): RpcError {
  return new RpcError(
    Status.RESOURCE_EXHAUSTED,
    `The peer sent a message of ${bytes} bytes; the most that is accepted are ${maxBytes}`,
  );
}

/** What we say we can unpack. */
export const ACCEPTED_ENCODINGS = "identity,gzip,deflate";

/**
 * Unpacks a message.
 *
 * @param encoding `grpc-encoding` of the response.
 * @throws {RpcError} `INTERNAL` for what cannot be unpacked, `RESOURCE_EXHAUSTED` over the limit.
 */
export async function unpack(
  { bytes, compressed }: Packed,
  { encoding, maxBytes }: { readonly encoding: string; readonly maxBytes: number },
): Promise<Uint8Array> {
  if (!compressed) return bytes;
  if (encoding !== "gzip" && encoding !== "deflate") {
    throw new RpcError(Status.INTERNAL, `Message is compressed, with grpc-encoding "${encoding}"`);
  }
  const whole = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream()
    .pipeThrough(new DecompressionStream(encoding));
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of whole) {
      length += chunk.length;
      if (length > maxBytes) throw tooLarge(`more than ${maxBytes}`, maxBytes);
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof RpcError) throw error;
    throw new RpcError(Status.INTERNAL, `Cannot unpack a message: it is no ${encoding}`, {
      cause: error,
    });
  }
  return joined(chunks, length);
}

function joined(chunks: readonly Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
