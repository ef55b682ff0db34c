/**
 * Reads the head of an HTTP/1.1 request from a connection.
 *
 * @module
 */
import { type ReadHead, readRequestHead } from "../../shared/http1/request_head.ts";
import type { PeerConn } from "./peer.ts";

/** Read at first; more when a head is longer. */
const READ_BYTES = 2048;

/**
 * Reads as far as the empty line. `undefined` if the peer was gone before.
 *
 * @param first Bytes that were read already.
 * @throws {HttpError} If it is malformed, or beyond a bound.
 */
export async function readHead(
  conn: Pick<PeerConn, "read">,
  first: Uint8Array = new Uint8Array(),
): Promise<ReadHead | undefined> {
  let buffer = new Uint8Array(Math.max(READ_BYTES, 2 * first.length));
  let length = first.length;
  buffer.set(first);
  for (let searched = 0;;) {
    const read = length === 0 ? undefined : readRequestHead(buffer.subarray(0, length), searched);
    if (read !== undefined) return read;
    searched = length;
    if (length === buffer.length) {
      const longer = new Uint8Array(2 * length);
      longer.set(buffer);
      buffer = longer;
    }
    const n = await conn.read(buffer.subarray(length));
    if (n === null) return undefined;
    length += n;
  }
}
