/**
 * Looks at HTTP/2 frame headers (RFC 9113 §4.1) in a byte stream that passes by.
 *
 *     +-----------------------------------------------+
 *     | Length (24) | Type (8) | Flags (8) | R | Id (31) |  payload …
 *     +-----------------------------------------------+
 *
 * Two things need it. The GOAWAY of a peer must reach the agent, and must *not* reach Deno's
 * `node:http2`: on a stream that is no socket of its own, Deno 2.9.6 ends its session inside
 * the parser's callback and aborts the whole process (`find_stream_on_goaway_func: Assertion
 * failed`). And a GOAWAY of our own may be put between two frames, never inside one.
 *
 * @module
 */

/** RFC 9113 §3.4: what a client sends first, `PRI * HTTP/2.0 …`. */
const PREFACE_BYTES = 24;
const HEADER_BYTES = 9;

/** The frame types (RFC 9113 §6) that matter here. */
export const FrameType = { DATA: 0x00, HEADERS: 0x01, RST_STREAM: 0x03, GOAWAY: 0x07 } as const;
/** The flag of DATA and HEADERS that ends one direction of a stream. */
export const END_STREAM = 0x01;

/** The header of a frame. */
export interface FrameHead {
  readonly type: number;
  readonly flags: number;
  /** 0 for the connection. */
  readonly streamId: number;
}

/** Options of {@linkcode Http2Scan}. */
export interface Http2ScanOptions {
  /** The bytes come from a client: they begin with its preface. */
  readonly fromClient: boolean;
  /** Called for each frame, when its header is complete. */
  readonly onFrame?: (head: FrameHead) => void;
  /**
   * Takes GOAWAY frames out of the stream.
   *
   * @default false
   */
  readonly dropGoaway?: boolean;
}

/** One direction of an HTTP/2 connection. Holds at most one frame header. */
export class Http2Scan {
  readonly #onFrame: (head: FrameHead) => void;
  readonly #dropGoaway: boolean;
  readonly #header = new Uint8Array(HEADER_BYTES);
  #have = 0;
  /** Bytes until the next frame header. */
  #skip: number;
  #dropping = false;

  constructor({ fromClient, onFrame = () => {}, dropGoaway = false }: Http2ScanOptions) {
    this.#skip = fromClient ? PREFACE_BYTES : 0;
    this.#onFrame = onFrame;
    this.#dropGoaway = dropGoaway;
  }

  /** Whether all that passed are whole frames. */
  get atBorder(): boolean {
    return this.#skip === 0 && this.#have === 0;
  }

  /**
   * Takes the next bytes.
   *
   * @returns What is to be passed on: `bytes` itself, unless GOAWAY frames are taken out. Then a
   *     header that comes in two pieces is held back until it is known what it is.
   */
  pass(bytes: Uint8Array): Uint8Array[] {
    const out = this.#cut(bytes);
    return this.#dropGoaway ? out : [bytes];
  }

  #cut(bytes: Uint8Array): Uint8Array[] {
    const out: Uint8Array[] = [];
    /** Where the bytes begin that pass and are not in `out` yet. */
    let from = 0;
    let at = 0;
    while (at < bytes.length) {
      if (this.#skip > 0) {
        const n = Math.min(this.#skip, bytes.length - at);
        this.#skip -= n;
        at += n;
        if (this.#dropping) from = at;
        this.#dropping &&= this.#skip > 0;
        continue;
      }
      const start = at;
      const held = this.#have;
      while (at < bytes.length && this.#have < HEADER_BYTES) {
        this.#header[this.#have++] = bytes[at++]!;
      }
      if (this.#have < HEADER_BYTES) { // the rest is in the next piece: hold it back
        if (start > from) out.push(bytes.subarray(from, start));
        return out;
      }
      this.#have = 0;
      const header = this.#header;
      this.#skip = header[0]! << 16 | header[1]! << 8 | header[2]!;
      const head = readHead(header);
      this.#onFrame(head);
      if (this.#dropGoaway && head.type === FrameType.GOAWAY) {
        if (start > from) out.push(bytes.subarray(from, start));
        from = at;
        this.#dropping = this.#skip > 0;
      } else if (held > 0) { // only ever at the start of a piece
        out.push(header.slice());
        from = at;
      }
    }
    if (from === 0) return [bytes];
    if (from < bytes.length) out.push(bytes.subarray(from));
    return out;
  }
}

function readHead(header: Uint8Array): FrameHead {
  const streamId = (header[5]! & 0x7f) << 24 | header[6]! << 16 | header[7]! << 8 | header[8]!;
  return { type: header[3]!, flags: header[4]!, streamId };
}

/** A GOAWAY frame that draws no line: `NO_ERROR`, all streams up to the largest id may go on. */
export function goawayFrame(): Uint8Array {
  const frame = new Uint8Array(HEADER_BYTES + 8);
  frame[2] = 8;
  frame[3] = FrameType.GOAWAY;
  new DataView(frame.buffer).setUint32(HEADER_BYTES, 2 ** 31 - 1);
  return frame;
}
