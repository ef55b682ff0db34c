/**
 * Numbers of the links between workers, in memory that all of them share: each worker writes a row once
 * a second, and the main thread reads all rows, also while a worker is busy.
 *
 *     row: links up, down · calls forwarded, by outcome · round trip to worker 1 … N, in ms (0: none)
 *
 * @module
 */
import { WORKER_NAME } from "../links/port_way.ts";
import type { PeerUsage } from "../links/peer_port.ts";
import type { ForwardedOutcome } from "../relay/answer_headers.ts";

const OUTCOMES: readonly ForwardedOutcome[] = ["answered", "refused", "unknown", "stopped"];
/** Where the round trips begin in a row. */
const ROUND_TRIPS = 2 + OUTCOMES.length;

export function jointLinksMemory(workers: number): SharedArrayBuffer {
  const row = ROUND_TRIPS + workers;
  return new SharedArrayBuffer(workers * row * Float64Array.BYTES_PER_ELEMENT);
}

/** The rows of all workers. */
export class JointLinks {
  readonly #rows: readonly Float64Array[];

  constructor(memory: SharedArrayBuffer, workers: number) {
    const row = ROUND_TRIPS + workers;
    const { BYTES_PER_ELEMENT } = Float64Array;
    this.#rows = Array.from(
      { length: workers },
      (_, at) => new Float64Array(memory, at * row * BYTES_PER_ELEMENT, row),
    );
  }

  /**
   * Writes a worker's row.
   *
   * @param number Of the worker, from 1.
   */
  tell(number: number, { up, down, forwarded, roundTrips }: PeerUsage): void {
    const row = this.#rows[number - 1]!;
    row.set([up, down, ...OUTCOMES.map((outcome) => forwarded[outcome])]);
    row.fill(0, ROUND_TRIPS);
    for (const { hub, rttMs } of roundTrips) {
      row[ROUND_TRIPS + Number(hub.slice(WORKER_NAME.length)) - 1] = rttMs;
    }
  }

  /** Sums over all workers, and to each one the longest round trip. */
  get usage(): PeerUsage {
    const sum = (at: number) => this.#rows.reduce((sum, row) => sum + row[at]!, 0);
    const counts = OUTCOMES.map((outcome, at) => [outcome, sum(2 + at)] as const);
    const roundTrips = this.#rows.flatMap((_, at) => {
      const rttMs = Math.max(...this.#rows.map((row) => row[ROUND_TRIPS + at]!));
      return rttMs === 0 ? [] : [{ hub: `${WORKER_NAME}${at + 1}`, rttMs }];
    });
    const forwarded = Object.fromEntries(counts) as Record<ForwardedOutcome, number>;
    return { up: sum(0), down: sum(1), forwarded, roundTrips };
  }
}
