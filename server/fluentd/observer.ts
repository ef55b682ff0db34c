/**
 * One look at Fluentd with all witnesses: the manager, the log, the monitor and our memory.
 *
 * @module
 */
import { delay } from "../../shared/async/delay.ts";
import { assess, type Verdict } from "./health.ts";
import { History } from "./history.ts";
import { type LogFacts, readLog } from "./log_events.ts";
import type { FluentdLog, LogMark } from "./log_tail.ts";
import type { FluentdManager, Observation, WaitOptions } from "./manager.ts";
import type { Monitor, MonitorIdentity } from "./monitor.ts";

/** How often to look while something is waited for. */
const POLL_MS = 100;
/** A wait this many times as long as the last look keeps the share of looking below a fifth. */
const COST_FACTOR = 4;

/** What all witnesses say at one moment. */
export interface Look {
  readonly seen: Observation;
  readonly facts: LogFacts;
  readonly lines: readonly string[];
  /** Absent when no monitor is configured, or nothing runs that it could speak for. */
  readonly identities?: readonly MonitorIdentity[];
  readonly verdict: Verdict;
  readonly nowMs: number;
}

export interface ObserverOptions {
  readonly manager: FluentdManager;
  readonly monitor?: Monitor | undefined;
}

export class Observer {
  readonly manager: FluentdManager;
  readonly monitor: Monitor | undefined;
  readonly history = new History();
  #costMs = 0;
  /** Looks are numbered; what an older one saw is no news after a newer one. */
  #looks = 0;
  #newestLook = 0;

  constructor({ manager, monitor }: ObserverOptions) {
    this.manager = manager;
    this.monitor = monitor;
  }

  /** Only the processes, noted in the history. */
  async glance(options: WaitOptions): Promise<Observation> {
    const beganMs = performance.now();
    const look = ++this.#looks;
    const seen = await this.manager.observe(options);
    this.#costMs = performance.now() - beganMs;
    if (look > this.#newestLook) {
      this.#newestLook = look;
      this.history.note(seen, Date.now());
    }
    return seen;
  }

  /** Waits between two looks: longer where looking is dear, as among thousands of processes. */
  async pause(options: WaitOptions & { readonly atMostMs: number }): Promise<void> {
    const { atMostMs, signal } = options;
    const ms = Math.max(POLL_MS, this.#costMs * COST_FACTOR);
    await delay(Math.max(1, Math.min(ms, atMostMs)), { signal });
  }

  /** Everything. */
  async look(options: WaitOptions): Promise<Look> {
    const log = await this.manager.log(options);
    const seen = await this.glance(options);
    const [lines, identities] = await Promise.all([
      readable(log),
      seen.workers.length > 0 ? this.identities(seen, options) : undefined,
    ]);
    const nowMs = Date.now();
    const facts = readLog(lines);
    const verdict = assess({
      seen,
      facts,
      history: this.history,
      nowMs,
      ...(identities === undefined ? {} : { monitorPids: identities.map(({ pid }) => pid) }),
    });
    return { seen, facts, lines, verdict, nowMs, ...(identities ? { identities } : {}) };
  }

  /** Who answers on the monitor's ports; `undefined` without a monitor. */
  async identities(
    seen: Observation,
    options: WaitOptions,
  ): Promise<MonitorIdentity[] | undefined> {
    const { monitor } = this;
    if (monitor === undefined) return undefined;
    const asked = await Promise.all(
      seen.workers.map(({ workerId }) => monitor.identify(workerId, options)),
    );
    return asked.filter((identity) => identity !== undefined);
  }
}

/** The log's lines; a log that we may not read says nothing, which is no reason to know nothing. */
export async function readable(log: FluentdLog, since?: LogMark): Promise<string[]> {
  try {
    return await log.lines(since);
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied) return [];
    throw error;
  }
}
