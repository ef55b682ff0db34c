/**
 * Lets through to an upstream what the server's own policy allows, call by call, in the HTTP/2 that
 * the hub speaks with it. All else passes as the bytes that it is.
 *
 *     hub ──HEADERS──▶ voucher, policy ──▶ HEADERS, encoded anew ──▶ upstream
 *     hub ◀─trailers── refused             (the rest of that stream is dropped)
 *
 * Header blocks are decoded and encoded anew without the dynamic table (RFC 7541), so that leaving
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
  PREFACE,
  writeUint32,
} from "../../shared/http2/frames.ts";
import { HeaderBlock } from "../../shared/http2/header_block.ts";
import { type Field, firstValue, type HeaderList } from "../../shared/http2/header_list.ts";
import { HpackDecoder } from "../../shared/http2/hpack/decoder.ts";
import { encodeHeaderList } from "../../shared/http2/hpack/encoder.ts";
import type { FrameHead } from "../../shared/http2/http2_scan.ts";
import { OPERATOR_FIELD, VOUCHER_FIELD } from "../../shared/vouchers/voucher.ts";
import type { Guarded } from "../origin.ts";
import type { Caller } from "./policy_file.ts";

/** The largest header list that is taken; a hub sends half of it. */
const MAX_LIST_BYTES = 64 * 1024;
/** The largest HPACK table that an upstream may have offered the hub. */
const MAX_TABLE_BYTES = 64 * 1024;
/** Refused calls whose end the hub has not sent yet; a hub that never does loses the tunnel. */
export const MAX_REFUSED = 10_000;

/** Options of {@linkcode UpstreamGate}. */
export interface UpstreamGateOptions {
  readonly guarded: Guarded;
  /** The upstream's name. */
  readonly upstream: string;
  /** Sends a frame to the hub, between others. */
  readonly toHub: (frame: Uint8Array) => void;
  /** Sends a frame to the upstream, behind what `pass` has returned. */
  readonly toUpstream: (frame: Uint8Array) => void;
  /** The hub broke HTTP/2: nothing passes any more. */
  readonly onBroken: (why: string) => void;
}

/** See the module's head. */
export class UpstreamGate implements FrameSink, Disposable {
  readonly #options: UpstreamGateOptions;
  readonly #reader = new FrameReader(this);
  readonly #decoder = new HpackDecoder({
    maxListBytes: MAX_LIST_BYTES,
    maxTableBytes: MAX_TABLE_BYTES,
  });
  /** Calls that were let through and have no answer yet. */
  readonly #open = new Map<number, Disposable>();
  readonly #refused = new Set<number>();
  #prefaceLeft = PREFACE.length;
  #block: HeaderBlock | undefined;
  #lastId = 0;
  /** Frames on streams above it mean nothing to the upstream. */
  #lastPassedId = 0;
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
    const preface = Math.min(this.#prefaceLeft, bytes.length);
    this.#prefaceLeft -= preface;
    if (preface > 0) this.#out.push(bytes.subarray(0, preface));
    try {
      this.#reader.push(bytes.subarray(preface));
    } catch (error) {
      this.#broken = true;
      this.#options.onBroken((error as Error).message);
    }
    return this.#out;
  }

  /** To be told of each frame from the upstream. */
  fromUpstream({ type, flags, streamId }: FrameHead): void {
    const ends = type === FrameType.RST_STREAM || (flags & Flag.END_STREAM) !== 0 &&
        (type === FrameType.HEADERS || type === FrameType.DATA);
    if (ends) this.#close(streamId);
  }

  [Symbol.dispose](): void {
    for (const id of [...this.#open.keys()]) this.#close(id);
  }

  // ---- FrameSink

  frame(type: number, flags: number, id: number, payload: Uint8Array): void {
    if (type !== FrameType.CONTINUATION) this.#mayInterrupt();
    if (type === FrameType.HEADERS) return this.#gather(new HeaderBlock(id, flags, payload));
    if (type === FrameType.CONTINUATION) return this.#continue(flags, id, payload);
    if (type === FrameType.DATA && this.#drop(flags, id, payload.length)) return; // padded
    if (type === FrameType.RST_STREAM) this.#close(id);
    const dropped = this.#refused.has(id) || id > this.#lastPassedId;
    if (type === FrameType.RST_STREAM) this.#refused.delete(id);
    if (id !== 0 && dropped) return;
    this.#out.push(frameHead(type, { flags, id, length: payload.length }), payload.slice());
  }

  dataBegin(flags: number, id: number, length: number): void {
    this.#mayInterrupt();
    if (this.#drop(flags, id, length)) return;
    this.#inData = true;
    this.#out.push(frameHead(FrameType.DATA, { flags, id, length }));
  }

  dataPiece(piece: Uint8Array, left: number): void {
    if (!this.#inData) return;
    if (piece.length > 0) this.#out.push(piece);
    if (left > 0) return;
    this.#inData = false;
    this.#out.push(...this.#later.splice(0));
  }

  // ---- DATA

  /** Whether DATA is for a call that was refused. The hub gets its credit as if it had been read. */
  #drop(flags: number, id: number, length: number): boolean {
    if (!this.#refused.has(id) && id <= this.#lastPassedId) return false;
    if ((flags & Flag.END_STREAM) !== 0) this.#refused.delete(id);
    if (length > 0) this.#options.toHub(numberFrame(FrameType.WINDOW_UPDATE, 0, length));
    return true;
  }

  // ---- HEADERS

  #mayInterrupt(): void {
    if (this.#block === undefined) return;
    throw new Http2Error(ErrorCode.PROTOCOL_ERROR, "A header block was interrupted");
  }

  #continue(flags: number, id: number, payload: Uint8Array): void {
    const block = this.#block;
    if (block === undefined || block.id !== id) {
      throw new Http2Error(ErrorCode.PROTOCOL_ERROR, "CONTINUATION without HEADERS");
    }
    block.add(flags, payload, MAX_LIST_BYTES);
    this.#gather(block);
  }

  #gather(block: HeaderBlock): void {
    this.#block = block.complete ? undefined : block;
    if (!block.complete) return;
    const fields = this.#decoder.decode(block.bytes());
    if (block.id > this.#lastId) return this.#enter(block, fields);
    // Trailers of a request: nothing in gRPC, but its end.
    if (!this.#refused.has(block.id)) this.#forward(block, fields);
    else if (block.endStream) this.#refused.delete(block.id);
  }

  /** A call that begins. */
  #enter(block: HeaderBlock, fields: HeaderList): void {
    const { id } = block;
    this.#lastId = id;
    const { guard, vouchers } = this.#options.guarded;
    const called = {
      upstream: this.#options.upstream,
      path: firstValue(fields, ":path") ?? "",
    };
    const given = fields.filter(([name]) => name === VOUCHER_FIELD).map(([, value]) => value);
    const caller = vouchers.read(given.length === 0 ? undefined : given.join());
    if (caller instanceof RpcError) return this.#refuse(block, caller);
    const recheck = () => guard.refusal(caller, called);
    const refusal = recheck();
    if (refusal !== undefined) return this.#refuse(block, refusal);
    this.#open.set(id, guard.keep({ recheck, end: () => this.#end(id) }));
    this.#lastPassedId = id;
    this.#forward(block, named(fields, caller));
  }

  #forward({ id, endStream }: HeaderBlock, fields: HeaderList): void {
    this.#out.push(...headerFrames(encodeHeaderList(fields), { id, endStream }));
  }

  #refuse({ id, endStream }: HeaderBlock, error: RpcError): void {
    if (!endStream) this.#refused.add(id);
    if (this.#refused.size > MAX_REFUSED) {
      throw new Http2Error(ErrorCode.ENHANCE_YOUR_CALM, "The hub does not end what was refused");
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
    this.#close(id);
    this.#refused.add(id);
    // gRPC over HTTP/2, "Errors": a caller reads this code as PERMISSION_DENIED.
    this.#options.toHub(numberFrame(FrameType.RST_STREAM, id, ErrorCode.INADEQUATE_SECURITY));
    const reset = numberFrame(FrameType.RST_STREAM, id, ErrorCode.CANCEL);
    if (this.#inData) this.#later.push(reset);
    else this.#options.toUpstream(reset);
  }

  #close(id: number): void {
    this.#open.get(id)?.[Symbol.dispose]();
    this.#open.delete(id);
  }
}

/** The call as the upstream gets it: with the name of who calls, and without the proof. */
function named(fields: HeaderList, { operator }: Caller): HeaderList {
  const own = fields.filter(([name]) => name !== VOUCHER_FIELD && name !== OPERATOR_FIELD);
  return [...own, [OPERATOR_FIELD, operator] satisfies Field];
}

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
function numberFrame(type: number, id: number, value: number): Uint8Array {
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
