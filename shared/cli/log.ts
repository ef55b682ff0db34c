/**
 * Where log records go: to stderr, as text for people or as JSON lines for programs. systemd's journal
 * gets their priority instead of their level, and keeps the time itself.
 *
 *     2026-01-02T03:04:05.678Z INFO hub·auth Accepted server "edge-1"
 *     <6>hub·auth Accepted server "edge-1"
 *     {"time":"2026-01-02T03:04:05.678Z","level":"info","category":"hub.auth","message":"…", …properties}
 *
 * @module
 */
import { configure, type LogRecord, reset } from "@logtape/logtape";
import { Priority, stderrIsJournal, withPriority } from "../systemd/journal.ts";
import { printable } from "../text/printable.ts";
import { safeJson } from "../text/safe_json.ts";

/** Least to most severe. */
export const LOG_LEVELS = ["trace", "debug", "info", "warning", "error", "fatal"] as const;
export const LOG_FORMATS = ["text", "json"] as const;

export type Level = (typeof LOG_LEVELS)[number];
export type LogFormat = (typeof LOG_FORMATS)[number];

/** How records are written, unless told otherwise. */
export const LOG = { level: "info", format: "text" } as const satisfies LogOptions;

export interface LogOptions {
  /** Records below it are dropped. @default LOG.level */
  readonly level?: Level;
  /** @default LOG.format */
  readonly format?: LogFormat;
  /** Takes each finished line, without its line break. @default writes to stderr */
  readonly write?: (line: string) => void;
  /** Takes out of each finished line what it must not have. @default nothing */
  readonly mask?: (line: string) => string;
  /** Whether the lines go to systemd's journal. @default looks where stderr leads */
  readonly journal?: boolean;
}

const PRIORITIES: Readonly<Record<Level, Priority>> = {
  trace: Priority.DEBUG,
  debug: Priority.DEBUG,
  info: Priority.INFO,
  warning: Priority.WARNING,
  error: Priority.ERROR,
  fatal: Priority.CRITICAL,
};

/** Sends all records of this process to stderr. A second call replaces the first one's settings. */
export async function configureLog(options: LogOptions = {}): Promise<void> {
  const { level = LOG.level, format = LOG.format, write = writeToStderr, mask } = options;
  const { journal = stderrIsJournal({ JOURNAL_STREAM: Deno.env.get("JOURNAL_STREAM") }) } = options;
  const formatter = format === "json" ? formatJson : journal ? formatBare : formatText;
  const line = (record: LogRecord) =>
    journal ? withPriority(PRIORITIES[record.level], formatter(record)) : formatter(record);
  await configure({
    reset: true,
    sinks: { out: (record) => write(mask === undefined ? line(record) : mask(line(record))) },
    loggers: [
      { category: [], sinks: ["out"], lowestLevel: level },
      // Its own remarks would tell an operator nothing.
      { category: ["logtape", "meta"], sinks: ["out"], lowestLevel: "warning" },
    ],
  });
}

/** Takes back `configureLog`, for tests. */
export async function resetLog(): Promise<void> {
  await reset();
}

/** What needs no quotes. */
const BARE = /^[\w./:@+-]+$/;

/** One record as a line of text. */
export function formatText(record: LogRecord): string {
  const time = new Date(record.timestamp).toISOString();
  return `${time} ${record.level.toUpperCase()} ${formatBare(record)}`;
}

/** … without time and level, for whoever keeps them elsewhere. */
function formatBare(record: LogRecord): string {
  const properties = Object.entries(record.properties)
    .map(([key, value]) => [key, oneLine(value)] as const)
    .filter(([key, text]) => BARE.test(text) || !isSaid(record, key))
    .map(([key, text]) => ` ${key}=${text}`).join("");
  const category = record.category.join("·");
  return printable(`${category} ${messageOf(record)}${properties}`);
}

/** One record as a line of JSON. */
export function formatJson(record: LogRecord): string {
  const core = {
    time: new Date(record.timestamp).toISOString(),
    level: record.level,
    category: record.category.join("."),
    message: messageOf(record),
  };
  // Named twice so that it stays first and a property of the same name cannot take its place.
  return safeJson(Object.assign({ ...core }, plain(record.properties), core));
}

/** Whether the message itself has this value: a sentence stands in a line once, a word may twice. */
function isSaid({ rawMessage }: LogRecord, key: string): boolean {
  return typeof rawMessage === "string" && rawMessage.includes(`{${key}}`);
}

/** A template's texts and values alternate. */
function messageOf(record: LogRecord): string {
  return record.message
    .map((part, index) => index % 2 === 0 ? String(part) : oneLine(part)).join("");
}

function oneLine(value: unknown): string {
  if (typeof value === "string") return BARE.test(value) ? value : JSON.stringify(value);
  if (value instanceof Error) return JSON.stringify(`${value.name}: ${value.message}`);
  return JSON.stringify(plain(value)) ?? String(value);
}

/** What `JSON.stringify` would lose or refuse: errors, bigints, cycles. */
function plain(value: unknown): unknown {
  const seen = new Set<unknown>();
  const text = JSON.stringify(value, (_key, item) => {
    if (typeof item === "bigint") return item.toString();
    if (item instanceof Error) return `${item.name}: ${item.message}`;
    if (typeof item === "object" && item !== null) {
      if (seen.has(item)) return "[seen]";
      seen.add(item);
    }
    return item;
  });
  return text === undefined ? undefined : JSON.parse(text);
}

let shared: { lock(): void; unlock(): void } | undefined;

/** Lets one of several threads at a time write a line to stderr. To be called in each of them. */
export function shareLog(lock: { lock(): void; unlock(): void }): void {
  shared = lock;
}

function writeToStderr(line: string): void {
  const bytes = new TextEncoder().encode(line + "\n");
  shared?.lock();
  try {
    for (let rest = bytes; rest.length > 0;) rest = rest.subarray(Deno.stderr.writeSync(rest));
  } catch {
    // A closed or full stderr must not end a server.
  } finally {
    shared?.unlock();
  }
}
