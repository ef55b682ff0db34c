/**
 * Stands between a client on Deno's `node:http2`, which must not see GOAWAY (docs/decisions/0009), and
 * its peer, and does for the client what a GOAWAY asks (RFC 9113 §6.8). gclient needs none: it has a
 * client of its own. Clients of tests and benches that are made of grpc-js do.
 *
 *     peer ── GOAWAY(last) ──▶ filter ── RST_STREAM(REFUSED_STREAM) ──▶ client     streams above last
 *     peer ◀───────────────── filter ◀────────────────────────────────  client
 *
 * Streams up to `last` go on to their end. Those above it the peer has not looked at and never will,
 * so a client that waits for them would wait without limit.
 *
 * @module
 */
import { ErrorCode, FRAME_HEADER_BYTES, FrameType, MAX_STREAM_ID, writeUint32 } from "../frames.ts";
import { type FrameHead, Http2Scan } from "../scan/http2_scan.ts";
import { OpenStreams } from "../scan/open_streams.ts";

/** RST_STREAM's payload (RFC 9113 §6.4). */
const RST_STREAM_BYTES = 4;

/** One connection. It holds no more than the refusals of streams that are open. */
export class GoawayFilter {
  readonly #streams = new OpenStreams();
  readonly #fromPeer: Http2Scan;
  readonly #fromClient: Http2Scan;
  /** Of the last GOAWAY. */
  #lastStreamId: number = MAX_STREAM_ID;
  #leaving = false;
  /** Of the newest stream. */
  #newestId = 0;
  /** Streams whose refusal waits for the end of a frame. */
  readonly #toRefuse = new Set<number>();

  constructor() {
    this.#fromPeer = new Http2Scan({
      fromClient: false,
      dropGoaway: true,
      onFrame: (head) => this.#streams.fromServer(head),
      onGoaway: (lastStreamId) => this.#onGoaway(lastStreamId),
    });
    this.#fromClient = new Http2Scan({
      fromClient: true,
      onFrame: (head) => this.#onClientFrame(head),
    });
  }

  /** The peer wants no more streams here: a new one belongs on another connection. */
  get leaving(): boolean {
    return this.#leaving;
  }

  /** Whether the newest stream was certainly not looked at by the peer. */
  get refused(): boolean {
    return this.#newestId > this.#lastStreamId;
  }

  /** Takes bytes of the peer and gives what the client is to read. */
  receive(bytes: Uint8Array): Uint8Array[] {
    return [...this.#fromPeer.pass(bytes), ...this.#refusals()];
  }

  /**
   * Looks at bytes of the client, which are to be sent as they are.
   *
   * @returns What the client is to read now.
   */
  send(bytes: Uint8Array): Uint8Array[] {
    this.#fromClient.pass(bytes);
    return this.#refusals();
  }

  #onGoaway(lastStreamId: number): void {
    this.#leaving = true;
    // It may not grow again (§6.8); a peer that lets it has told before what it refused.
    this.#lastStreamId = Math.min(this.#lastStreamId, lastStreamId);
    for (const id of this.#streams.above(this.#lastStreamId)) this.#toRefuse.add(id);
  }

  #onClientFrame(head: FrameHead): void {
    const { type, streamId } = head;
    this.#streams.fromClient(head);
    if (type !== FrameType.HEADERS || streamId <= this.#newestId) return;
    this.#newestId = streamId;
    if (this.refused) this.#toRefuse.add(streamId);
  }

  #refusals(): Uint8Array[] {
    if (this.#toRefuse.size === 0 || !this.#fromPeer.atBorder) return [];
    const frames = Array.from(this.#toRefuse, refusalFrame);
    for (const streamId of this.#toRefuse) {
      this.#streams.fromServer({ type: FrameType.RST_STREAM, flags: 0, streamId });
    }
    this.#toRefuse.clear();
    return frames;
  }
}

/** `RST_STREAM` with `REFUSED_STREAM`: nothing was done, another try is safe (RFC 9113 §8.7). */
function refusalFrame(streamId: number): Uint8Array {
  const frame = new Uint8Array(FRAME_HEADER_BYTES + RST_STREAM_BYTES);
  frame[2] = RST_STREAM_BYTES;
  frame[3] = FrameType.RST_STREAM;
  writeUint32(frame, 5, streamId);
  writeUint32(frame, FRAME_HEADER_BYTES, ErrorCode.REFUSED_STREAM);
  return frame;
}
