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
  /** PING without ACK (CVE-2019-9512). gRPC in Go sends one per round trip, to measure its windows. */
  ping: 20_000,
  /** SETTINGS without ACK: the same (CVE-2019-9515). */
  settings: 30,
  /** GOAWAY: an honest peer sends two. */
  goaway: 30,
  /** DATA without bytes and without END_STREAM (CVE-2019-9518). */
  emptyData: 1000,
  /**
   * Streams that the peer opened and reset before any answer came (rapid reset, CVE-2023-44487). A
   * client that sends each call to several servers, and cancels all but the fastest, may do so a
   * thousand times a second all day, and a tick may come late. Yet one connection alone must not
   * use up the resets that its operator may have at a server: 1500, see `hub/peer/reset_pacer.ts`.
   */
  rapidReset: 1400,
  /** PRIORITY, frames of unknown types, informational responses: allowed, and of no use. */
  ignored: 1000,
  /** Errors of single streams, and frames on closed streams. */
  streamError: 500,
} as const;

/** Answers (PING, SETTINGS, RST_STREAM) that may wait for a peer that asks and does not read. */
export const MAX_UNSENT_ANSWERS = 1000;

/** A kind of frame that is counted. */
export type FloodKind = keyof typeof FLOOD_LIMITS;

/** How often each kind may come, where that is not as above. */
export type FloodLimits = Partial<Record<FloodKind, number>>;

/** Counts per kind; made on first use, for an honest peer may never need it. */
export class FloodGuard {
  readonly #limits: FloodLimits | undefined;
  #counts: Partial<Record<FloodKind, number>> | undefined;
  #unsentAnswers = 0;

  /** @param limits For a peer that speaks for many others, and has proven who it is. */
  constructor(limits?: FloodLimits) {
    this.#limits = limits;
  }

  /**
   * Counts one frame.
   *
   * @throws {Http2Error} `ENHANCE_YOUR_CALM` if the kind is over its limit.
   */
  count(kind: FloodKind): void {
    this.#counts ??= {};
    const count = (this.#counts[kind] ?? 0) + 1;
    if (count > (this.#limits?.[kind] ?? FLOOD_LIMITS[kind])) {
      throw new Http2Error(ErrorCode.ENHANCE_YOUR_CALM, `Too many frames at once: ${kind}`);
    }
    this.#counts[kind] = count;
  }

  /**
   * Counts one answer.
   *
   * @throws {Http2Error} `ENHANCE_YOUR_CALM` if too many wait to be sent.
   */
  countAnswer(): void {
    if (++this.#unsentAnswers > MAX_UNSENT_ANSWERS) {
      throw new Http2Error(ErrorCode.ENHANCE_YOUR_CALM, "Too many answers wait to be read");
    }
  }

  /** All answers have been taken. */
  taken(): void {
    this.#unsentAnswers = 0;
  }

  /** Begins a new second. */
  tick(): void {
    this.#counts = undefined;
  }
}
