/**
 * Stands between the hub and an upstream, in the HTTP/2 that the hub speaks with it: only calls that
 * were judged go through, and nothing but HTTP/2.
 *
 *     hub ──HEADERS──▶ judge ──▶ HEADERS, encoded again ─▶ upstream
 *     hub ◀─trailers── refused   (the rest of that stream is dropped)
 *
 * What is done with each frame is decided by gate_table.ts: a stream passes because it was opened here,
 * not because nobody remembers that it was refused.
 *
 * Header blocks are decoded and encoded again without the dynamic table (RFC 7541), so that leaving
 * one out does not put the upstream's table out of step.
 *
 * @module
 */
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { FrameReader, type FrameSink } from "../../shared/http2/frame_reader.ts";
import {
  DEFAULT_MAX_FRAME_BYTES,
  ErrorCode,
  Flag,
  FRAME_HEADER_BYTES,
  FrameType,
  Http2Error,
  protocolError,
  writeUint32,
} from "../../shared/http2/frames.ts";
import { HeaderBlock } from "../../shared/http2/header_block.ts";
import type { HeaderList } from "../../shared/http2/header_list.ts";
import { requestProblem, trailersProblem } from "../../shared/http2/header_rules.ts";
import { HpackDecoder } from "../../shared/http2/hpack/decoder.ts";
import { encodeHeaderList } from "../../shared/http2/hpack/encoder.ts";
import type { FrameHead } from "../../shared/http2/scan/http2_scan.ts";
import { unpad } from "../../shared/http2/padding.ts";
import { RecentIds } from "../../shared/http2/recent_ids.ts";
import { type CallJudge, withoutNames } from "./call_judge.ts";
import { actionFor, isLength, type StreamState } from "./gate_table.ts";
import { PrefaceCheck } from "./preface_check.ts";

/** The largest header list that is taken; a hub sends half of it. */
const MAX_LIST_BYTES = 64 * 1024;
/** The largest HPACK table that an upstream may have offered the hub. */
const MAX_TABLE_BYTES = 64 * 1024;
/** Refused calls whose end the hub has not sent yet; a hub that never does loses the tunnel. */
export const MAX_REFUSED = 10_000;
/** The flags of DATA that mean something (RFC 9113 §6.1). */
const DATA_FLAGS = Flag.END_STREAM | Flag.PADDED;

/** Options of {@linkcode UpstreamGate}. */
export interface UpstreamGateOptions {
  readonly judge: CallJudge;
  /** Sends a frame to the hub, between others. */
  readonly toHub: (frame: Uint8Array) => void;
  /** Sends a frame to the upstream, after what `pass` has returned. */
  readonly toUpstream: (frame: Uint8Array) => void;
  /** The hub broke HTTP/2: nothing passes any more. */
  readonly onBroken: (why: string) => void;
}

/** A stream that the gate has opened, or refused while the hub goes on. */
interface Stream {
  state: Exclude<StreamState, "idle" | "closed">;
  readonly kept: Disposable | undefined;
}

/** Lets only those calls through to an upstream that its judge permits. */
export class UpstreamGate implements FrameSink, Disposable {
  readonly #options: UpstreamGateOptions;
  readonly #reader = new FrameReader(this);
  readonly #decoder = new HpackDecoder({
    maxListBytes: MAX_LIST_BYTES,
    maxTableBytes: MAX_TABLE_BYTES,
  });
  readonly #streams = new Map<number, Stream>();
  #refused = 0;
  /** Streams that ended by a reset: frames that crossed it may still come. */
  readonly #reset = new RecentIds();
  readonly #preface = new PrefaceCheck((why) => {
    throw protocolError(why);
  });
  #hasPreface = false;
  #hasSettings = false;
  #block: HeaderBlock | undefined;
  #lastId = 0;
  /** The upstream gets a DATA frame that has not come to its end. */
  #inData = false;
  #broken = false;
  #out: Uint8Array[] = [];
  /** Waits for the end of that frame. */
  #later: Uint8Array[] = [];

  constructor(options: UpstreamGateOptions) {
    this.#options = options;
  }

  /** Takes the next bytes from the hub, and returns those for the upstream. */
  pass(bytes: Uint8Array): Uint8Array[] {
    if (this.#broken) return [];
    this.#out = [];
    try {
      for (const piece of this.#preface.pass(bytes)) {
        if (this.#hasPreface) this.#reader.push(piece);
        else this.#out.push(piece);
        this.#hasPreface = true;
      }
    } catch (error) {
      this.#broken = true;
      this.#options.onBroken((error as Error).message);
    }
    return this.#out;
  }

  /** To be told of each frame from the upstream. */
  fromUpstream({ type, flags, streamId }: FrameHead): void {
    if (type === FrameType.RST_STREAM) return this.#forget(streamId, { reset: true });
    const ends = (flags & Flag.END_STREAM) !== 0 &&
      (type === FrameType.HEADERS || type === FrameType.DATA);
    const stream = this.#streams.get(streamId);
    if (!ends || stream === undefined) return;
    if (stream.state === "half-closed local") return this.#forget(streamId);
    if (stream.state !== "open") return;
    stream.state = "half-closed remote";
    // Its answer is complete: what the policy says from now on comes too late.
    stream.kept?.[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    for (const id of [...this.#streams.keys()]) this.#forget(id);
  }

  // ---- FrameSink

  frame(type: number, flags: number, id: number, payload: Uint8Array): void {
    if (type === FrameType.CONTINUATION && this.#block !== undefined) {
      return this.#continue(this.#block, flags, id, payload);
    }
    const action = this.#actionFor(type, flags, id);
    if (!isLength(type, payload.length)) {
      throw new Http2Error(ErrorCode.FRAME_SIZE_ERROR, `A frame cannot have this length`);
    }
    if (type === FrameType.HEADERS) return this.#gather(new HeaderBlock(id, flags, payload));
    if (type === FrameType.DATA) { // padded
      unpad(payload);
      if (action === "drop") return this.#drop(flags, id, payload.length);
      this.#push(type, { flags: flags & DATA_FLAGS, id, payload });
      if ((flags & Flag.END_STREAM) !== 0) this.#hubEnds(id);
      return;
    }
    if (action === "forward") this.#push(type, { flags, id, payload });
    if (type === FrameType.RST_STREAM) this.#forget(id);
  }

  dataBegin(flags: number, id: number, length: number): void {
    const action = this.#actionFor(FrameType.DATA, flags, id);
    if (action === "drop") return this.#drop(flags, id, length);
    this.#inData = true;
    this.#out.push(frameHead(FrameType.DATA, { flags: flags & DATA_FLAGS, id, length }));
    if ((flags & Flag.END_STREAM) !== 0) this.#hubEnds(id);
  }

  dataPiece(piece: Uint8Array, left: number): void {
    if (!this.#inData) return;
    if (piece.length > 0) this.#out.push(piece);
    if (left > 0) return;
    this.#inData = false;
    this.#out.push(...this.#later.splice(0));
  }

  /** @throws {Http2Error} If no client may send that now. */
  #actionFor(type: number, flags: number, id: number) {
    if (this.#block !== undefined) throw protocolError("A header block was interrupted");
    if (!this.#hasSettings) {
      // RFC 9113 §3.4: SETTINGS of its own, not an answer to ours.
      if (type !== FrameType.SETTINGS || (flags & Flag.ACK) !== 0) {
        throw protocolError("The preface is not followed by SETTINGS");
      }
      this.#hasSettings = true;
    }
    const state = this.#stateOf(id);
    const action = actionFor(type, id, state);
    if (action === "close") {
      const name = TYPE_NAMES[type] ?? type;
      throw protocolError(
        id === 0 ? `${name} came for the connection` : `${name} came on a stream that is ${state}`,
      );
    }
    return action;
  }

  #stateOf(id: number): StreamState {
    const stream = this.#streams.get(id);
    if (stream !== undefined) return stream.state;
    if (id % 2 === 0 || id > this.#lastId) return "idle";
    return this.#reset.has(id) ? "refused" : "closed";
  }

  // ---- DATA

  /** DATA of a call that is over. The hub gets its credit as if it had been read. */
  #drop(flags: number, id: number, length: number): void {
    if ((flags & Flag.END_STREAM) !== 0) this.#forget(id);
    if (length > 0) this.#options.toHub(numberFrame(FrameType.WINDOW_UPDATE, 0, length));
  }

  /** The hub has said its last on a stream. */
  #hubEnds(id: number): void {
    const stream = this.#streams.get(id);
    if (stream?.state === "open") stream.state = "half-closed local";
    else this.#forget(id);
  }

  // ---- HEADERS

  #continue(block: HeaderBlock, flags: number, id: number, payload: Uint8Array): void {
    if (block.id !== id) throw protocolError("CONTINUATION is of another stream than its block");
    block.add(flags, payload, MAX_LIST_BYTES);
    this.#gather(block);
  }

  #gather(block: HeaderBlock): void {
    this.#block = block.complete ? undefined : block;
    if (!block.complete) return;
    // Always, also for what is dropped: it may add to the table that later blocks refer to.
    const fields = this.#decoder.decode(block.bytes());
    const { id, endStream } = block;
    const action = actionFor(FrameType.HEADERS, id, this.#stateOf(id));
    if (action === "judge") return this.#enter(block, fields);
    // RFC 9113 §8.1: trailers end the stream.
    const problem = trailersProblem(fields) ?? (endStream ? undefined : "Trailers end no stream");
    if (problem !== undefined) throw protocolError(problem);
    if (action === "forward") this.#forward(block, withoutNames(fields));
    this.#hubEnds(id);
  }

  /** A call that begins. */
  #enter(block: HeaderBlock, fields: HeaderList): void {
    const { id, endStream } = block;
    this.#lastId = id;
    // Or the upstream could read it otherwise than the judge.
    const problem = requestProblem(fields);
    if (problem !== undefined) throw protocolError(problem);
    const judged = this.#options.judge(fields, () => this.#end(id));
    if (judged instanceof RpcError) return this.#refuse(block, judged);
    const { kept } = judged;
    this.#streams.set(id, { state: endStream ? "half-closed local" : "open", kept });
    this.#forward(block, judged.fields);
  }

  #forward({ id, endStream }: HeaderBlock, fields: HeaderList): void {
    this.#out.push(...headerFrames(encodeHeaderList(fields), { id, endStream }));
  }

  #refuse({ id, endStream }: HeaderBlock, error: RpcError): void {
    if (!endStream) {
      this.#streams.set(id, { state: "refused", kept: undefined });
      if (++this.#refused > MAX_REFUSED) {
        throw new Http2Error(ErrorCode.ENHANCE_YOUR_CALM, "The hub does not end what was refused");
      }
    }
    const block = encodeHeaderList([
      [":status", "200"],
      ["content-type", "application/grpc"],
      ...error.trailers(),
    ]);
    for (const frame of headerFrames(block, { id, endStream: true })) this.#options.toHub(frame);
  }

  /** The policy no longer allows a call that goes on. */
  #end(id: number): void {
    this.#forget(id, { reset: true });
    // gRPC over HTTP/2, "Errors": a caller reads this code as PERMISSION_DENIED.
    this.#options.toHub(numberFrame(FrameType.RST_STREAM, id, ErrorCode.INADEQUATE_SECURITY));
    const reset = numberFrame(FrameType.RST_STREAM, id, ErrorCode.CANCEL);
    if (this.#inData) this.#later.push(reset);
    else this.#options.toUpstream(reset);
  }

  /** A stream is over. @param reset Frames of the hub may have crossed its end. */
  #forget(id: number, { reset = false } = {}): void {
    const stream = this.#streams.get(id);
    if (stream === undefined) return;
    this.#streams.delete(id);
    if (stream.state === "refused") this.#refused--;
    stream.kept?.[Symbol.dispose]();
    if (reset) this.#reset.add(id);
  }

  #push(
    type: number,
    { flags, id, payload }: { flags: number; id: number; payload: Uint8Array },
  ): void {
    this.#out.push(frameHead(type, { flags, id, length: payload.length }), payload.slice());
  }
}

/** For messages. */
const TYPE_NAMES = Object.keys(FrameType);

interface FrameOptions {
  readonly id: number;
  readonly flags: number;
  readonly length: number;
}

function frameHead(type: number, { id, flags, length }: FrameOptions): Uint8Array {
  const head = new Uint8Array(FRAME_HEADER_BYTES);
  head[0] = length >> 16;
  head[1] = length >> 8;
  head[2] = length;
  head[3] = type;
  head[4] = flags;
  writeUint32(head, 5, id);
  return head;
}

/** A frame whose payload is one number. */
export function numberFrame(type: number, id: number, value: number): Uint8Array {
  const frame = new Uint8Array(FRAME_HEADER_BYTES + 4);
  frame.set(frameHead(type, { id, flags: 0, length: 4 }));
  writeUint32(frame, FRAME_HEADER_BYTES, value);
  return frame;
}

/** HEADERS, and CONTINUATION for what does not fit. */
function headerFrames(
  block: Uint8Array,
  { id, endStream }: { readonly id: number; readonly endStream: boolean },
): Uint8Array[] {
  const frames: Uint8Array[] = [];
  for (let at = 0; at === 0 || at < block.length; at += DEFAULT_MAX_FRAME_BYTES) {
    const part = block.subarray(at, at + DEFAULT_MAX_FRAME_BYTES);
    const isLast = at + part.length === block.length;
    const flags = (isLast ? Flag.END_HEADERS : 0) | (at === 0 && endStream ? Flag.END_STREAM : 0);
    const type = at === 0 ? FrameType.HEADERS : FrameType.CONTINUATION;
    const frame = new Uint8Array(FRAME_HEADER_BYTES + part.length);
    frame.set(frameHead(type, { id, flags, length: part.length }));
    frame.set(part, FRAME_HEADER_BYTES);
    frames.push(frame);
  }
  return frames;
}
