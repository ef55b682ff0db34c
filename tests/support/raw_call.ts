/**
 * A call with its bytes in plain sight, for what a gRPC library hides from its callers.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import http2 from "node:http2";
import { gunzipSync, gzipSync } from "node:zlib";
import type { Path } from "./path.ts";
import { within } from "./until.ts";

export interface RawAnswer {
  readonly headers: http2.IncomingHttpHeaders;
  readonly trailers: http2.IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Sends one POST with these headers and this body over a connection of its own. */
export async function rawCall(
  path: Path,
  headers: Readonly<Record<string, string>>,
  body: Uint8Array = new Uint8Array(),
): Promise<RawAnswer> {
  const socket = await path.dial();
  const closed = new Promise((resolve) => socket.once("close", resolve));
  const session = http2.connect("http://echo.test", { createConnection: () => socket });
  try {
    const stream = session.request({
      ":method": "POST",
      ":path": "/echo.v1.Echo/Unary",
      "te": "trailers",
      ...path.metadata as Record<string, string>,
      ...headers,
    });
    stream.end(body);
    const answer = new Promise<RawAnswer>((resolve, reject) => {
      const chunks: Buffer[] = [];
      let head: http2.IncomingHttpHeaders = {};
      let trailers: http2.IncomingHttpHeaders = {};
      stream.on("response", (fields) => head = fields);
      stream.on("trailers", (fields) => trailers = fields);
      stream.on("data", (chunk) => chunks.push(Buffer.from(chunk)));
      stream.on("end", () => resolve({ headers: head, trailers, body: Buffer.concat(chunks) }));
      stream.on("error", reject);
      session.on("error", reject);
    });
    return await within("the answer to a raw call", answer);
  } finally {
    session.destroy();
    socket.destroy();
    await closed;
  }
}

/** A gRPC message with its prefix: one byte of flag, four of length. */
export function framed(message: Uint8Array, { gzip = false } = {}): Buffer {
  const bytes = gzip ? gzipSync(message) : message;
  const prefix = Buffer.alloc(5);
  prefix[0] = gzip ? 1 : 0;
  prefix.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([prefix, bytes]);
}

/** The messages of a body, and whether each was compressed. */
export function unframed(body: Buffer): { message: Buffer; compressed: boolean }[] {
  const messages = [];
  for (let at = 0; at < body.length;) {
    const end = at + 5 + body.readUInt32BE(at + 1);
    if (end > body.length) {
      throw new Error(`Cannot unframe: ${end - body.length} bytes are missing`);
    }
    const compressed = body[at] === 1;
    const bytes = body.subarray(at + 5, end);
    messages.push({ message: compressed ? gunzipSync(bytes) : bytes, compressed });
    at = end;
  }
  return messages;
}
