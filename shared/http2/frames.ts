/**
 * The numbers of HTTP/2's wire, each once (RFC 9113 §4, §6, §7, §11).
 *
 *     frame   length (24) | type (8) | flags (8) | R (1) stream id (31) | payload (length)
 *
 * @module
 */

/** What a client sends first (RFC 9113 §3.4). */
export const PREFACE = new TextEncoder().encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/** Bytes of a frame header (RFC 9113 §4.1). */
export const FRAME_HEADER_BYTES = 9;

/** Frame types (RFC 9113 §6). */
export const FrameType = {
  DATA: 0x0,
  HEADERS: 0x1,
  PRIORITY: 0x2,
  RST_STREAM: 0x3,
  SETTINGS: 0x4,
  PUSH_PROMISE: 0x5,
  PING: 0x6,
  GOAWAY: 0x7,
  WINDOW_UPDATE: 0x8,
  CONTINUATION: 0x9,
} as const;

/** Frame flags (RFC 9113 §6); which ones mean something depends on the type. */
export const Flag = {
  /** DATA, HEADERS: the sender's half of the stream is done. */
  END_STREAM: 0x1,
  /** SETTINGS, PING: an answer. */
  ACK: 0x1,
  /** HEADERS, CONTINUATION: the header section is complete. */
  END_HEADERS: 0x4,
  /** DATA, HEADERS: the first byte of the payload counts the padding at its end. */
  PADDED: 0x8,
  /** HEADERS: five bytes of (deprecated) priority precede the header block. */
  PRIORITY: 0x20,
} as const;

/** Settings (RFC 9113 §6.5.2). */
export const Setting = {
  HEADER_TABLE_SIZE: 0x1,
  ENABLE_PUSH: 0x2,
  MAX_CONCURRENT_STREAMS: 0x3,
  INITIAL_WINDOW_SIZE: 0x4,
  MAX_FRAME_SIZE: 0x5,
  MAX_HEADER_LIST_SIZE: 0x6,
} as const;

/** Error codes of RST_STREAM and GOAWAY (RFC 9113 §7). */
export const ErrorCode = {
  NO_ERROR: 0x0,
  PROTOCOL_ERROR: 0x1,
  INTERNAL_ERROR: 0x2,
  FLOW_CONTROL_ERROR: 0x3,
  SETTINGS_TIMEOUT: 0x4,
  STREAM_CLOSED: 0x5,
  FRAME_SIZE_ERROR: 0x6,
  REFUSED_STREAM: 0x7,
  CANCEL: 0x8,
  COMPRESSION_ERROR: 0x9,
  CONNECT_ERROR: 0xa,
  ENHANCE_YOUR_CALM: 0xb,
  INADEQUATE_SECURITY: 0xc,
  HTTP_1_1_REQUIRED: 0xd,
} as const;

const ERROR_NAMES = Object.keys(ErrorCode);

/** An error code's name; unknown ones read as their number. */
export function errorName(code: number): string {
  return ERROR_NAMES[code] ?? `0x${code.toString(16)}`;
}

/** The window that every stream and connection starts with (RFC 9113 §6.9.2). */
export const DEFAULT_WINDOW = 65_535;
/** No window may grow beyond this (RFC 9113 §6.9.1). */
export const MAX_WINDOW = 2 ** 31 - 1;
/** The payload that everybody must accept, and the largest that we do (RFC 9113 §4.2). */
export const DEFAULT_MAX_FRAME_BYTES = 16_384;
/** The highest stream id (RFC 9113 §4.1). */
export const MAX_STREAM_ID = 2 ** 31 - 1;

/** A connection error (RFC 9113 §5.4.1): the connection cannot go on. */
export class Http2Error extends Error {
  override readonly name = "Http2Error";
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** The most common one: the peer broke a rule that has no code of its own. */
export function protocolError(message: string): Http2Error {
  return new Http2Error(ErrorCode.PROTOCOL_ERROR, message);
}

/** Reads 31 bits, the reserved one ignored. */
export function readUint31(bytes: Uint8Array, at: number): number {
  return (bytes[at]! & 0x7f) << 24 | bytes[at + 1]! << 16 | bytes[at + 2]! << 8 | bytes[at + 3]!;
}

/** Reads 32 bits. */
export function readUint32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24 | bytes[at + 1]! << 16 | bytes[at + 2]! << 8 | bytes[at + 3]!) >>> 0;
}

/** Writes 32 bits. */
export function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}
