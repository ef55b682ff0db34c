/**
 * Checks that an audit is whole: `ghub audit verify`.
 *
 * What it cannot show by itself is that the end was cut off, that the last block was changed, or that
 * all of it was written again: give it a head that it once printed, and that was kept elsewhere.
 *
 * @module
 */
import { blockHasher, NO_BLOCK, prevOf } from "./chain.ts";
import { auditLines } from "./lines.ts";

/** What an audit's lines are. */
export interface Verified {
  readonly lines: number;
  /** Lines that the hub itself says it could not write. */
  readonly dropped: number;
  /** Refusals of strangers of which many have one line together. */
  readonly summed: number;
  /** `time` of the first and the last line. */
  readonly from: string;
  readonly to: string;
  /** Whether the first line of all is there; older files may have been removed. */
  readonly whole: boolean;
  /** Hash of the last block. */
  readonly head: string;
}

/** Why an audit is not whole. */
export class BrokenAuditError extends Error {
  override readonly name = "BrokenAuditError";
}

/** One file, whole in itself. */
interface Part extends Omit<Verified, "whole"> {
  readonly path: string;
  /** The hash that its first line carries. */
  readonly continues: string;
  /** Number of the line with which its last block begins. */
  readonly lastBlock: number;
  /** It continues, holds or ends with the block of the head that was asked for. */
  readonly hasHead: boolean;
}

export interface VerifyOptions {
  /** A head that was printed earlier: the chain must go through it. */
  readonly head?: string | undefined;
}

/**
 * Reads the files as one chain, in the order in which they were written, whatever the order in which
 * they are given.
 *
 * @throws {BrokenAuditError} That names the first line that does not fit.
 * @throws {UnreadableAuditError}
 */
export async function verifyAudit(
  paths: readonly string[],
  { head }: VerifyOptions = {},
): Promise<Verified> {
  const parts: Part[] = [];
  for (const path of new Set(paths)) {
    const part = await verifyFile(path, head);
    if (part !== undefined) parts.push(part);
  }
  const ordered = inOrder(parts);
  if (head !== undefined && head !== NO_BLOCK && !ordered.some(({ hasHead }) => hasHead)) {
    throw new BrokenAuditError(
      `head sha256:${head} is not in it: its end was cut off, or it was written again`,
    );
  }
  const [first] = ordered;
  const last = ordered.at(-1);
  const sum = (key: "lines" | "dropped" | "summed") =>
    ordered.reduce((all, part) => all + part[key], 0);
  return {
    lines: sum("lines"),
    dropped: sum("dropped"),
    summed: sum("summed"),
    from: first?.from ?? "",
    to: last?.to ?? "",
    whole: first === undefined || first.continues === NO_BLOCK,
    head: last?.head ?? NO_BLOCK,
  };
}

/** `undefined` for a file without lines. */
async function verifyFile(path: string, asked: string | undefined): Promise<Part | undefined> {
  let hasHead = false;
  let block = blockHasher();
  let first = 1;
  let [lines, dropped, summed] = [0, 0, 0];
  let [continues, from, to] = ["", "", ""];
  for await (const { number, bytes, fault } of auditLines(path)) {
    const where = `${path}:${number}`;
    if (fault !== undefined) throw new BrokenAuditError(`${where}: ${fault}`);
    lines = number;
    const line = decode(bytes, where);
    const parsed = parse(line, where);
    const prev = prevOf(line);
    hasHead ||= prev !== undefined && prev === asked;
    if (lines === 1) {
      if (prev === undefined) throw new BrokenAuditError(`${where}: is no beginning of an audit`);
      [continues, from] = [prev, parsed.time];
    } else if (prev !== undefined) {
      if (block.digest("hex") !== prev) throw broken(where, path, [first, lines - 1]);
      block = blockHasher();
      first = lines;
    }
    block.update(bytes).update("\n");
    to = parsed.time;
    dropped += parsed.dropped;
    summed += parsed.times;
  }
  if (lines === 0) return undefined;
  const head = block.digest("hex");
  hasHead ||= head === asked;
  return { path, lines, dropped, summed, continues, from, to, head, hasHead, lastBlock: first };
}

/** Follows the hashes from file to file: many files can be of one millisecond. */
function inOrder(parts: readonly Part[]): Part[] {
  const heads = new Set(parts.map(({ head }) => head));
  const next = new Map(parts.map((part) => [part.continues, part]));
  const starts = parts.filter(({ continues }) => !heads.has(continues))
    .sort((a, b) => a.from < b.from ? -1 : 1);
  const ordered: Part[] = [];
  for (let part = starts[0]; part !== undefined; part = next.get(part.head)) ordered.push(part);
  const [, other] = starts;
  const last = ordered.at(-1);
  if (other !== undefined && last !== undefined) {
    throw broken(`${other.path}:1`, last.path, [last.lastBlock, last.lines]);
  }
  return ordered;
}

/** Where the hash is that does not fit, and the lines that it should be of. */
function broken(where: string, path: string, [from, to]: [number, number]): BrokenAuditError {
  const before = from === to ? `${path}:${from}` : `${path}:${from}–${to}`;
  return new BrokenAuditError(
    `${where}: does not continue ${before}: one of them was changed, or lines are missing`,
  );
}

function decode(bytes: Uint8Array, where: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new BrokenAuditError(`${where}: is no text`);
  }
}

interface Parsed {
  readonly time: string;
  readonly dropped: number;
  readonly times: number;
}

function parse(line: string, where: string): Parsed {
  const count = (value: unknown) => typeof value === "number" ? value : 0;
  try {
    const { time, dropped, times } = JSON.parse(line);
    if (typeof time === "string") return { time, dropped: count(dropped), times: count(times) };
  } catch { /* Said below. */ }
  throw new BrokenAuditError(`${where}: is no line of an audit`);
}
