/**
 * Reads the head of an HTTP/1.1 request from a connection.
 *
 * @module
 */
import { type ReadHead, readRequestHead } from "../shared/bridge/request_head.ts";

const READ_BYTES = 2048;

/**
 * Reads as far as the empty line. `undefined` if the peer was gone before.
 *
 * @throws {HttpError} If it is malformed, or beyond a bound.
 */
export async function readHead(conn: Deno.Conn): Promise<ReadHead | undefined> {
  let bytes = new Uint8Array();
  const buffer = new Uint8Array(READ_BYTES);
  for (;;) {
    const n = await conn.read(buffer);
    if (n === null) return undefined;
    const longer = new Uint8Array(bytes.length + n);
    longer.set(bytes);
    longer.set(buffer.subarray(0, n), bytes.length);
    bytes = longer;
    const read = readRequestHead(bytes);
    if (read !== undefined) return read;
  }
}
