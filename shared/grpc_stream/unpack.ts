/**
 * Compressed messages, unpacked no further than the limit.
 *
 * @see https://github.com/grpc/grpc/blob/master/doc/compression.md
 * @module
 */
import { turns } from "../async/turns.ts";
import { RpcError } from "../grpc/rpc_error.ts";
import { Status } from "../grpc/status.ts";
import { type Packed, tooLarge } from "./inbox.ts";

/** What we say we can unpack. */
export const ACCEPTED_ENCODINGS = "identity,gzip,deflate";

/** Whether `unpack()` knows a `grpc-encoding`. */
export function canUnpack(encoding: string): boolean {
  return ACCEPTED_ENCODINGS.split(",").includes(encoding);
}

/** Of one byte deflate makes at most this many (RFC 1951: 258 bytes of two bits). */
const MOST_OF_ONE = 1032;
/** Bytes that are unpacked in one go: what becomes of them may be far over the limit. */
const [MIN_PIECE, MAX_PIECE] = [64, 4 << 10];

/**
 * Unpacks a message, piece by piece: a few kilobytes can become gigabytes, and whoever sends them
 * must neither fill the memory nor hold the event loop.
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
  const { readable, writable } = new DecompressionStream(encoding);
  // It takes a piece when somebody reads, and tells the reader what was wrong with it.
  writeAll(writable, bytes as Uint8Array<ArrayBuffer>, pieceBytes(maxBytes)).catch(() => {});
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    // A reader that stops cancels the rest.
    for await (const chunk of readable) {
      length += chunk.length;
      if (length > maxBytes) throw tooLarge(`more than ${maxBytes}`, maxBytes);
      chunks.push(chunk);
      if (turns.isOver()) await turns.next();
    }
  } catch (error) {
    if (error instanceof RpcError) throw error;
    throw new RpcError(Status.INTERNAL, `Cannot unpack a message: it is no ${encoding}`, {
      cause: error,
    });
  }
  return joined(chunks, length);
}

function pieceBytes(maxBytes: number): number {
  return Math.max(MIN_PIECE, Math.min(MAX_PIECE, Math.floor(maxBytes / MOST_OF_ONE)));
}

async function writeAll(
  writable: WritableStream<BufferSource>,
  bytes: Uint8Array<ArrayBuffer>,
  piece: number,
): Promise<void> {
  const writer = writable.getWriter();
  for (let at = 0; at < bytes.length; at += piece) {
    await writer.write(bytes.subarray(at, at + piece));
  }
  await writer.close();
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
