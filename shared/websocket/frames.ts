/**
 * WebSocket frames, RFC 6455 §5.2, for a peer that treats binary messages as one byte stream.
 *
 *      0               1               2 …
 *     +-+-+-+-+-------+-+-------------+------------------+-----------------+---------
 *     |F|R|R|R| opcode|M| length      | 16 or 64 bits of | key, 4 bytes,   | payload
 *     |I|S|S|S| (4)   |A| (7)         | length, when the | when MASK is 1  |
 *     |N|V|V|V|       |S|             | 7 are 126 or 127 |                 |
 *     | |1|2|3|       |K|             |                  |                 |
 *     +-+-+-+-+-------+-+-------------+------------------+-----------------+---------
 *
 * There is no I/O here. {@linkcode WebSocketFrameReader} takes bytes and calls its handler;
 * {@linkcode sealFrame} writes a header in front of bytes that are already where they must be.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6455#section-5.2
 * @module
 */
import { HEADROOM } from "../bytes/out_buffer.ts";
import { CloseCode, isSendable } from "./close_codes.ts";
import { unmask } from "./unmask.ts";
import { WebSocketError } from "./web_socket_error.ts";

/** Bytes to leave free in front of a payload for {@linkcode sealFrame}. */
export { HEADROOM };

/** Opcodes of §5.2; all others are reserved. */
export const Opcode = {
  CONTINUATION: 0x0,
  TEXT: 0x1,
  BINARY: 0x2,
  CLOSE: 0x8,
  PING: 0x9,
  PONG: 0xa,
} as const;

const FIN = 0x80;
const RESERVED_BITS = 0x70;
const OPCODE = 0x0f;
/** Opcodes from here on are control frames (§5.5). */
const CONTROL = 0x08;
const MASK = 0x80;
const LENGTH = 0x7f;
/** The 7 bits of length say: 16 bits of length follow. */
const LENGTH_16 = 126;
/** The 7 bits of length say: 64 bits of length follow. */
const LENGTH_64 = 127;

/** Most bytes of a control frame's payload (§5.5). */
export const MAX_CONTROL_PAYLOAD = 125;
/** 2 of flags and length, 8 of longer length, 4 of key. */
const MAX_HEADER = 14;

/**
 * Frames without payload for the stream (control frames, empty fragments) that a peer may send
 * in {@linkcode IDLE_FRAMES_WINDOW_MS}. An honest one sends two in five seconds.
 */
export const MAX_IDLE_FRAMES = 200;
/** See {@linkcode MAX_IDLE_FRAMES}. */
export const IDLE_FRAMES_WINDOW_MS = 10_000;

/** What {@linkcode WebSocketFrameReader} tells. */
export interface FrameHandler {
  /** The next bytes of the stream, unmasked: a view of what `receive` was given. */
  payload(bytes: Uint8Array): void;
  /** To be answered by a pong with the same bytes (§5.5.2). */
  ping(bytes: Uint8Array): void;
  pong(bytes: Uint8Array): void;
  /** The peer said its last word: {@linkcode CloseCode.NO_STATUS} when it gave no code. */
  close(code: number, reason: string): void;
}

/** Options of {@linkcode WebSocketFrameReader}. */
export interface FrameReaderOptions {
  /**
   * `true` at the end that accepted the WebSocket, `false` at the one that dialled: a frame
   * that is masked otherwise is an error (§5.1).
   */
  readonly requireMask: boolean;
  /**
   * Bound on frames that bring no payload, see {@linkcode MAX_IDLE_FRAMES}.
   *
   * @default MAX_IDLE_FRAMES
   */
  readonly maxIdleFrames?: number;
  /**
   * A clock in milliseconds.
   *
   * @default performance.now
   */
  readonly now?: () => number;
}

/** Shared: a closure of its own would cost each of thousands of readers. */
function monotonic(): number {
  return performance.now();
}

/**
 * Reads frames from bytes that come in pieces of any size.
 *
 * - Payload goes on as it comes, before its frame is complete; nothing of it is kept or copied.
 * - It is unmasked in place: `receive` writes to what it is given.
 * - Only a header and one control frame (at most 125 bytes) are ever held.
 * - After an error, or after the peer's close frame, everything else is ignored (§5.5.1, §7.1.7).
 */
export class WebSocketFrameReader {
  readonly #handler: FrameHandler;
  readonly #requireMask: boolean;
  readonly #maxIdleFrames: number;
  readonly #now: () => number;

  readonly #header = new Uint8Array(MAX_HEADER);
  #headerHave = 0;
  #headerNeed = 2;
  /** The masking key (§5.3), its first byte in the lowest bits. */
  #key = 0;
  /** Payload bytes of the current frame so far: the place in the key. */
  #phase = 0;
  /** Payload bytes of the current frame that are still to come; 0 while a header is read. */
  #remaining = 0;
  /** Payload of the current control frame. */
  #control: Uint8Array | undefined;
  /** A message has begun and its last frame has not come. */
  #inMessage = false;
  #idleFrames = 0;
  #windowStart = -Infinity;
  #done = false;

  constructor(handler: FrameHandler, options: FrameReaderOptions) {
    this.#handler = handler;
    this.#requireMask = options.requireMask;
    this.#maxIdleFrames = options.maxIdleFrames ?? MAX_IDLE_FRAMES;
    this.#now = options.now ?? monotonic;
  }

  /**
   * Takes the next bytes from the peer, and overwrites them.
   *
   * @throws {WebSocketError} If they break the protocol. What a handler throws passes through.
   */
  receive(bytes: Uint8Array): void {
    let at = 0;
    try {
      while (at < bytes.length && !this.#done) {
        at = this.#remaining > 0 ? this.#readPayload(bytes, at) : this.#readHeader(bytes, at);
      }
    } catch (error) {
      this.#done = true;
      throw error;
    }
  }

  #readHeader(bytes: Uint8Array, start: number): number {
    let at = start;
    while (at < bytes.length && this.#headerHave < this.#headerNeed) {
      this.#header[this.#headerHave++] = bytes[at++]!;
      if (this.#headerHave === 2) this.#headerNeed = this.#checkStart();
    }
    if (this.#headerHave === this.#headerNeed) this.#beginFrame();
    return at;
  }

  /** Checks the first two bytes before more is awaited, and returns the header's size. */
  #checkStart(): number {
    const first = this.#header[0]!;
    const second = this.#header[1]!;
    if ((first & RESERVED_BITS) !== 0) throw protocolError("reserved bits are set"); // §5.2 RSV1–3
    const opcode = first & OPCODE;
    const length = second & LENGTH;
    switch (opcode) {
      case Opcode.CONTINUATION: // §5.4
        if (!this.#inMessage) throw protocolError("a continuation without a message");
        break;
      case Opcode.TEXT:
        throw new WebSocketError(
          CloseCode.UNSUPPORTED_DATA,
          "Text messages are not accepted: a tunnel carries binary messages",
        );
      case Opcode.BINARY: // §5.4
        if (this.#inMessage) throw protocolError("a new message inside another one");
        break;
      case Opcode.CLOSE:
      case Opcode.PING:
      case Opcode.PONG: // §5.5
        if ((first & FIN) === 0) throw protocolError("a control frame is fragmented");
        if (length > MAX_CONTROL_PAYLOAD) throw protocolError("a control frame is too long");
        break;
      default:
        throw protocolError(`opcode ${opcode} is reserved`); // §5.2
    }
    const masked = (second & MASK) !== 0;
    if (masked !== this.#requireMask) { // §5.1
      throw protocolError(masked ? "a frame is masked" : "a frame is not masked");
    }
    return 2 + (length === LENGTH_64 ? 8 : length === LENGTH_16 ? 2 : 0) + (masked ? 4 : 0);
  }

  #beginFrame(): void {
    const header = this.#header;
    const first = header[0]!;
    this.#remaining = payloadLength(header);
    if (this.#requireMask) {
      const at = this.#headerNeed - 4;
      this.#key = header[at]! | header[at + 1]! << 8 | header[at + 2]! << 16 |
        header[at + 3]! << 24;
    }
    this.#phase = 0;
    this.#headerHave = 0;
    this.#headerNeed = 2;
    const isControl = (first & OPCODE) >= CONTROL;
    if (isControl || this.#remaining === 0) this.#countIdleFrame();
    if (isControl) {
      this.#control = new Uint8Array(this.#remaining);
      if (this.#remaining === 0) this.#endControl(this.#control);
    } else {
      this.#inMessage = (first & FIN) === 0;
    }
  }

  #readPayload(bytes: Uint8Array, start: number): number {
    const end = Math.min(bytes.length, start + this.#remaining);
    if (this.#requireMask) unmask(bytes, start, end, this.#key, this.#phase);
    this.#remaining -= end - start;
    const control = this.#control;
    if (control === undefined) {
      // Only the place in the key counts; the sum itself could leave the safe integers.
      this.#phase = (this.#phase + end - start) & 3;
      this.#handler.payload(bytes.subarray(start, end));
    } else {
      control.set(bytes.subarray(start, end), this.#phase);
      this.#phase += end - start;
      if (this.#remaining === 0) this.#endControl(control);
    }
    return end;
  }

  #endControl(payload: Uint8Array): void {
    this.#control = undefined;
    switch (this.#header[0]! & OPCODE) {
      case Opcode.PING:
        return this.#handler.ping(payload);
      case Opcode.PONG:
        return this.#handler.pong(payload);
      case Opcode.CLOSE: {
        const { code, reason } = readClose(payload);
        this.#done = true;
        return this.#handler.close(code, reason);
      }
    }
  }

  /** A flood of frames costs the receiver work (a pong for each ping) and brings it nothing. */
  #countIdleFrame(): void {
    const now = this.#now();
    if (now - this.#windowStart >= IDLE_FRAMES_WINDOW_MS) {
      this.#windowStart = now;
      this.#idleFrames = 0;
    }
    if (++this.#idleFrames > this.#maxIdleFrames) {
      throw new WebSocketError(
        CloseCode.POLICY_VIOLATION,
        `More than ${this.#maxIdleFrames} control or empty frames in ${
          IDLE_FRAMES_WINDOW_MS / 1000
        } s`,
      );
    }
  }
}

function protocolError(what: string): WebSocketError {
  return new WebSocketError(CloseCode.PROTOCOL_ERROR, `Cannot read a frame: ${what}`);
}

/** The payload's length, which must be written in the fewest bytes (§5.2 "Payload length"). */
function payloadLength(header: Uint8Array): number {
  const short = header[1]! & LENGTH;
  if (short < LENGTH_16) return short;
  const view = new DataView(header.buffer);
  if (short === LENGTH_16) {
    const length = view.getUint16(2);
    if (length < LENGTH_16) throw protocolError("its length could be shorter");
    return length;
  }
  const high = view.getUint32(2);
  if (high >= 2 ** 31) throw protocolError("the top bit of its length is set");
  if (high >= 2 ** 21) {
    throw new WebSocketError(CloseCode.MESSAGE_TOO_BIG, "A frame is longer than 2⁵³ bytes");
  }
  const length = high * 2 ** 32 + view.getUint32(6);
  if (length < 2 ** 16) throw protocolError("its length could be shorter");
  return length;
}

/** Reads a close frame's payload: nothing, or a code and a reason (§5.5.1). */
function readClose(payload: Uint8Array): { code: number; reason: string } {
  if (payload.length === 0) return { code: CloseCode.NO_STATUS, reason: "" };
  if (payload.length === 1) throw protocolError("half a close code");
  const code = payload[0]! << 8 | payload[1]!;
  if (!isSendable(code)) throw protocolError(`close code ${code} must not be sent`);
  try {
    return { code, reason: new TextDecoder("utf-8", { fatal: true }).decode(payload.subarray(2)) };
  } catch {
    throw new WebSocketError(CloseCode.INVALID_PAYLOAD, "The reason of a close is no UTF-8"); // §8.1
  }
}

/**
 * Makes `buffer[start, end)` one unmasked binary message, by writing the header directly before
 * `start`. Nothing is copied.
 *
 * @param start At least {@linkcode HEADROOM}.
 * @returns Header and payload, a view of `buffer`.
 * @throws {RangeError} If the header does not fit before `start`.
 */
export function sealFrame(buffer: Uint8Array, start: number, end: number): Uint8Array {
  return buffer.subarray(writeHeader(buffer, start, end - start), end);
}

/**
 * Writes the header of an unmasked binary message.
 *
 * @param end Where the header ends.
 * @param length Bytes of the payload.
 * @returns Where the header begins.
 * @throws {RangeError} If it does not fit before `end`.
 */
export function writeHeader(buffer: Uint8Array, end: number, length: number): number {
  const size = length < LENGTH_16 ? 2 : length < 2 ** 16 ? 4 : 10;
  const at = end - size;
  if (at < 0) throw new RangeError(`Cannot seal a frame: ${end} bytes before the payload`);
  buffer[at] = FIN | Opcode.BINARY;
  if (size === 2) {
    buffer[at + 1] = length;
  } else if (size === 4) {
    buffer[at + 1] = LENGTH_16;
    buffer[at + 2] = length >>> 8;
    buffer[at + 3] = length;
  } else {
    buffer[at + 1] = LENGTH_64;
    const view = new DataView(buffer.buffer, buffer.byteOffset + at + 2, 8);
    view.setUint32(0, Math.floor(length / 2 ** 32));
    view.setUint32(4, length);
  }
  return at;
}

/**
 * An unmasked control frame.
 *
 * @throws {RangeError} If `payload` is longer than {@linkcode MAX_CONTROL_PAYLOAD}.
 */
export function controlFrame(
  opcode: typeof Opcode.CLOSE | typeof Opcode.PING | typeof Opcode.PONG,
  payload: Uint8Array = new Uint8Array(),
): Uint8Array {
  if (payload.length > MAX_CONTROL_PAYLOAD) {
    throw new RangeError(`Cannot make a control frame of ${payload.length} bytes`);
  }
  const frame = new Uint8Array(2 + payload.length);
  frame[0] = FIN | opcode;
  frame[1] = payload.length;
  frame.set(payload, 2);
  return frame;
}

/**
 * An unmasked close frame; a reason that does not fit is cut, between characters.
 *
 * @param code {@linkcode CloseCode.NO_STATUS} makes a frame without a code.
 * @throws {RangeError} If the code must not be sent.
 */
export function closeFrame(code: number, reason = ""): Uint8Array {
  if (code === CloseCode.NO_STATUS) return controlFrame(Opcode.CLOSE);
  if (!isSendable(code)) throw new RangeError(`Cannot make a close frame with code ${code}`);
  const payload = new Uint8Array(MAX_CONTROL_PAYLOAD);
  payload[0] = code >>> 8;
  payload[1] = code;
  const { written } = new TextEncoder().encodeInto(reason, payload.subarray(2));
  return controlFrame(Opcode.CLOSE, payload.subarray(0, 2 + written));
}
