/**
 * Frames written and read by hand, for tests: nothing here is shared with what is tested, so that
 * a mistake cannot hide in both.
 *
 * @module
 */
import { Buffer } from "node:buffer";

const encoder = new TextEncoder();

export const PREFACE = encoder.encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/** RFC 9113 §6. */
export const Type = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const;

export const END_STREAM = 0x1;
export const ACK = 0x1;
export const END_HEADERS = 0x4;
export const PADDED = 0x8;
export const PRIORITY = 0x20;

/** A frame that was sent. */
export interface WireFrame {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly payload: Uint8Array;
}

/** The bytes of one frame; `length` may lie. */
export function frame(
  type: number,
  flags: number,
  id: number,
  payload: Uint8Array = new Uint8Array(),
  length: number = payload.length,
): Uint8Array {
  const bytes = Buffer.alloc(9 + payload.length);
  bytes.writeUIntBE(length, 0, 3);
  bytes.writeUInt8(type, 3);
  bytes.writeUInt8(flags, 4);
  bytes.writeUInt32BE(id, 5);
  bytes.set(payload, 9);
  return new Uint8Array(bytes);
}

export function join(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.concat(parts));
}

/** The same part over and over. */
export function repeat(count: number, part: (i: number) => Uint8Array): Uint8Array {
  return join(...Array.from({ length: count }, (_, i) => part(i)));
}

export function uint32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return new Uint8Array(bytes);
}

export function text(value: string): Uint8Array {
  return encoder.encode(value);
}

export function settings(
  ...entries: readonly (readonly [id: number, value: number])[]
): Uint8Array {
  return frame(
    Type.SETTINGS,
    0,
    0,
    join(...entries.map(([id, value]) => join(Uint8Array.of(id >> 8, id), uint32(value)))),
  );
}

export function data(id: number, payload: Uint8Array | string, flags = 0): Uint8Array {
  return frame(Type.DATA, flags, id, typeof payload === "string" ? text(payload) : payload);
}

/** DATA with so many bytes of padding, and the byte that counts them. */
export function paddedData(id: number, payload: string, padding: number, flags = 0): Uint8Array {
  const body = join(Uint8Array.of(padding), text(payload), new Uint8Array(padding));
  return frame(Type.DATA, flags | PADDED, id, body);
}

/** One literal without indexing for each field (RFC 7541 §6.2.2), names and values under 127 bytes. */
export function block(fields: readonly (readonly [string, string])[]): Uint8Array {
  return join(...fields.map(([name, value]) => {
    const [n, v] = [Buffer.from(name, "latin1"), Buffer.from(value, "latin1")];
    return join(Uint8Array.of(0, n.length), n, Uint8Array.of(v.length), v);
  }));
}

export const REQUEST: readonly (readonly [string, string])[] = [
  [":method", "POST"],
  [":scheme", "http"],
  [":path", "/echo.v1.Echo/Say"],
  [":authority", "hub"],
];

export const RESPONSE: readonly (readonly [string, string])[] = [[":status", "200"]];

/** HEADERS in one frame. */
export function headers(
  id: number,
  fields: readonly (readonly [string, string])[] = REQUEST,
  flags = 0,
): Uint8Array {
  return frame(Type.HEADERS, END_HEADERS | flags, id, block(fields));
}

export function reset(id: number, code = 8): Uint8Array {
  return frame(Type.RST_STREAM, 0, id, uint32(code));
}

export function windowUpdate(id: number, bytes: number): Uint8Array {
  return frame(Type.WINDOW_UPDATE, 0, id, uint32(bytes));
}

export function ping(): Uint8Array {
  return frame(Type.PING, 0, 0, new Uint8Array(8));
}

export function goaway(lastId: number, code = 0, debug = ""): Uint8Array {
  return frame(Type.GOAWAY, 0, 0, join(uint32(lastId), uint32(code), text(debug)));
}

/**
 * Cuts bytes into frames.
 *
 * @throws {Error} If something is left over.
 */
export function frames(bytes: Uint8Array): WireFrame[] {
  const found: WireFrame[] = [];
  const all = Buffer.from(bytes);
  let at = 0;
  while (at < all.length) {
    const end = at + 9 + all.readUIntBE(at, 3);
    if (end > all.length) throw new Error(`Frame at ${at} ends at ${end}, beyond ${all.length}`);
    found.push({
      type: all.readUInt8(at + 3),
      flags: all.readUInt8(at + 4),
      id: all.readUInt32BE(at + 5),
      payload: new Uint8Array(all.subarray(at + 9, end)),
    });
    at = end;
  }
  return found;
}

/** The number that a payload is, or begins with. */
export function number(payload: Uint8Array, at = 0): number {
  return Buffer.from(payload).readUInt32BE(at);
}
