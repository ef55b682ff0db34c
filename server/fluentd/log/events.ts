/**
 * What one line of fluentd's log says of its life.
 *
 *     2026-11-23 06:20:44 +0000 [info]: #0 starting fluentd worker pid=8336 ppid=8330 worker=0
 *     2026-11-23 06:20:44 +0000 [info]: #0 fluentd worker is now running worker=0
 *     {"time":"2026-11-23 06:20:45 +0000","level":"error","message":"Worker 0 exited unexpectedly with status 1"}
 *
 * Only lines that have fluentd's own form count. A record that the `stdout` output prints may have
 * it too, if it comes from the log of another Fluentd: so no line alone is believed where a process
 * or a socket says otherwise (story.ts, observe/health.ts).
 *
 * @module
 */

/** One line that matters. */
export type LogEvent =
  | { readonly type: "version"; readonly version: string; readonly pid: number }
  | {
    readonly type: "starting";
    readonly worker: number;
    readonly pid: number;
    readonly ppid: number;
  }
  | { readonly type: "running"; readonly worker: number }
  | { readonly type: "exited"; readonly worker: number; readonly timeMs: number }
  | { readonly type: "error"; readonly message: string; readonly timeMs: number }
  | { readonly type: "takeover"; readonly result: "done" | "failed"; readonly message: string }
  /** A worker closes all that it has and starts again, without a new process. */
  | { readonly type: "rebuild"; readonly worker: number; readonly timeMs: number }
  /** That failed; where it had not begun, the old pipeline runs on. */
  | {
    readonly type: "rebuildFailed";
    readonly worker: number;
    readonly message: string;
    readonly timeMs: number;
  }
  /** The supervisor refused a config; nothing was touched. */
  | { readonly type: "refused"; readonly message: string; readonly timeMs: number }
  | OutputEvent
  | { readonly type: "backup"; readonly path: string }
  | { readonly type: "unused"; readonly what: string };

/** An output could not deliver, or can again. */
export interface OutputEvent {
  readonly type: "output";
  readonly result: "failed" | "delivered" | "dropped" | "refused";
  readonly worker: number;
  /** Its `@id`; empty if it has none. */
  readonly output: string;
  readonly message: string;
  readonly timeMs: number;
}

/** `<log> time_format` may be anything; what has quotes or braces before the level is a record. */
const TEXT = /^(?! )([^[{"]{0,64}?) ?\[(trace|debug|info|warn|error|fatal)\]: (?:#(\d+) )?(.*)$/;
/**
 * An error of Ruby before fluentd has a logger: `file.rb:92:in 'x': what happened (SomeError)`. The place
 * may also be `<internal:…rb>:85`, `(eval):3` or a program without an ending, with no `in` after it.
 */
const RUBY_ERROR =
  /^(?:<internal:[^>]+>|\(eval[^)]*\)|[^\s:][^:]*):\d+:(?:in [`'].*?':)? (.+ \([A-Z]\w*(?:::\w+)*\))$/;

/** What every line has. */
interface Entry {
  /** NaN for a time format of the user's own. */
  readonly timeMs: number;
  readonly level: string;
  /** 0 where none is told: fluentd leaves it out for what is said once for all. */
  readonly worker: number;
  /** Without the plugin's id. */
  readonly message: string;
  /** `[id]` before the message, of plugins that have one. */
  readonly plugin: string;
}

type Build = (match: RegExpExecArray, entry: Entry) => LogEvent;

const output = (result: OutputEvent["result"]): Build => ([message], entry) => ({
  type: "output",
  result,
  worker: entry.worker,
  output: entry.plugin,
  // What was to be delivered is nobody's business.
  message: message.replace(/ record=.*$/s, ""),
  timeMs: entry.timeMs,
});

const SENTENCES: readonly [pattern: RegExp, build: Build][] = [
  [
    /^starting fluentd-(\d\S*) pid=(\d+)/,
    ([, version = "", pid]) => ({ type: "version", version, pid: Number(pid) }),
  ],
  [
    /^starting fluentd worker pid=(\d+) ppid=(\d+) worker=(\d+)/,
    ([, pid, ppid, worker]) => ({
      type: "starting",
      pid: Number(pid),
      ppid: Number(ppid),
      worker: Number(worker),
    }),
  ],
  [
    /^fluentd worker is now running worker=(\d+)/,
    ([, worker]) => ({ type: "running", worker: Number(worker) }),
  ],
  [
    /^Worker (\d+) exited unexpectedly/,
    ([, worker], { timeMs }) => ({ type: "exited", worker: Number(worker), timeMs }),
  ],
  [
    /^zero-downtime-restart: done all sequences/,
    ([message]) => ({ type: "takeover", result: "done", message }),
  ],
  [
    /^zero-downtime-restart: (?:failed|cancel).*/,
    ([message]) => ({ type: "takeover", result: "failed", message }),
  ],
  [
    /^restart fluentd worker worker=(\d+)/,
    ([, worker], { timeMs }) => ({ type: "rebuild", worker: Number(worker), timeMs }),
  ],
  [
    /^cancel with-source-only mode and start the other plugins/,
    (_, { worker, timeMs }) => ({ type: "rebuild", worker, timeMs }),
  ],
  [
    /^failed to (?:reload config|cancel source only).*/,
    ([message], { worker, timeMs }) => ({ type: "rebuildFailed", worker, message, timeMs }),
  ],
  [
    /^Failed to reload config file: .*/,
    ([message], { timeMs }) => ({ type: "refused", message, timeMs }),
  ],
  [/^failed to flush the buffer.*/, output("failed")],
  [/^retry succeeded/, output("delivered")],
  [/^Hit limit for retries\..*/i, output("dropped")],
  // What Fluentd says of itself is an event too, and refused while an output only begins or ends.
  [
    /^(?:emit transaction failed|dump an error event):(?!.* tag="fluent\.[a-z]+").*/,
    output("refused"),
  ],
  [/^bad chunk is moved to (\S+)/, ([, path = ""]) => ({ type: "backup", path })],
  [
    /^(parameter '[^']+' in <\w+[^>]*>)/,
    ([, what = ""]) => ({ type: "unused", what }),
  ],
  [/^(section <\w+>) is not used/, ([, what = ""]) => ({ type: "unused", what })],
];

/** Reads one line; `undefined` if it says nothing that matters. */
export function parseEvent(line: string): LogEvent | undefined {
  const entry = line.startsWith("{") ? parseJson(line) : parseText(line);
  if (entry === undefined) {
    const message = RUBY_ERROR.exec(line)?.[1];
    return message === undefined ? undefined : { type: "error", message, timeMs: NaN };
  }
  for (const [pattern, build] of SENTENCES) {
    const match = pattern.exec(entry.message);
    if (match !== null) return build(match, entry);
  }
  const { level, message, timeMs } = entry;
  return level === "error" || level === "fatal" ? { type: "error", message, timeMs } : undefined;
}

function toEntry(time: string, level: string, worker: string, message: string): Entry {
  const [, plugin = "", rest = message] = /^\[([^\]\s]+)\] (.*)$/s.exec(message) ?? [];
  return { timeMs: parseTime(time), level, worker: Number(worker), message: rest, plugin };
}

function parseText(line: string): Entry | undefined {
  const [, time = "", level = "", worker = "0", message = ""] = TEXT.exec(line) ?? [];
  return level === "" ? undefined : toEntry(time, level, worker, message);
}

/** `<log> format json`. The worker's number is a member of its own there. */
function parseJson(line: string): Entry | undefined {
  try {
    const { time, level, message, worker_id: worker } = JSON.parse(line);
    if ([time, level, message].some((value) => typeof value !== "string")) return undefined;
    return toEntry(time, level, String(worker ?? 0), message);
  } catch {
    return undefined;
  }
}

/** `2026-11-23 06:20:44 +0000`; NaN for a time format of the user's own. */
function parseTime(text: string): number {
  if (!/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? [+-]\d{4}$/.test(text)) return NaN;
  return Date.parse(text.replace(" ", "T").replace(" ", "").replace(/([+-]\d\d)(\d\d)$/, "$1:$2"));
}
