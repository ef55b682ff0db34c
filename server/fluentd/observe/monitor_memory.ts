/**
 * Whether a monitor that does not answer is an ill Fluentd or a wrong address.
 *
 * | the worker's port                            | then                                              |
 * | -------------------------------------------- | ------------------------------------------------- |
 * | is answered by it                            | it runs                                           |
 * | it listens there and does not answer         | hung                                              |
 * | it answered there before, in this life       | hung: its inputs are closed                       |
 * | another process answers, or nobody listens   | `--fluentd-monitor` names a wrong address         |
 *
 * @module
 */
import type { ConfigFacts } from "../config/reader.ts";
import type { MonitorFacts as Facts } from "./health.ts";
import type { Observation } from "../manager/manager.ts";
import type { MonitorIdentity } from "./monitor.ts";
import type { Listener } from "../system/sockets.ts";

/** Lives of workers that are remembered. */
const MAX_REMEMBERED = 100;

export interface MonitorFacts extends Facts {
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
}

/** Remembers which workers have answered. */
export class MonitorMemory {
  readonly #answered = new Set<string>();

  /** Call it with each look that asked. */
  note({ seen, identities, port, config, listeners }: MonitorLook): MonitorFacts {
    const pids = identities.map(({ pid }) => pid);
    const own = seen.workers.filter(({ pid }) => pids.includes(pid));
    const hung = seen.workers.filter((worker) => {
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
      return holds === true || this.#answered.has(key);
    }).map(({ workerId }) => workerId);
    if (own.length > 0 || hung.length > 0 || seen.workers.length === 0) return { pids, hung };
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
