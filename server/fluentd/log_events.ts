/**
 * What fluentd's log says of its life.
 *
 *     2026-11-23 06:20:44 +0000 [info]: #0 starting fluentd worker pid=8336 ppid=8330 worker=0
 *     2026-11-23 06:20:44 +0000 [info]: #0 fluentd worker is now running worker=0
 *     {"time":"2026-11-23 06:20:45 +0000","level":"error","message":"Worker 0 exited unexpectedly with status 1"}
 *
 * Only lines that fluentd wrote about itself count: a record of a user that quotes one of these
 * sentences, printed by the `stdout` output, has no level where fluentd has one.
 *
 * @module
 */

/** One line that matters. */
export type LogEvent =
  | { readonly type: "version"; readonly version: string }
  | { readonly type: "starting"; readonly worker: number; readonly pid: number }
  | { readonly type: "running"; readonly worker: number }
  | { readonly type: "exited"; readonly worker: number; readonly timeMs: number }
  | { readonly type: "error"; readonly message: string }
  | { readonly type: "takeover"; readonly result: "done" | "failed"; readonly message: string };

/** What the lines say together. */
export interface LogFacts {
  readonly version?: string;
  /** Workers that said that they run, by PID. */
  readonly running: ReadonlySet<number>;
  /** Workers that said that they start and not yet that they run, by PID. */
  readonly starting: ReadonlySet<number>;
  /** When workers exited unexpectedly, in milliseconds since the epoch. */
  readonly exitsMs: readonly number[];
  /** The last error of all. */
  readonly lastError?: string;
  /** How a zero-downtime restart went. */
  readonly takeover?: Extract<LogEvent, { type: "takeover" }>;
}

const TEXT = /^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? [+-]\d{4}) \[(\w+)\]: (?:#\d+ )?(.*)$/;
/** An error of Ruby before fluentd has a logger: `file.rb:92:in 'x': what happened (SomeError)`. */
const RUBY_ERROR = /^\S+\.rb:\d+:in [`'][^`']*': (.+ \([A-Z]\w*(?:::\w+)*\))$/;

type Build = (match: RegExpExecArray, timeMs: number, level: string) => LogEvent;

const SENTENCES: readonly [pattern: RegExp, build: Build][] = [
  [/^starting fluentd-(\d\S*)/, ([, version = ""]) => ({ type: "version", version })],
  [
    /^starting fluentd worker pid=(\d+) ppid=\d+ worker=(\d+)/,
    ([, pid, worker]) => ({ type: "starting", pid: Number(pid), worker: Number(worker) }),
  ],
  [
    /^fluentd worker is now running worker=(\d+)/,
    ([, worker]) => ({ type: "running", worker: Number(worker) }),
  ],
  [
    /^Worker (\d+) exited unexpectedly/,
    ([, worker], timeMs) => ({ type: "exited", worker: Number(worker), timeMs }),
  ],
  [
    /^zero-downtime-restart: done all sequences/,
    ([message]) => ({ type: "takeover", result: "done", message }),
  ],
  [
    /^zero-downtime-restart: (?:failed|cancel).*/,
    ([message]) => ({ type: "takeover", result: "failed", message }),
  ],
];

/** Reads one line; `undefined` if it says nothing that matters. */
export function parseEvent(line: string): LogEvent | undefined {
  const parsed = line.startsWith("{") ? parseJson(line) : parseText(line);
  if (parsed === undefined) {
    const message = RUBY_ERROR.exec(line)?.[1];
    return message === undefined ? undefined : { type: "error", message };
  }
  for (const [pattern, build] of SENTENCES) {
    const match = pattern.exec(parsed.message);
    if (match !== null) return build(match, parsed.timeMs, parsed.level);
  }
  const { level, message } = parsed;
  return level === "error" || level === "fatal" ? { type: "error", message } : undefined;
}

interface Entry {
  readonly timeMs: number;
  readonly level: string;
  readonly message: string;
}

function parseText(line: string): Entry | undefined {
  const [, time = "", level = "", message = ""] = TEXT.exec(line) ?? [];
  return level === "" ? undefined : { timeMs: parseTime(time), level, message };
}

/** `<log> format json`. The worker's number is a member of its own there. */
function parseJson(line: string): Entry | undefined {
  try {
    const { time, level, message } = JSON.parse(line);
    if ([time, level, message].some((value) => typeof value !== "string")) return undefined;
    return { timeMs: parseTime(time), level, message };
  } catch {
    return undefined;
  }
}

/** `2026-11-23 06:20:44 +0000`; NaN for a time format of the user's own. */
function parseTime(text: string): number {
  return Date.parse(text.replace(" ", "T").replace(" ", "").replace(/([+-]\d\d)(\d\d)$/, "$1:$2"));
}

/** Adds up what the lines say, oldest first. */
export function readLog(lines: Iterable<string>): LogFacts {
  let version: string | undefined;
  let lastError: string | undefined;
  let takeover: LogFacts["takeover"];
  const pids = new Map<number, number>();
  const running = new Set<number>();
  const starting = new Set<number>();
  const exitsMs: number[] = [];
  for (const line of lines) {
    const event = parseEvent(line);
    switch (event?.type) {
      case "version":
        version = event.version;
        break;
      case "starting":
        pids.set(event.worker, event.pid);
        running.delete(event.pid);
        starting.add(event.pid);
        break;
      case "running": {
        const pid = pids.get(event.worker);
        if (pid !== undefined && starting.delete(pid)) running.add(pid);
        break;
      }
      case "exited":
        exitsMs.push(event.timeMs);
        break;
      case "error":
        lastError = event.message;
        break;
      case "takeover":
        takeover = event;
        break;
    }
  }
  return {
    running,
    starting,
    exitsMs,
    ...(version === undefined ? {} : { version }),
    ...(lastError === undefined ? {} : { lastError }),
    ...(takeover === undefined ? {} : { takeover }),
  };
}
