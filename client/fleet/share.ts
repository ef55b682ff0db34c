/**
 * A number of servers, or a part of all: `10` or `25%`.
 *
 * @module
 */
import { UsageError } from "../../shared/cli/program.ts";

/** As given; how many that are is known when the servers are. */
export interface Share {
  readonly amount: number;
  readonly unit: "servers" | "percent";
}

/** No flag takes a larger number. */
const MAX_SERVERS = 100_000;
const ALL_PERCENT = 100;

/** @throws {UsageError} If it is not a number of servers, nor a part of them. */
export function parseShare(text: string): Share {
  const [, digits, percent] = /^(\d{1,6})(%?)$/.exec(text) ?? [];
  const amount = Number(digits);
  const most = percent === "%" ? ALL_PERCENT : MAX_SERVERS;
  if (digits === undefined || amount > most) {
    throw new UsageError(`"${text}" is not a number of servers`, { hint: "Write 10 or 25%" });
  }
  return { amount, unit: percent === "%" ? "percent" : "servers" };
}

/** At least one: nothing would ever be done by none. */
export function parseSomeShare(text: string): Share {
  const share = parseShare(text);
  if (share.amount > 0) return share;
  throw new UsageError(`"${text}" is no server at a time`, { hint: "Write 10 or 25%" });
}

/** As {@linkcode parseShare} reads it. */
export function formatShare({ amount, unit }: Share): string {
  return unit === "percent" ? `${amount}%` : String(amount);
}

/** How many of `total` servers that are, rounded down. */
export function countOf({ amount, unit }: Share, total: number): number {
  return unit === "percent" ? Math.floor(total * amount / ALL_PERCENT) : amount;
}
