/**
 * What single looks cannot tell: that a worker is not the one that was there before.
 *
 * @module
 */
import type { Observation } from "../manager/manager.ts";
import { isSameProcess, type ProcessInfo } from "../system/proc.ts";

/** Rebirths that are remembered with their time. */
const MAX_REMEMBERED = 100;

/** Rebirths of workers and restarts of the unit, as far as they were seen. */
export class History {
  /** By supervisor and worker number. */
  #workers = new Map<string, Pick<ProcessInfo, "pid" | "startTicks">>();
  #rebirths: number[] = [];
  #rebirthsTotal = 0;
  #unitCount: number | undefined;
  #restarts: number[] = [];

  /** Call it with each look. Several may be under way, so that an older one may come last. */
  note(seen: Observation, nowMs: number): void {
    const workers = new Map(seen.workers.map(({ ppid, workerId, pid, startTicks }) => [
      `${ppid}/${workerId}`,
      { pid, startTicks },
    ]));
    const supervisors = new Set(seen.supervisors.map(({ pid }) => pid));
    for (const [key, known] of this.#workers) {
      const now = workers.get(key);
      if (now === undefined) {
        // Between death and rebirth there is a moment without the worker: it is not forgotten then.
        if (supervisors.has(Number.parseInt(key, 10))) workers.set(key, known);
      } else if (now.startTicks < known.startTicks) {
        // A look from before its rebirth.
        workers.set(key, known);
      } else if (!isSameProcess(now, known)) {
        this.#rebirthsTotal++;
        this.#rebirths = remember(this.#rebirths, 1, nowMs);
      }
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
