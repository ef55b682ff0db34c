/**
 * Counts the calls on an HTTP/2 connection of which only the frame headers are seen.
 *
 * @module
 */
import { Flag, FrameType } from "../frames.ts";
import type { FrameHead } from "./http2_scan.ts";

/** Which ends of a stream have not ended it yet. */
interface Open {
  client: boolean;
  server: boolean;
}

/** RFC 9113 §5.1, as far as "is it over?" goes. */
export class OpenStreams {
  readonly #streams = new Map<number, Open>();
  /** Streams of a client have growing odd ids (§5.1.1): a lower one is over, not new. */
  #lastId = 0;
  #onIdle: (() => void) | undefined;

  get count(): number {
    return this.#streams.size;
  }

  /** Resolves when no stream is open. */
  idle(): Promise<void> {
    if (this.#streams.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#onIdle = resolve);
  }

  /** Those whose ids are above this one. */
  above(id: number): number[] {
    return [...this.#streams.keys()].filter((streamId) => streamId > id);
  }

  fromClient(head: FrameHead): void {
    const { type, streamId } = head;
    if (type === FrameType.HEADERS && streamId > this.#lastId) {
      this.#lastId = streamId;
      this.#streams.set(streamId, { client: true, server: true });
    }
    this.#ended(head, "client");
  }

  fromServer(head: FrameHead): void {
    this.#ended(head, "server");
  }

  #ended({ type, flags, streamId }: FrameHead, by: keyof Open): void {
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return;
    const canEnd = type === FrameType.DATA || type === FrameType.HEADERS;
    if (canEnd && (flags & Flag.END_STREAM) !== 0) stream[by] = false;
    if (type !== FrameType.RST_STREAM && (stream.client || stream.server)) return;
    this.#streams.delete(streamId);
    if (this.#streams.size === 0) this.#onIdle?.();
  }
}
