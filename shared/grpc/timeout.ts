/**
 * The `grpc-timeout` header: how a caller's deadline travels.
 *
 *     Timeout      → "grpc-timeout" TimeoutValue TimeoutUnit
 *     TimeoutValue → {positive integer as ASCII string of at most 8 digits}
 *     TimeoutUnit  → H | M | S | m | u | n
 *
 * @see https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests
 * @module
 */

/** Milliseconds in one unit, finest first: the order in which `formatTimeout` tries them. */
const UNIT_MS = { n: 1e-6, u: 1e-3, m: 1, S: 1e3, M: 6e4, H: 3.6e6 } as const;

const GRAMMAR = /^(\d{1,8})([HMSmun])$/;
const MAX_VALUE = 99_999_999;

/**
 * Reads a `grpc-timeout` value.
 *
 * @returns The timeout in milliseconds.
 * @throws {SyntaxError} If the value does not match the grammar.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { parseTimeout } from "./timeout.ts";
 *
 * assert.equal(parseTimeout("3S"), 3000);
 * ```
 */
export function parseTimeout(value: string): number {
  const match = GRAMMAR.exec(value);
  if (match === null) throw new SyntaxError(`Cannot parse grpc-timeout "${value}"`);
  return Number(match[1]) * UNIT_MS[match[2] as keyof typeof UNIT_MS];
}

/** The same of a field that may be absent; `undefined` also for what cannot be read. */
export function readTimeout(value: string | undefined): number | undefined {
  try {
    return value === undefined ? undefined : parseTimeout(value);
  } catch {
    return undefined;
  }
}

/**
 * Writes a timeout in the finest unit whose value fits eight digits, rounded up.
 *
 * @throws {RangeError} If `ms` is negative, not a number, or over 99999999 hours.
 */
export function formatTimeout(ms: number): string {
  for (const [unit, size] of Object.entries(UNIT_MS)) {
    const value = Math.ceil(ms / size);
    if (ms >= 0 && value <= MAX_VALUE) return `${value}${unit}`;
  }
  throw new RangeError(`Cannot format grpc-timeout: current value is ${ms} ms`);
}
