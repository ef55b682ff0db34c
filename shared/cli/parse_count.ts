/**
 * Whole numbers as people type them.
 *
 * @module
 */
import { UsageError } from "./usage_error.ts";

/** What options have whose value is a whole number of a range, both ends included. */
export function count(
  { from, to }: { readonly from: number; readonly to: number },
): { readonly value: "NUMBER"; parse(text: string): number } {
  return {
    value: "NUMBER",
    parse(text: string): number {
      const number = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
      if (number >= from && number <= to) return number;
      throw new UsageError(`"${text}" is not a number from ${from} to ${to}`);
    },
  };
}
