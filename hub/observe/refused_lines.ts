/**
 * Which refusals get a line of their own in audit, log and activity. Each address has some in
 * a minute, and all together have some; what is beyond is counted, and told in one line per minute:
 *
 *     {"kind":"call","who":"","peer":"192.0.2.7","status":"UNAUTHENTICATED","times":4711,
 *      "since":"…","reason":"…of the first of them", …}
 *
 * Else a stranger would write the audit, at no cost, until it is renamed, with all that is in it of
 * those who were let in. A server that was let in and may not have its name is counted by its entry.
 *
 * @module
 */
import type { StatusName } from "../../shared/grpc/status.ts";
import type { SharedTally } from "../../shared/memory/shared_tally.ts";
import { networkOf } from "../net/network.ts";
import { hostOf } from "../net/peer.ts";

/** Lines that one address, or one entry of the auth file, has in a period. */
export const LINES_PER_SOURCE = 50;
/** Lines that all of them have. */
export const MAX_LINES = 200;
/** Sums by address; what comes from others then is one sum. */
export const MAX_SUMS = 256;
/** How long refusals are summed up. */
export const PERIOD_MS = 60_000;

/** What was refused. */
export interface Refused {
  /** A connection is told in the log alone: nothing was asked on it that the hub could refuse. */
  readonly kind: "call" | "raw" | "registration" | "connection";
  /** Whose credential it was, if it was good. */
  readonly who: string;
  /** `host:port`. */
  readonly peer: string;
  readonly status: StatusName;
  readonly reason: string;
}

/** Refusals that have one line together. */
export interface RefusedSum extends Refused {
  /** The address without a port; of IPv6 the network; empty for many of them. */
  readonly peer: string;
  readonly times: number;
  /** When the first of them was. */
  readonly sinceMs: number;
}

export interface RefusedLinesOptions {
  onSum(sum: RefusedSum): void;
  /**
   * Lines of all workers of this process, by who had them. A period begins for all of them together;
   * each tells the sums of what it has refused itself.
   *
   * @default the lines of this loop alone
   */
  readonly joint?: SharedTally | undefined;
  /** @default Date.now */
  readonly now?: () => number;
}

/** Decides which refusals get a line of their own, and sums up the others. */
export class RefusedLines {
  readonly #onSum: (sum: RefusedSum) => void;
  readonly #now: () => number;
  /** Lines of this period, by who had them. */
  readonly #own = new Map<string, number>();
  readonly #joint: SharedTally | undefined;
  #lines = 0;
  readonly #sums = new Map<string, RefusedSum & { times: number }>();
  #begunMs: number;

  constructor({ onSum, joint, now = Date.now }: RefusedLinesOptions) {
    this.#joint = joint;
    this.#onSum = onSum;
    this.#now = now;
    this.#begunMs = now();
  }

  /** Whether this one gets a line of its own; else it is counted. */
  take(refused: Refused): boolean {
    const network = networkOf(hostOf(refused.peer));
    const source = refused.who === "" ? network : `"${refused.who}"`;
    if (
      this.#joint === undefined ? this.#takeLine(source) : this.#takeJointLine(this.#joint, source)
    ) {
      return true;
    }
    this.#count(refused, network);
    return false;
  }

  #takeLine(source: string): boolean {
    const own = this.#own.get(source) ?? 0;
    if (!mayHaveLine(own, this.#lines)) return false;
    this.#own.set(source, own + 1);
    this.#lines++;
    return true;
  }

  #takeJointLine(joint: SharedTally, source: string): boolean {
    joint.beginPeriod(Math.floor(this.#now() / PERIOD_MS));
    return joint.take(source, mayHaveLine);
  }

  /** To be called once a second. */
  tick(): void {
    const ageMs = this.#now() - this.#begunMs;
    // A clock that was set back must not make a period longer.
    if (ageMs >= 0 && ageMs < PERIOD_MS) return;
    this.flush();
  }

  /** Tells the sums now, and begins a new period. */
  flush(): void {
    const sums = [...this.#sums.values()];
    this.#sums.clear();
    this.#own.clear();
    this.#lines = 0;
    this.#begunMs = this.#now();
    for (const sum of sums) this.#onSum(sum);
  }

  #count(refused: Refused, network: string): void {
    const what = `${refused.kind} ${refused.status}`;
    let peer = network;
    let { who } = refused;
    let sum = this.#sums.get(`${what} "${who}" ${peer}`);
    if (sum === undefined && this.#sums.size >= MAX_SUMS) {
      who = peer = "";
      sum = this.#sums.get(`${what} "" `);
    }
    if (sum === undefined) {
      sum = { ...refused, who, peer, times: 0, sinceMs: this.#now() };
      this.#sums.set(`${what} "${who}" ${peer}`, sum);
    }
    sum.times++;
  }
}

function mayHaveLine(own: number, all: number): boolean {
  return own < LINES_PER_SOURCE && all < MAX_LINES;
}
