/**
 * The sending half of a connection: frames into an `OutBuffer`, within the peer's windows
 * (RFC 9113 §5.2, §6.9).
 *
 * DATA waits at its stream for three things: the stream's window, the connection's, and room in
 * the output. Streams that wait for the last two take turns, one frame each: so neither a slow
 * socket nor a large message makes the others wait long, and what nobody reads is bounded.
 *
 * @module
 */
import { ByteQueue } from "../bytes/byte_queue.ts";
import { OutBuffer } from "../bytes/out_buffer.ts";
import {
  DEFAULT_WINDOW,
  ErrorCode,
  Flag,
  FRAME_HEADER_BYTES,
  FrameType,
  Http2Error,
  MAX_WINDOW,
  PREFACE,
  writeUint32,
} from "./frames.ts";
import { TABLE_SIZE_ZERO } from "./hpack/encoder.ts";
import { defaultPeerSettings, type PeerSettings } from "./settings.ts";
import { LAST, MORE, type Stream } from "./stream.ts";

/** Output beyond which DATA waits at its stream until some is taken. */
export const MAX_OUTPUT_DATA = 1 << 20;

/** Late output beyond this is urgent. */
const MAX_LATE_BYTES = 256;

/** What the owner knows of the output. Urgent output takes late output with it. */
const Told = { NOTHING: 0, LATE: 1, URGENT: 2 } as const;
type Told = (typeof Told)[keyof typeof Told];

/** Writes frames. Knows streams' windows and queues, not their life. */
export class Sender {
  readonly out = new OutBuffer();
  readonly peer: PeerSettings = defaultPeerSettings();
  readonly #onEnd: (stream: Stream) => void;
  readonly #onOutput: (urgent: boolean) => void;
  /** What `onOutput` has said of the bytes that wait. */
  #told: Told = Told.NOTHING;
  /** The connection's window (RFC 9113 §6.9.1). */
  #window = DEFAULT_WINDOW;
  /** Our encoder uses no dynamic table, and has said so: RFC 7541 §4.2. */
  #tableSizeSent = false;
  /** Bytes in the queues of all streams. */
  #queued = 0;
  /** Streams with queued bytes and a window of their own: they wait for what all share. */
  readonly #waiting = new Set<Stream>();

  /**
   * @param onEnd Our END_STREAM has been written.
   * @param onOutput There is output, where there was none, or none that is urgent.
   */
  constructor(onEnd: (stream: Stream) => void, onOutput: (urgent: boolean) => void) {
    this.#onEnd = onEnd;
    this.#onOutput = onOutput;
  }

  /** Bytes that wait: for a window, for room in the output, or to be taken. */
  get waitingBytes(): number {
    return this.out.bytes + this.#queued;
  }

  /** Writes what a client says first. */
  preface(): void {
    this.#tell(Told.URGENT);
    this.out.write(PREFACE);
  }

  /** Writes one frame. */
  frame(type: number, flags: number, id: number, payload: Uint8Array): void {
    this.#tell(Told.URGENT);
    this.#frame(type, flags, id, payload);
  }

  /** Writes one frame that may wait for others, since nothing the peer does depends on it. */
  lateFrame(type: number, flags: number, id: number, payload: Uint8Array): void {
    this.#tell(this.out.bytes < MAX_LATE_BYTES ? Told.LATE : Told.URGENT);
    this.#frame(type, flags, id, payload);
  }

  #frame(type: number, flags: number, id: number, payload: Uint8Array): void {
    const { out } = this;
    const at = out.reserve(FRAME_HEADER_BYTES);
    const { segment } = out;
    const { length } = payload;
    segment[at] = length >>> 16;
    segment[at + 1] = length >>> 8;
    segment[at + 2] = length;
    segment[at + 3] = type;
    segment[at + 4] = flags;
    writeUint32(segment, at + 5, id);
    if (length > 0) out.write(payload);
  }

  /** Writes a frame whose payload is one 32-bit number: RST_STREAM or WINDOW_UPDATE. */
  frame32(type: number, id: number, value: number): void {
    this.#tell(Told.URGENT);
    const { out } = this;
    const at = out.reserve(FRAME_HEADER_BYTES + 4);
    const { segment } = out;
    segment[at] = 0;
    segment[at + 1] = 0;
    segment[at + 2] = 4;
    segment[at + 3] = type;
    segment[at + 4] = 0;
    writeUint32(segment, at + 5, id);
    writeUint32(segment, at + FRAME_HEADER_BYTES, value);
  }

  /** Takes the first block, with the table size update that must precede it. */
  #firstBlock(block: Uint8Array): Uint8Array {
    this.#tableSizeSent = true;
    const whole = new Uint8Array(1 + block.length);
    whole[0] = TABLE_SIZE_ZERO;
    whole.set(block, 1);
    return whole;
  }

  /** Writes a header section, in as many frames as the peer's limit asks for. */
  headers(stream: Stream, block: Uint8Array, end: boolean): void {
    if (stream.queuedBytes > 0) {
      stream.queuedEnd = block;
      return;
    }
    stream.headersSent = true;
    if (!this.#tableSizeSent) block = this.#firstBlock(block);
    const max = this.peer.maxFrameBytes;
    const flags = end ? Flag.END_STREAM : 0;
    if (block.length <= max) {
      this.frame(FrameType.HEADERS, flags | Flag.END_HEADERS, stream.id, block);
    } else {
      this.frame(FrameType.HEADERS, flags, stream.id, block.subarray(0, max));
      for (let at = max; at < block.length; at += max) {
        const last = at + max >= block.length;
        const flag = last ? Flag.END_HEADERS : 0;
        this.frame(FrameType.CONTINUATION, flag, stream.id, block.subarray(at, at + max));
      }
    }
    if (end) this.#end(stream);
  }

  /** Writes DATA as far as it goes and queues a copy of the rest. */
  data(stream: Stream, bytes: Uint8Array, end: boolean): void {
    const room = stream.queuedBytes > 0 ? 0 : this.#room(stream, bytes.length);
    if (room === bytes.length && stream.queuedBytes === 0) {
      this.#write(stream, bytes, end);
      return;
    }
    if (room > 0) this.#write(stream, bytes.subarray(0, room), MORE);
    if (room < bytes.length) {
      stream.queue ??= new ByteQueue();
      stream.queue.push(bytes.subarray(room));
      this.#queued += bytes.length - room;
    }
    if (end) stream.queuedEnd = true;
    if (stream.sendWindow > 0) this.#waiting.add(stream);
  }

  /** Everything that waits to be sent, see `OutBuffer.take()`; what waited for room follows. */
  take(): Uint8Array[] {
    this.#told = Told.NOTHING;
    const views = this.out.take();
    if (this.#waiting.size > 0) this.#drainWaiting();
    return views;
  }

  /**
   * The peer gives credit on a stream, or a changed setting does; `bytes` may be negative then.
   *
   * @returns False if the window overflowed.
   */
  streamCredit(stream: Stream, bytes: number): boolean {
    stream.sendWindow += bytes;
    if (stream.sendWindow > MAX_WINDOW) return false;
    if (stream.queuedBytes === 0) return true;
    if (stream.sendWindow <= 0) this.#waiting.delete(stream);
    else {
      this.#waiting.add(stream);
      this.#drainWaiting();
    }
    return true;
  }

  /**
   * The peer gives credit on the connection.
   *
   * @throws {Http2Error} If the window overflowed.
   */
  connectionCredit(bytes: number): void {
    this.#window += bytes;
    if (this.#window > MAX_WINDOW) {
      throw new Http2Error(ErrorCode.FLOW_CONTROL_ERROR, "Window of the connection overflows");
    }
    this.#drainWaiting();
  }

  /** Forgets a stream's queue, whose bytes count as drained. */
  drop(stream: Stream): void {
    if (stream.queuedBytes === 0) return;
    this.#waiting.delete(stream);
    this.#queued -= stream.queuedBytes;
    stream.queue = undefined;
    stream.queuedEnd = undefined;
    stream.events.onDrained(stream);
  }

  #tell(what: Told): void {
    if (this.#told >= what) return;
    this.#told = what;
    this.#onOutput(what === Told.URGENT);
  }

  #room(stream: Stream, wanted: number): number {
    if (this.out.bytes >= MAX_OUTPUT_DATA) return 0;
    return Math.max(0, Math.min(wanted, stream.sendWindow, this.#window));
  }

  #write(stream: Stream, bytes: Uint8Array, end: boolean): void {
    const max = this.peer.maxFrameBytes;
    const { length } = bytes;
    stream.sendWindow -= length;
    this.#window -= length;
    if (length <= max) {
      if (length > 0 || end) {
        this.frame(FrameType.DATA, end ? Flag.END_STREAM : 0, stream.id, bytes);
      }
    } else {
      for (let at = 0; at < length; at += max) {
        const flags = end && at + max >= length ? Flag.END_STREAM : 0;
        this.frame(FrameType.DATA, flags, stream.id, bytes.subarray(at, at + max));
      }
    }
    if (end) this.#end(stream);
  }

  #end(stream: Stream): void {
    stream.localEnd = true;
    this.#onEnd(stream);
  }

  /** Gives each waiting stream one frame at a time, in turn, while there is room. */
  #drainWaiting(): void {
    for (const stream of this.#waiting) {
      if (this.#window <= 0 || this.out.bytes >= MAX_OUTPUT_DATA) return;
      this.#waiting.delete(stream);
      this.#drainOne(stream, stream.queue!);
      // Added again, it comes last: a Set iterates over what is added on the way.
      if (stream.queuedBytes > 0 && stream.sendWindow > 0) this.#waiting.add(stream);
    }
  }

  #drainOne(stream: Stream, queue: ByteQueue): void {
    const bytes = queue.peek(this.#room(stream, this.peer.maxFrameBytes));
    const last = bytes.length === queue.length;
    this.#queued -= bytes.length;
    // Before END_STREAM, which may close the stream and drop its queue.
    if (last) stream.queue = undefined;
    this.#write(stream, bytes, last && stream.queuedEnd === true);
    if (!last) queue.drop(bytes.length);
    else if (stream.queuedEnd instanceof Uint8Array) this.headers(stream, stream.queuedEnd, LAST);
    stream.events.onDrained(stream);
  }
}
