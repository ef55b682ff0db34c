/**
 * What single looks cannot tell: that a worker is not the one that was there before.
 *
 * @module
 */
import type { Observation } from "./manager.ts";

/** Rebirths that are remembered with their time. */
const MAX_REMEMBERED = 100;

/** Rebirths of workers and restarts of the unit, as far as they were seen. */
export class History {
  /** Supervisor and worker number → PID and start. */
  #workers = new Map<string, string>();
  #rebirths: number[] = [];
  #rebirthsTotal = 0;
  #unitCount: number | undefined;
  #restarts: number[] = [];

  /** Call it with each look. */
  note(seen: Observation, nowMs: number): void {
    const workers = new Map(seen.workers.map((worker) => [
      `${worker.ppid}/${worker.workerId}`,
      `${worker.pid}/${worker.startTicks}`,
    ]));
    const supervisors = new Set(seen.supervisors.map(({ pid }) => pid));
    for (const [key, id] of this.#workers) {
      const now = workers.get(key);
      if (now !== undefined && now !== id) {
        this.#rebirthsTotal++;
        this.#rebirths = remember(this.#rebirths, 1, nowMs);
      }
      // Between death and rebirth there is a moment without the worker: it is not forgotten then.
      if (now === undefined && supervisors.has(Number.parseInt(key, 10))) workers.set(key, id);
    }
    this.#workers = workers;
    this.#noteUnit(seen.unit?.restarts, nowMs);
  }

  #noteUnit(count: number | undefined, nowMs: number): void {
    if (count === undefined) return;
    const before = this.#unitCount ?? count;
    // systemd counts from 0 again after a start by hand: a new life.
    if (count < before) this.#restarts = [];
    else this.#restarts = remember(this.#restarts, count - before, nowMs);
    this.#unitCount = count;
  }

  /** Rebirths of workers at or after this time. */
  rebirthsSince(timeMs: number): number {
    return this.#rebirths.filter((at) => at >= timeMs).length;
  }

  /** Restarts of the unit by systemd itself, at or after this time. */
  restartsSince(timeMs: number): number {
    return this.#restarts.filter((at) => at >= timeMs).length;
  }

  /** All rebirths of workers that were seen, and systemd's own count of restarts. */
  get total(): number {
    return this.#rebirthsTotal + (this.#unitCount ?? 0);
  }
}

function remember(times: readonly number[], count: number, nowMs: number): number[] {
  const added = Array<number>(Math.min(count, MAX_REMEMBERED)).fill(nowMs);
  return [...times, ...added].slice(-MAX_REMEMBERED);
}
