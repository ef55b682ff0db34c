/**
 * What should be there: how many workers, and the sockets on which they listen. Remembered from look to
 * look, because the config on disk tells it only as long as the running Fluentd has read it:
 *
 * | the config was changed last …             | then                                                     |
 * | ----------------------------------------- | -------------------------------------------------------- |
 * | before the worker was born                | it must listen where the config says                     |
 * | after, and the worker was rebuilt since    | the same: it has read the new one                        |
 * | after                                     | where the former one said, if we have seen that          |
 * | after, and we have not seen the former one | only what it once had and the config still names is missing |
 *
 * @module
 */
import type { ConfigFacts, Listening } from "../config/reader.ts";
import type { LogFacts } from "../log/story.ts";
import type { Observation } from "../manager/manager.ts";
import type { ProcessInfo, WorkerProcess } from "../system/proc.ts";
import { keyOf, type Listener } from "../system/sockets.ts";

/** Processes whose expectation is remembered: those that live, and a few that lived. */
const MAX_REMEMBERED = 100;

/** What one look has of this. */
export interface ExpectationInput {
  readonly seen: Observation;
  readonly config?: ConfigFacts | undefined;
  /** By PID; a process that is not in it may not be looked into. */
  readonly listeners: ReadonlyMap<number, readonly Listener[]>;
  readonly facts: Pick<LogFacts, "rebuiltMs">;
}

/** What should be there, and whether it is. */
export interface Expected {
  /** How many workers there should be; absent where nothing tells. */
  readonly workers?: number;
  /** Where they should listen, as far as that is known. */
  readonly listening: readonly Listening[];
  /** Of these, where nobody listens. Empty too where their sockets cannot be seen. */
  readonly closed: readonly Listening[];
  /** Whether the sockets of all workers could be seen. */
  readonly socketsSeen: boolean;
}

interface Known {
  /** What the config said when this process had read it. */
  config?: ConfigFacts;
  /** Where this worker has listened in its life. */
  readonly listened: Map<string, Listener>;
}

/** Remembers what should be there. */
export class Expectations {
  readonly #known = new Map<string, Known>();

  /** Call it with each look. */
  note({ seen, config, listeners, facts }: ExpectationInput): Expected {
    const workers = this.#workers(seen, config);
    const socketsSeen = seen.workers.length > 0 &&
      seen.workers.every(({ pid }) => listeners.has(pid));
    const expected = new Map<string, Listening>();
    const held = new Set<string>();
    const lost = new Map<string, Listening>();
    for (const worker of seen.workers) {
      const known = this.#of(worker);
      const rebuiltMs = facts.rebuiltMs.get(worker.workerId) ?? -Infinity;
      if (config !== undefined && config.changedMs <= Math.max(worker.startedAtMs, rebuiltMs)) {
        known.config = config;
      }
      for (const place of stillExpected(known.config, config)) expected.set(keyOf(place), place);
      const own = new Set((listeners.get(worker.pid) ?? []).map(keyOf));
      for (const key of own) held.add(key);
      for (const [key, place] of known.listened) {
        if (own.has(key) || !listeners.has(worker.pid)) continue;
        const named = config?.listening.find((listening) => keyOf(listening) === key);
        if (named !== undefined) lost.set(key, named);
        // Nobody can tell which of them the config has: then it is ill only when none is left.
        else if (config === undefined && own.size === 0) lost.set(key, { ...place, type: "?" });
        // It was reloaded without this input.
        else if (config !== undefined) known.listened.delete(key);
      }
      for (const listener of listeners.get(worker.pid) ?? []) {
        known.listened.set(keyOf(listener), listener);
      }
    }
    const missing = [...expected].filter(([key]) => !held.has(key));
    const closed = socketsSeen ? [...new Map([...missing, ...lost]).values()] : [];
    return {
      listening: [...expected.values()],
      closed,
      socketsSeen,
      ...(workers === undefined ? {} : { workers }),
    };
  }

  /** `--workers` wins over the config that the supervisor has read; nothing else changes it. */
  #workers(seen: Observation, config: ConfigFacts | undefined): number | undefined {
    const newest = seen.supervisors.at(-1);
    if (newest === undefined) return undefined;
    const known = this.#of(newest);
    if (config !== undefined && config.changedMs <= newest.startedAtMs) known.config = config;
    const told = workersOf(newest.argv) ?? known.config?.workers;
    if (told !== undefined) return told;
    const ids = seen.workers.filter(({ ppid }) => ppid === newest.pid).map(idAfter);
    return ids.length === 0 ? undefined : Math.max(...ids);
  }

  #of({ pid, startTicks }: Pick<ProcessInfo, "pid" | "startTicks">): Known {
    const key = `${pid}/${startTicks}`;
    const known = this.#known.get(key) ?? { listened: new Map() };
    this.#known.delete(key);
    this.#known.set(key, known);
    if (this.#known.size > MAX_REMEMBERED) {
      this.#known.delete(this.#known.keys().next().value!);
    }
    return known;
  }
}

/**
 * Where a worker listens by the config that it had. With another one on disk since, it may have been
 * reloaded without a word in the log: then only what both name is sure.
 */
function stillExpected(
  known: ConfigFacts | undefined,
  onDisk: ConfigFacts | undefined,
): readonly Listening[] {
  if (known === undefined || onDisk === undefined || known.changedMs === onDisk.changedMs) {
    return known?.listening ?? [];
  }
  const named = new Set(onDisk.listening.map(keyOf));
  return known.listening.filter((place) => named.has(keyOf(place)));
}

function idAfter({ workerId }: WorkerProcess): number {
  return workerId + 1;
}

/** `--workers 2`, `--workers=2`. */
function workersOf(argv: readonly string[]): number | undefined {
  for (const [i, arg] of argv.entries()) {
    const [, attached] = /^--workers(?:=(\d+))?$/.exec(arg) ?? [];
    const value = arg === "--workers" ? argv[i + 1] : attached;
    if (/^[1-9]\d*$/.test(value ?? "")) return Number(value);
  }
  return undefined;
}
