/**
 * Looks at HTTP/2 frame headers (RFC 9113 §4.1) in a byte stream that passes by.
 *
 *     +-----------------------------------------------+
 *     | Length (24) | Type (8) | Flags (8) | R | Id (31) |  payload …
 *     +-----------------------------------------------+
 *
 * Two things need it. A peer's GOAWAY must be known, and must *not* reach Deno's `node:http2`, which
 * gives up calls that still have to end, or aborts the process (docs/decisions/0009). And a frame of
 * our own may be put between two frames, never inside one.
 *
 * @module
 */
import {
  ErrorCode,
  Flag,
  FRAME_HEADER_BYTES,
  FrameType,
  MAX_STREAM_ID,
  PREFACE,
  readUint31,
  readUint32,
  writeUint32,
} from "../frames.ts";

const BLOCK_TYPES: ReadonlySet<number> = new Set([FrameType.HEADERS, FrameType.CONTINUATION]);

/** GOAWAY's payload (RFC 9113 §6.8), without its debug data; PING's has as many (§6.7). */
const GOAWAY_BYTES = 8;

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
   * Called for each GOAWAY frame that is taken out.
   *
   * @param lastStreamId Streams above it were not looked at, and never will be.
   * @param code Why the peer leaves.
   */
  readonly onGoaway?: (lastStreamId: number, code: number) => void;
  /**
   * Takes GOAWAY frames out of the stream.
   *
   * @default false
   */
  readonly dropGoaway?: boolean;
  /**
   * Asked at each PING that is no answer, with `dropGoaway` alone: takes it out of the stream.
   *
   * @default never
   */
  readonly takesPing?: () => boolean;
  /** Called with the payload of each PING that is taken out. */
  readonly onPing?: (payload: Uint8Array) => void;
}

/** One direction of an HTTP/2 connection. Holds at most one frame header, and the head of a GOAWAY. */
export class Http2Scan {
  readonly #onFrame: (head: FrameHead) => void;
  readonly #onGoaway: (lastStreamId: number, code: number) => void;
  readonly #takesPing: () => boolean;
  readonly #onPing: (payload: Uint8Array) => void;
  readonly #dropGoaway: boolean;
  readonly #header = new Uint8Array(FRAME_HEADER_BYTES);
  #have = 0;
  /** Bytes until the next frame header. */
  #skip: number;
  #dropping = false;
  /** CONTINUATION must follow (RFC 9113 §6.10). */
  #inBlock = false;
  /** What is being taken out is a PING, not a GOAWAY. */
  #isPing = false;
  readonly #taken = new Uint8Array(GOAWAY_BYTES);
  #takenHave = 0;

  constructor(options: Http2ScanOptions) {
    const { fromClient, onFrame = () => {}, onGoaway = () => {}, dropGoaway = false } = options;
    this.#skip = fromClient ? PREFACE.length : 0;
    this.#onFrame = onFrame;
    this.#onGoaway = onGoaway;
    this.#takesPing = options.takesPing ?? (() => false);
    this.#onPing = options.onPing ?? (() => {});
    this.#dropGoaway = dropGoaway;
  }

  /** Whether a frame of another stream may come now: nothing may interrupt a frame or a header block. */
  get atBorder(): boolean {
    return this.#skip === 0 && this.#have === 0 && !this.#inBlock;
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
        if (this.#dropping) this.#readTaken(bytes.subarray(at, at + n));
        this.#skip -= n;
        at += n;
        if (this.#dropping) from = at;
        this.#dropping &&= this.#skip > 0;
        continue;
      }
      const start = at;
      const held = this.#have;
      while (at < bytes.length && this.#have < FRAME_HEADER_BYTES) {
        this.#header[this.#have++] = bytes[at++]!;
      }
      if (this.#have < FRAME_HEADER_BYTES) { // the rest is in the next piece: hold it back
        if (start > from) out.push(bytes.subarray(from, start));
        return out;
      }
      this.#have = 0;
      const header = this.#header;
      this.#skip = header[0]! << 16 | header[1]! << 8 | header[2]!;
      const head = readFrameHead(header);
      if (BLOCK_TYPES.has(head.type)) this.#inBlock = (head.flags & Flag.END_HEADERS) === 0;
      this.#onFrame(head);
      this.#isPing = head.type === FrameType.PING;
      if (this.#dropGoaway && this.#takes(head)) {
        if (start > from) out.push(bytes.subarray(from, start));
        from = at;
        this.#dropping = this.#skip > 0;
        this.#takenHave = 0;
      } else if (held > 0) { // only ever at the start of a piece
        out.push(header.slice());
        from = at;
      }
    }
    if (from === 0) return [bytes];
    if (from < bytes.length) out.push(bytes.subarray(from));
    return out;
  }

  #takes({ type, flags }: FrameHead): boolean {
    if (type === FrameType.GOAWAY) return true;
    return this.#isPing && (flags & Flag.ACK) === 0 && this.#takesPing();
  }

  /** @param bytes The next ones of its payload. */
  #readTaken(bytes: Uint8Array): void {
    if (this.#takenHave === GOAWAY_BYTES) return; // debug data
    const head = bytes.subarray(0, GOAWAY_BYTES - this.#takenHave);
    this.#taken.set(head, this.#takenHave);
    this.#takenHave += head.length;
    if (this.#takenHave < GOAWAY_BYTES) return;
    if (this.#isPing) this.#onPing(this.#taken.slice());
    else this.#onGoaway(readUint31(this.#taken, 0), readUint32(this.#taken, 4));
  }
}

/** Reads the header at the front of a frame. */
export function readFrameHead(header: Uint8Array): FrameHead {
  return { type: header[3]!, flags: header[4]!, streamId: readUint31(header, 5) };
}

/**
 * A GOAWAY frame: streams up to this id may go on.
 *
 * @param lastStreamId By default it draws no line yet.
 */
export function goawayFrame(
  lastStreamId: number = MAX_STREAM_ID,
  { code = ErrorCode.NO_ERROR as number, debug = "" } = {},
): Uint8Array {
  const text = new TextEncoder().encode(debug);
  const frame = new Uint8Array(FRAME_HEADER_BYTES + GOAWAY_BYTES + text.length);
  frame[2] = GOAWAY_BYTES + text.length;
  frame[3] = FrameType.GOAWAY;
  writeUint32(frame, FRAME_HEADER_BYTES, lastStreamId);
  writeUint32(frame, FRAME_HEADER_BYTES + 4, code);
  frame.set(text, FRAME_HEADER_BYTES + GOAWAY_BYTES);
  return frame;
}

/** A PING frame that asks for an answer. */
export function pingFrame(payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(FRAME_HEADER_BYTES + payload.length);
  frame[2] = payload.length;
  frame[3] = FrameType.PING;
  frame.set(payload, FRAME_HEADER_BYTES);
  return frame;
}
