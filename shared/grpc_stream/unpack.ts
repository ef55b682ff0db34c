/**
 * Compressed messages, unpacked no further than the limit.
 *
 * @see https://github.com/grpc/grpc/blob/master/doc/compression.md
 * @module
 */
import { RpcError } from "../grpc/rpc_error.ts";
import { Status } from "../grpc/status.ts";
import { type Packed, tooLarge } from "./inbox.ts";

/** What we say we can unpack. */
export const ACCEPTED_ENCODINGS = "identity,gzip,deflate";

/** Whether `unpack()` knows a `grpc-encoding`. */
export function canUnpack(encoding: string): boolean {
  return ACCEPTED_ENCODINGS.split(",").includes(encoding);
}

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
