/**
 * HEADERS and CONTINUATION: header blocks, decoded, become requests, responses and trailers
 * (RFC 9113 §4.3, §8.1).
 *
 * @module
 */
import { ErrorCode, Flag, protocolError } from "./frames.ts";
import { HeaderBlock } from "./header_block.ts";
import type { HeaderList } from "./header_list.ts";
import { contentLength, requestProblem, responseProblem, trailersProblem } from "./header_rules.ts";
import { HpackDecoder } from "./hpack/decoder.ts";
import { HeaderListTooLargeError } from "./hpack/errors.ts";
import type { ReceiverParts } from "./receiver_parts.ts";
import { SILENT, type Stream } from "./stream.ts";

export interface HeaderReceiverOptions {
  readonly maxConcurrentStreams: number;
  readonly maxHeaderListBytes: number;
}

/** What a header block comes with. */
type BlockHead = Pick<HeaderBlock, "id" | "endStream" | "dependsOnItself">;

/** What decides whether a block is the whole payload of its frame. */
const SHAPE = Flag.END_HEADERS | Flag.PADDED | Flag.PRIORITY;

const PROBLEM = {
  request: requestProblem,
  response: responseProblem,
  trailers: trailersProblem,
} as const;

type Kind = keyof typeof PROBLEM;

/** A section that is well formed. */
interface Good {
  readonly fields: HeaderList;
  /** See `#check`. */
  readonly length: number;
}

/** Throws `Http2Error` and `HpackError` for what the connection cannot survive. */
export class HeaderReceiver {
  readonly #parts: ReceiverParts;
  readonly #options: HeaderReceiverOptions;
  readonly #decoder: HpackDecoder;
  /** The last section of each kind that was repeated and found well formed. */
  readonly #good: Record<Kind, Good | undefined> = {
    request: undefined,
    response: undefined,
    trailers: undefined,
  };
  /** The block that is being received, if CONTINUATION must follow. */
  #block: HeaderBlock | undefined;

  constructor(parts: ReceiverParts, options: HeaderReceiverOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#decoder = new HpackDecoder({ maxListBytes: options.maxHeaderListBytes });
  }

  /** The stream whose block goes on in the next frame: no other frame may come (§6.10). */
  get continues(): number | undefined {
    return this.#block?.id;
  }

  /** Bytes of that block. */
  get gatheredBytes(): number {
    return this.#block?.byteLength ?? 0;
  }

  /** Whether the last header section is one that came before, as the same list. */
  get repeated(): boolean {
    return this.#decoder.repeated;
  }

  onHeaders(flags: number, id: number, payload: Uint8Array): void {
    if (id === 0) throw protocolError("HEADERS on stream 0");
    if ((flags & SHAPE) === Flag.END_HEADERS) {
      // As almost all are: nothing to gather, nothing to cut off.
      const endStream = (flags & Flag.END_STREAM) !== 0;
      return this.#onBlock({ id, endStream, dependsOnItself: false }, payload);
    }
    const block = new HeaderBlock(id, flags, payload);
    if (block.complete) this.#onBlock(block, block.bytes());
    else this.#block = block;
  }

  onContinuation(flags: number, payload: Uint8Array): void {
    const block = this.#block!;
    // A block that takes twice the bytes of the largest list is no attempt to be understood.
    block.add(flags, payload, 2 * this.#options.maxHeaderListBytes);
    if (!block.complete) return;
    this.#block = undefined;
    this.#onBlock(block, block.bytes());
  }

  /** A header section is complete. It is decoded in every case: the HPACK table must keep pace. */
  #onBlock(block: BlockHead, bytes: Uint8Array): void {
    let fields: HeaderList | undefined;
    try {
      fields = this.#decoder.decode(bytes);
    } catch (error) {
      if (!(error instanceof HeaderListTooLargeError)) throw error;
    }
    const { streams, faults } = this.#parts;
    const stream = streams.get(block.id);
    if (stream !== undefined) this.#onSection(stream, fields, block);
    else if (streams.isServer) this.#onRequest(fields, block);
    else faults.notOpen(block.id, "HEADERS");
  }

  #onRequest(
    fields: HeaderList | undefined,
    { id, endStream, dependsOnItself }: BlockHead,
  ): void {
    const { events, streams, faults } = this.#parts;
    if (id % 2 === 0) throw protocolError(`HEADERS on stream ${id}, which is not the client's`);
    if (!streams.isIdle(id)) return faults.notOpen(id, "HEADERS");
    streams.use(id);
    if (!streams.accepts(id) || streams.size >= this.#options.maxConcurrentStreams) {
      return faults.refuse(id, ErrorCode.REFUSED_STREAM);
    }
    const length = fields === undefined ? -1 : this.#check("request", fields);
    if (dependsOnItself || length === undefined || (length > 0 && endStream)) {
      return faults.refuse(id, ErrorCode.PROTOCOL_ERROR);
    }
    // Until `onRequest` has said who hears of it.
    const stream = streams.open(id, SILENT);
    stream.headersReceived = true;
    stream.expectedBytes = length;
    stream.remoteEnd = endStream;
    stream.events = events.onRequest(stream, fields, endStream);
    if (endStream) streams.settle(stream);
  }

  /** A header section on an open stream: a response (client role) or trailers. */
  #onSection(
    stream: Stream,
    fields: HeaderList | undefined,
    { endStream, dependsOnItself }: BlockHead,
  ): void {
    const { streams, faults, flood } = this.#parts;
    if (stream.remoteEnd) return faults.error(stream, ErrorCode.STREAM_CLOSED);
    if (fields === undefined) return faults.error(stream, ErrorCode.ENHANCE_YOUR_CALM);
    const isResponse = !stream.headersReceived;
    const valid = isResponse
      ? this.#isValidResponse(stream, fields, endStream)
      : this.#areValidTrailers(stream, fields, endStream);
    if (!valid || dependsOnItself) return faults.error(stream, ErrorCode.PROTOCOL_ERROR);
    // An informational response is none that gRPC knows: it is dropped (§8.1).
    if (isResponse && isInformational(fields)) return flood.count("ignored");
    stream.headersReceived = true;
    stream.remoteEnd = endStream;
    stream.events.onHeaders(stream, fields, endStream);
    if (endStream) streams.settle(stream);
  }

  #isValidResponse(stream: Stream, fields: HeaderList, endStream: boolean): boolean {
    const length = this.#check("response", fields);
    if (length === undefined) return false;
    if (endStream) return !isInformational(fields); // Content may have a length and be left out.
    stream.expectedBytes = length;
    return true;
  }

  #areValidTrailers(stream: Stream, fields: HeaderList, endStream: boolean): boolean {
    return endStream && stream.expectedBytes <= 0 && this.#check("trailers", fields) !== undefined;
  }

  /**
   * Whether a section is well formed. Peers repeat their sections, and the decoder gives the same
   * list then: the last one of each kind is not looked at again.
   *
   * @returns Its `content-length`, -1 without one; `undefined` if it is malformed.
   */
  #check(kind: Kind, fields: HeaderList): number | undefined {
    const good = this.#good[kind];
    if (good?.fields === fields) return good.length;
    const length = kind === "trailers" ? -1 : contentLength(fields);
    if (length === undefined || PROBLEM[kind](fields) !== undefined) return undefined;
    if (this.#decoder.repeated) this.#good[kind] = { fields, length };
    return length;
  }
}

/** Whether a valid response is only a forerunner of the real one. */
function isInformational(fields: HeaderList): boolean {
  return fields[0]![1].startsWith("1");
}
