/**
 * What the lines of fluentd's log say together, read on from look to look so that no noise in
 * between hides what was said once. Which of it concerns the processes that live now is asked with
 * these: a line of a former life says nothing about this one.
 *
 * @module
 */
import { type OutputEvent, parseEvent } from "./events.ts";
import type { Processes } from "../system/proc.ts";

/** This many lines of each kind are remembered. */
const MAX_REMEMBERED = 100;
/** What is told of an output that refused events counts for this long: it never says that it can again. */
const REFUSED_MS = 30_000;
/**
 * A worker that cannot start what it was reloaded with says so while it starts, which takes less. What
 * it says later is of another reload, which it refused: nothing says that one went well.
 */
export const REBUILD_MS = 3000;
/** The log's times have full seconds. */
const RESOLUTION_MS = 1000;

/** An output that could not deliver what it had last. */
export interface OutputTrouble {
  readonly worker: number;
  /** Its `@id`; empty if it has none. */
  readonly output: string;
  /** In a row. */
  readonly times: number;
  /** Fluentd's own last line about it. */
  readonly message: string;
}

/** What the log says of those who live now. */
export interface LogFacts {
  readonly version?: string;
  /** Workers that said that they run, by PID. */
  readonly running: ReadonlySet<number>;
  /** Workers that said that they start and not yet that they run, by PID. */
  readonly starting: ReadonlySet<number>;
  /** The supervisor that lives has said that it starts, so that its workers will say it too. */
  readonly speaks: boolean;
  /** When workers exited unexpectedly, in milliseconds since the epoch. */
  readonly exits: readonly { readonly worker: number; readonly timeMs: number }[];
  /** The last error of this life of the supervisor. */
  readonly lastError?: string;
  /** How the last zero-downtime restart went. */
  readonly takeover?: { readonly result: "done" | "failed"; readonly message: string };
  /** Workers of which a reload or takeover failed half-way → Fluentd's line about it. */
  readonly broken: ReadonlyMap<number, string>;
  /** When a worker last began to close and start again all that it has. */
  readonly rebuiltMs: ReadonlyMap<number, number>;
  /** Why the last reload was refused: the former config runs on. */
  readonly refused?: string;
  readonly troubles: readonly OutputTrouble[];
  /** Chunks that were dropped, and why. */
  readonly dropped: readonly string[];
  /** Where chunks that cannot be delivered were moved to. */
  readonly backups: readonly string[];
  /** Parameters and sections of the config that nobody reads. */
  readonly unused: readonly string[];
}

/** A line about one process, and when it was said. */
interface Said {
  readonly message: string;
  /** The worker that it is about; the supervisor without. */
  readonly worker?: number;
  /** Infinity, where nobody knows. */
  readonly saidMs: number;
}

interface ErrorLine {
  readonly message: string;
  readonly timeMs: number;
  /** When it was read; what was there at the first look is older than anything. */
  readonly readMs: number;
  /** The supervisor whose start was the last one before it. */
  readonly life: number | undefined;
}

/** All that the log has said. */
export class LogStory {
  #version: string | undefined;
  /** PID of the supervisor that started last. */
  #life: number | undefined;
  readonly #pids = new Map<number, number>();
  readonly #running = new Set<number>();
  readonly #starting = new Set<number>();
  #exits: LogFacts["exits"] = [];
  #errors: ErrorLine[] = [];
  #takeover: LogFacts["takeover"];
  readonly #broken = new Map<number, Said>();
  readonly #rebuiltMs = new Map<number, number>();
  #refused: Said | undefined;
  readonly #troubles = new Map<string, OutputTrouble & Said & { readonly untilMs: number }>();
  #dropped: string[] = [];
  #backups: string[] = [];
  readonly #unused = new Set<string>();

  /** As a supervisor has said it last. */
  get version(): string | undefined {
    return this.#version;
  }

  /** Whether it tells of workers that ended: what `facts()` says of them needs the newest processes. */
  get hasExits(): boolean {
    return this.#exits.length > 0;
  }

  /**
   * @param readMs When it was read, in milliseconds since the epoch.
   */
  add(line: string, readMs: number): void {
    const event = parseEvent(line);
    switch (event?.type) {
      case "version":
        this.#version = event.version;
        this.#life = event.pid;
        this.#unused.clear();
        this.#refused = undefined;
        break;
      case "starting":
        this.#pids.set(event.worker, event.pid);
        this.#running.delete(event.pid);
        bounded(this.#starting, event.pid);
        this.#forget(event.worker);
        break;
      case "running": {
        const pid = this.#pids.get(event.worker);
        if (pid !== undefined && this.#starting.delete(pid)) bounded(this.#running, pid);
        break;
      }
      case "exited":
        this.#exits = [...this.#exits, event].slice(-MAX_REMEMBERED);
        this.#addError(line, event.timeMs, readMs);
        break;
      case "error":
        this.#addError(event.message, event.timeMs, readMs);
        break;
      case "takeover":
        this.#takeover = event;
        break;
      case "rebuild":
        this.#forget(event.worker);
        this.#rebuiltMs.set(event.worker, Number.isNaN(event.timeMs) ? readMs : event.timeMs);
        this.#refused = undefined;
        break;
      case "rebuildFailed": {
        const { message, worker, timeMs } = event;
        const said = { message, worker, saidMs: whenSaid(timeMs, readMs) };
        this.#addError(message, timeMs, readMs);
        // A worker refuses a config before it closes anything, too: then the old pipeline runs on.
        const sinceMs = said.saidMs - (this.#rebuiltMs.get(worker) ?? -Infinity);
        if (sinceMs < REBUILD_MS || /source only/.test(message)) {
          this.#broken.set(worker, said);
        } else {
          this.#refused = said;
        }
        break;
      }
      case "refused":
        this.#refused = { message: event.message, saidMs: whenSaid(event.timeMs, readMs) };
        break;
      case "output":
        this.#addOutput(event, readMs);
        break;
      case "backup":
        this.#backups = [...this.#backups, event.path].slice(-MAX_REMEMBERED);
        break;
      case "unused":
        bounded(this.#unused, event.what);
        break;
    }
  }

  #addError(message: string, timeMs: number, readMs: number): void {
    // That a worker ended is no reason for it.
    if (/exited unexpectedly/.test(message)) return;
    this.#errors = [...this.#errors, { message, timeMs, readMs, life: this.#life }]
      .slice(-MAX_REMEMBERED);
  }

  /** What a worker's former life, or former pipeline, had. */
  #forget(worker: number): void {
    this.#broken.delete(worker);
    for (const [key, trouble] of this.#troubles) {
      if (trouble.worker === worker) this.#troubles.delete(key);
    }
    if (worker === 0) {
      this.#dropped = [];
      this.#backups = [];
    }
  }

  #addOutput({ result, worker, output, message, timeMs }: OutputEvent, readMs: number): void {
    const key = `${worker}/${output}`;
    if (result === "delivered") {
      this.#troubles.delete(key);
      return;
    }
    if (result === "dropped") {
      this.#addError(message, timeMs, readMs);
      this.#dropped = [...this.#dropped, message].slice(-MAX_REMEMBERED);
    }
    const times = (this.#troubles.get(key)?.times ?? 0) + 1;
    const saidMs = Number.isNaN(timeMs) ? readMs : timeMs;
    const untilMs = result === "failed" ? Infinity : saidMs + REFUSED_MS;
    if (this.#troubles.size < MAX_REMEMBERED || this.#troubles.has(key)) {
      const said = whenSaid(timeMs, readMs);
      this.#troubles.set(key, { worker, output, times, message, untilMs, saidMs: said });
    }
  }

  /** What of it concerns these processes. */
  facts(seen: Pick<Processes, "supervisors" | "workers">, nowMs: number): LogFacts {
    const newest = seen.supervisors.at(-1);
    const error = this.#errors.findLast((line) =>
      newest === undefined ||
      (this.#life === newest.pid ? line.life === newest.pid : isSince(line, newest.startedAtMs))
    );
    const troubles = [...this.#troubles.values()]
      .filter((trouble) => trouble.untilMs > nowMs && isOfThisLife(trouble, seen))
      .map(({ untilMs: _, saidMs: __, ...trouble }) => trouble);
    const broken = [...this.#broken].filter(([, said]) => isOfThisLife(said, seen));
    const refused = this.#refused && isOfThisLife(this.#refused, seen) ? this.#refused : undefined;
    return {
      running: this.#running,
      starting: this.#starting,
      speaks: newest !== undefined && this.#life === newest.pid,
      exits: this.#exits,
      broken: new Map(broken.map(([worker, { message }]) => [worker, message])),
      rebuiltMs: this.#rebuiltMs,
      troubles,
      dropped: this.#dropped,
      backups: this.#backups,
      unused: [...this.#unused],
      ...(this.#version === undefined ? {} : { version: this.#version }),
      ...(error === undefined ? {} : { lastError: error.message }),
      ...(this.#takeover === undefined ? {} : { takeover: this.#takeover }),
      ...(refused === undefined ? {} : { refused: refused.message }),
    };
  }
}

function whenSaid(timeMs: number, readMs: number): number {
  if (!Number.isNaN(timeMs)) return timeMs;
  return readMs === -Infinity ? Infinity : readMs;
}

/**
 * Whether the process that it is about may have said it: one that was born later has not. That a new
 * one starts is said only when it has loaded, and not at all by some log levels.
 */
function isOfThisLife(
  { worker, saidMs }: Said,
  { supervisors, workers }: Pick<Processes, "supervisors" | "workers">,
): boolean {
  const living = worker === undefined
    ? supervisors
    : workers.filter(({ workerId }) => workerId === worker);
  return living.length === 0 ||
    living.some(({ startedAtMs }) => startedAtMs < saidMs + RESOLUTION_MS);
}

function isSince({ timeMs, readMs }: ErrorLine, sinceMs: number): boolean {
  return Number.isNaN(timeMs) ? readMs >= sinceMs : timeMs >= sinceMs - RESOLUTION_MS;
}

/** Adds to a set that keeps what came last. */
function bounded<T>(set: Set<T>, value: T): void {
  set.delete(value);
  set.add(value);
  if (set.size > MAX_REMEMBERED) set.delete(set.values().next().value!);
}
