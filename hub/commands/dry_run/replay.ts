/**
 * Another auth file, tried on what happened: reads an audit line by line and compares what became of
 * each call and registration with what would become of it.
 *
 *     then      now       counts as
 *     allowed   refused   refused
 *     refused   allowed   allowed
 *     either    unknown   unknown        and the other way round
 *     the same            unchanged
 *
 * Memory is bounded, however long the audit is: the labels of the latest servers, and a number of
 * groups with one example each.
 *
 * @module
 */
import { auditLines } from "../../audit/lines.ts";
import type { AuthFile } from "../../auth/auth_file.ts";
import { type AuditEntry, Judge, type Judgement, judgementThen } from "./judge.ts";

/** Servers of which labels are remembered; of others they are not known. */
export const MAX_REPLAYED_SERVERS = 50_000;
/** Groups that are told apart; what is in others is counted only. */
export const MAX_GROUPS = 5_000;
/** What the hub writes into one field of a line is shorter. */
const MAX_TEXT = 4096;
/** Lines that cannot be read and are named; others are counted only. */
export const MAX_BAD_LINES = 20;

/** What would change. */
export type Change = "refused" | "allowed" | "unknown";

/** Lines that have the same fate for the same reason. */
export interface Group extends Pick<AuditEntry, "kind" | "who" | "server"> {
  readonly change: Change;
  readonly method: string;
  readonly reason: string;
  count: number;
  /** Of the first of them. */
  readonly time: string;
  readonly where: string;
  readonly id: string;
}

/** What a dry run found. */
export interface DryRun {
  readonly files: number;
  readonly lines: number;
  /** `time` of the first and of the last line; empty without any. */
  readonly from: string;
  readonly to: string;
  readonly counts: Readonly<Record<Change | "unchanged", number>>;
  /** Most frequent first. */
  readonly groups: readonly Group[];
  /** Lines of changes that are in no group, for there are too many. */
  readonly ungrouped: number;
  /** Lines that the hub says that it could not write. */
  readonly dropped: number;
  /** `file:line: what is wrong with it`, the first of them. */
  readonly badLines: readonly string[];
  readonly badCount: number;
}

/** A line that was read. */
interface Line extends AuditEntry {
  readonly time: string;
  readonly id: string;
  readonly dropped?: number;
  /** Another hub forwarded it, and has a line of its own about it. */
  readonly from?: string;
}

/**
 * @param paths The audit's files, in any order.
 * @param old The file in force: with it, a changed credential is seen.
 * @throws {Error} If a file cannot be read.
 */
export async function replayAudit(
  paths: readonly string[],
  { file, old }: { readonly file: AuthFile; readonly old?: AuthFile | undefined },
): Promise<DryRun> {
  const replay = new Replay(file, old);
  const ordered = await inTime([...new Set(paths)]);
  for (const path of ordered) {
    for await (const { number, bytes, fault } of auditLines(path)) {
      const where = `${path}:${number}`;
      const line = fault ?? read(bytes);
      if (typeof line === "string") replay.bad(`${where}: ${line}`);
      else replay.take(line, where);
    }
  }
  return replay.result(ordered.length);
}

/** Labels must be known before the calls that they are about: by the time of the first line. */
async function inTime(paths: readonly string[]): Promise<string[]> {
  const starts: { path: string; time: string }[] = [];
  for (const path of paths) {
    let time = "";
    for await (const { bytes, fault } of auditLines(path)) {
      const line = fault ?? read(bytes);
      if (typeof line === "string") continue;
      time = line.time;
      break;
    }
    starts.push({ path, time });
  }
  // The hub may put several files aside in one millisecond; those with greater numbers are older.
  return starts.sort((a, b) =>
    a.time < b.time ? -1 : a.time > b.time ? 1 : rotationOf(b.path) - rotationOf(a.path)
  ).map(({ path }) => path);
}

function rotationOf(path: string): number {
  return Number(/\.(\d+)$/.exec(path)?.[1] ?? 0);
}

class Replay {
  readonly #judge: Judge;
  readonly #oldJudge: Judge | undefined;
  readonly #labels = new Map<string, Readonly<Record<string, string>>>();
  readonly #groups = new Map<string, Group>();
  readonly #counts = { refused: 0, allowed: 0, unknown: 0, unchanged: 0 };
  readonly #badLines: string[] = [];
  #badCount = 0;
  #lines = 0;
  #dropped = 0;
  #ungrouped = 0;
  #from = "";
  #to = "";

  constructor(file: AuthFile, old: AuthFile | undefined) {
    this.#judge = new Judge(file, old === undefined ? {} : { old });
    this.#oldJudge = old === undefined ? undefined : new Judge(old);
  }

  bad(what: string): void {
    this.#badCount++;
    if (this.#badLines.length < MAX_BAD_LINES) this.#badLines.push(what);
  }

  take(line: Line, where: string): void {
    // Judged once, at the hub where it was made: both may be given to one dry run.
    if (line.from !== undefined) return;
    this.#lines++;
    this.#from ||= line.time;
    this.#to = line.time;
    this.#dropped += line.dropped ?? 0;
    if (line.kind === "registration" && line.status === "OK") this.#remember(line);
    const labelsOf = (server: string) => this.#labels.get(server);
    const now = this.#judge.judge(line, labelsOf);
    let then = judgementThen(line);
    // The rules in force can say what the audit does not, as long as they know who it was.
    if (then.answer === "unknown") then = this.#oldJudge?.judge(line, labelsOf) ?? then;
    const change = changeOf(then, now);
    if (change === undefined) {
      this.#counts.unchanged++;
      return;
    }
    this.#counts[change]++;
    this.#group(line, { change, where, reason: reasonOf(change, then, now) });
  }

  result(files: number): DryRun {
    return {
      files,
      lines: this.#lines,
      from: this.#from,
      to: this.#to,
      counts: this.#counts,
      groups: [...this.#groups.values()].sort((a, b) => b.count - a.count),
      ungrouped: this.#ungrouped,
      dropped: this.#dropped,
      badLines: this.#badLines,
      badCount: this.#badCount,
    };
  }

  #remember({ server, labels }: Line): void {
    this.#labels.delete(server);
    // An older hub did not write them down.
    if (labels === undefined) return;
    const [oldest] = this.#labels.keys();
    if (oldest !== undefined && this.#labels.size >= MAX_REPLAYED_SERVERS) {
      this.#labels.delete(oldest);
    }
    this.#labels.set(server, labels);
  }

  #group(
    { kind, who, server, method = "", time, id }: Line,
    { change, where, reason }: Pick<Group, "change" | "where" | "reason">,
  ): void {
    const key = JSON.stringify([change, kind, who, server, method, reason]);
    const known = this.#groups.get(key);
    if (known !== undefined) known.count++;
    else if (this.#groups.size >= MAX_GROUPS) this.#ungrouped++;
    else {
      const group = { change, kind, who, server, method, reason, count: 1, time, where, id };
      this.#groups.set(key, group);
    }
  }
}

function changeOf(then: Judgement, now: Judgement): Change | undefined {
  if (then.answer === now.answer && now.answer !== "unknown") return undefined;
  if (then.answer === "unknown" || now.answer === "unknown") return "unknown";
  return now.answer;
}

function reasonOf(change: Change, then: Judgement, now: Judgement): string {
  if (change === "refused") return now.reason;
  // Why it was refused then stands in the audit, with names that differ from line to line.
  if (change === "allowed") return "";
  return now.answer === "unknown" ? now.reason : then.reason;
}

/** A line, or what is wrong with it. */
function read(bytes: Uint8Array): Line | string {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return "is not JSON";
  }
  if (!isLine(value)) return "is no line of an audit";
  return value;
}

const KINDS: readonly unknown[] = ["call", "raw", "registration"];

function isLine(value: unknown): value is Line {
  if (typeof value !== "object" || value === null) return false;
  const line = value as Record<string, unknown>;
  const texts = ["time", "who", "server", "status", "id"];
  const optional = ["method", "reason", "subject", "from"];
  return KINDS.includes(line["kind"]) &&
    texts.every((key) => isText(line[key])) &&
    optional.every((key) => line[key] === undefined || isText(line[key])) &&
    // These two are shown as they stand.
    /^[\dTZ:.+-]+$/.test(String(line["time"])) && /^[\w-]*$/.test(String(line["id"])) &&
    (line["labels"] === undefined || isLabels(line["labels"]));
}

function isText(value: unknown): boolean {
  return typeof value === "string" && value.length <= MAX_TEXT;
}

function isLabels(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    Object.values(value).every((one) => typeof one === "string");
}
