/**
 * Whether a monitor that does not answer is an ill Fluentd or a wrong address.
 *
 * | the worker's port                            | then                                              |
 * | -------------------------------------------- | ------------------------------------------------- |
 * | is answered by it                            | it runs                                           |
 * | it listens there and does not answer         | hung, after `HUNG_MS`                             |
 * | it answered there before, in this life       | hung: its inputs are closed; after `HUNG_MS`      |
 * | another process answers, or nobody listens   | `--fluentd-monitor` names a wrong address         |
 *
 * @module
 */
import type { ConfigFacts } from "../config/reader.ts";
import type { MonitorFacts as Facts } from "./health.ts";
import type { Observation } from "../manager/manager.ts";
import type { MonitorIdentity } from "./monitor.ts";
import type { Listener } from "../system/sockets.ts";

/**
 * A monitor that is silent for this long hangs. On a busy machine one request takes longer than we wait
 * for it, while log and sockets say that the worker runs.
 */
export const HUNG_MS = 10_000;
/** Lives of workers that are remembered. */
const MAX_REMEMBERED = 100;

export interface MonitorAnswer extends Facts {
  /** A sentence: why the monitor says nothing, though Fluentd may be well. */
  readonly elsewhere?: string;
}

export interface MonitorLook {
  readonly seen: Observation;
  readonly identities: readonly MonitorIdentity[];
  /** Of worker 0. */
  readonly port: number;
  readonly config: ConfigFacts | undefined;
  readonly listeners: ReadonlyMap<number, readonly Listener[]>;
  readonly nowMs: number;
}

/** Remembers which workers have answered, and since when one that should does not. */
export class MonitorMemory {
  readonly #answered = new Set<string>();
  /** Of workers that live and should answer. */
  #silentSinceMs = new Map<string, number>();

  /** Call it with each look that asked. */
  note({ seen, identities, port, config, listeners, nowMs }: MonitorLook): MonitorAnswer {
    const silent = new Map<string, number>();
    const pids = identities.map(({ pid }) => pid);
    const own = seen.workers.filter(({ pid }) => pids.includes(pid));
    const mute = seen.workers.filter((worker) => {
      const key = `${worker.pid}/${worker.startTicks}`;
      if (pids.includes(worker.pid)) {
        this.#answered.add(key);
        if (this.#answered.size > MAX_REMEMBERED) {
          this.#answered.delete(this.#answered.values().next().value!);
        }
        return false;
      }
      const at = String(port + worker.workerId);
      const holds = listeners.get(worker.pid)?.some((place) =>
        place.proto === "tcp" && place.at === at
      );
      if (holds !== true && !this.#answered.has(key)) return false;
      silent.set(key, this.#silentSinceMs.get(key) ?? nowMs);
      return true;
    });
    this.#silentSinceMs = silent;
    const hung = mute.filter(({ pid, startTicks }) =>
      nowMs - silent.get(`${pid}/${startTicks}`)! >= HUNG_MS
    ).map(({ workerId }) => workerId);
    if (own.length > 0 || mute.length > 0 || seen.workers.length === 0) return { pids, hung };
    const [stranger] = pids;
    const named = config?.listening.filter(({ type }) => type === "monitor_agent")
      .map(({ at }) => at).join(", ");
    const there = stranger === undefined
      ? `Nobody of this Fluentd listens on the monitor's port ${port}`
      : `The monitor's port ${port} is answered by another process, ${stranger}`;
    const hint = named ? `; its config has it on ${named}` : "; its config has no monitor_agent";
    return { pids, hung, elsewhere: `${there}${hint}: set --fluentd-monitor to what it has` };
  }
}
