/**
 * Padding of DATA and HEADERS: one byte that counts it in front, the padding itself after
 * (RFC 9113 §6.1, §6.2).
 *
 * @module
 */
import { ErrorCode, Http2Error } from "./frames.ts";

/**
 * Takes the padding off.
 *
 * @throws {Http2Error} If it is as long as the payload, or longer.
 */
export function unpad(payload: Uint8Array): Uint8Array {
  const padding = payload[0];
  if (padding === undefined || padding >= payload.length) {
    throw new Http2Error(ErrorCode.PROTOCOL_ERROR, "Padding is longer than the frame");
  }
  return payload.subarray(1, payload.length - padding);
}
