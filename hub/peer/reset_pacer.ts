/**
 * RST_STREAM, no faster than a server forgives.
 *
 * Since rapid reset (CVE-2023-44487) servers end a connection on which too many streams are reset:
 * nghttp2, and with it `node:http2`, allows 1000 at once and 33 a second. On a tunnel the calls of all
 * operators share one connection: who cancels many calls would end those of all others. So what is
 * too much waits; most of these streams end by themselves meanwhile, and need no reset any more.
 *
 * @module
 */
import type { Connection } from "../../shared/http2/connection.ts";
import type { Stream } from "../../shared/http2/stream.ts";

/** Resets that may be sent at once. */
export const RESET_BURST = 500;
/** Resets that may follow each second. */
export const RESETS_PER_S = 30;
/** Streams of one operator that may wait for their reset; until there are fewer, it gets no more. */
export const MAX_WAITING_RESETS = 1000;
/**
 * Streams of all operators. One may have as many of them as are free, so that a few who take all they
 * can get leave some to the others.
 */
export const MAX_WAITING_RESETS_OF_ALL = 4000;

/** A stream's reset that has to wait. */
interface Waiting {
  readonly code: number;
  readonly operator: string;
}

/** A token bucket for one connection. */
export class ResetPacer {
  readonly #connection: Connection;
  /** Made on first use: most tunnels never need it. */
  #waiting: Map<Stream, Waiting> | undefined;
  readonly #waitingOf = new Map<string, number>();
  readonly #burst: number;
  #left: number;

  /** @param burst Resets that may be sent at once: Infinity for a peer that minds none. */
  constructor(connection: Connection, burst: number = RESET_BURST) {
    this.#connection = connection;
    this.#burst = burst;
    this.#left = burst;
  }

  /** Whether so many wait that this operator should open no stream that might be reset as well. */
  isFullFor(operator: string): boolean {
    if (this.#waiting === undefined) return false;
    const free = MAX_WAITING_RESETS_OF_ALL - this.#waiting.size;
    return this.waitingOf(operator) >= Math.min(MAX_WAITING_RESETS, free);
  }

  /** Streams of an operator that wait. */
  waitingOf(operator: string): number {
    return this.#waitingOf.get(operator) ?? 0;
  }

  /** Resets an operator's stream: now, or when there is room. Until then its events go on. */
  reset(stream: Stream, code: number, operator: string): void {
    if (stream.closed || this.#waiting?.has(stream)) return;
    if (this.#left > 0) return this.#reset(stream, code);
    (this.#waiting ??= new Map()).set(stream, { code, operator });
    this.#waitingOf.set(operator, this.waitingOf(operator) + 1);
  }

  /** Once a second. A stream that had to wait hears `onReset` by "us". */
  tick(): void {
    this.#left = Math.min(this.#burst, this.#left + RESETS_PER_S);
    if (this.#waiting === undefined) return;
    for (const [stream, { code, operator }] of this.#waiting) {
      if (!stream.closed && this.#left === 0) continue;
      this.#waiting.delete(stream);
      const others = this.waitingOf(operator) - 1;
      if (others > 0) this.#waitingOf.set(operator, others);
      else this.#waitingOf.delete(operator);
      if (stream.closed) continue;
      this.#reset(stream, code);
      stream.events.onReset(stream, code, "us");
    }
  }

  #reset(stream: Stream, code: number): void {
    this.#left--;
    this.#connection.reset(stream, code);
  }
}
