/**
 * Bounds against peers that make work without doing any (RFC 9113 §10.5).
 *
 * Some frames cost the sender nothing and the receiver an answer, a table entry or a call to
 * somebody else. Each kind may come so often per tick; the owner of the connection ticks once
 * a second, so a connection that lives for weeks is never at fault for having lived.
 *
 * @module
 */
import { ErrorCode, Http2Error } from "./frames.ts";

/** How often each kind may come per tick. */
export const FLOOD_LIMITS = {
  /** PING without ACK: each asks for an answer (CVE-2019-9512). gRPC sends one per 10 s or more. */
  ping: 100,
  /** SETTINGS without ACK: the same (CVE-2019-9515). */
  settings: 30,
  /** DATA without bytes and without END_STREAM (CVE-2019-9518). */
  emptyData: 1000,
  /** Streams that the peer opened and reset before any answer came (rapid reset, CVE-2023-44487). */
  rapidReset: 1000,
  /** PRIORITY and frames of unknown types: allowed, and of no use. */
  ignored: 1000,
  /** Errors of single streams, and frames on closed streams. */
  streamError: 500,
} as const;

/** A kind of frame that is counted. */
export type FloodKind = keyof typeof FLOOD_LIMITS;

/** Counts per kind; made on first use, for an honest peer may never need it. */
export class FloodGuard {
  #counts: Partial<Record<FloodKind, number>> | undefined;

  /**
   * Counts one frame.
   *
   * @throws {Http2Error} `ENHANCE_YOUR_CALM` if the kind is over its limit.
   */
  count(kind: FloodKind): void {
    this.#counts ??= {};
    const count = (this.#counts[kind] ?? 0) + 1;
    if (count > FLOOD_LIMITS[kind]) {
      throw new Http2Error(ErrorCode.ENHANCE_YOUR_CALM, `Too many frames at once: ${kind}`);
    }
    this.#counts[kind] = count;
  }

  /** Begins a new second. */
  tick(): void {
    this.#counts = undefined;
  }
}
