/**
 * When to dial again: a table from how the last try ended. Pure, so that it is tested as one.
 *
 *     how it ended                       next try                              failures in a row
 *     lost after ≥ 30 s                  random(0, max(0.5 s, spread))         0
 *     lost earlier                       random(0, max(0.5 s·2ⁿ ≤ 30 s, spread)) n + 1
 *     the hub sends no more calls        random(0, spread); as above if early  as above
 *     an upstream gets a new connection   now; 1 s after the last one began    as before
 *     an upstream that cannot be reached  1 s ± 10 %                           as before
 *     a file that cannot be used          the same, loud                       as before
 *     no connection, no answer           random(0, 0.5 s·2ⁿ ≤ 30 s)            n + 1
 *     429, 5xx, other statuses           Retry-After, or the same              n + 1
 *     400 401 403 404 405 409 426 431 505 Retry-After, or 60 s ± 10 %, loud   n + 1
 *     a proxy's 403 407, a redirect       the same: each try may count against an account
 *     a hub that has this name's tunnel   5 min ± 10 %                         0
 *
 * No outcome is fatal: what is wrong at the hub today may be right tomorrow, and nobody may be
 * near this machine then.
 *
 * @module
 */
import { backoff, type BackoffOptions, jittered } from "../../shared/async/backoff.ts";

/** A tunnel that lived this long was good: only then is the count of failures forgotten. */
export const STABLE_MS = 30_000;
/** Between tries that only a change by a person can make succeed. */
export const SLOW_RETRY_MS = 60_000;
/** A `Retry-After` below is no wish of its own: obeyed alone, it would be a tight loop. */
const MIN_RETRY_AFTER_MS = 1_000;
/** An address that led to a hub at which there is a tunnel already: a balancer may choose another one. */
export const HERE_RETRY_MS = 300_000;
/** An upstream is tried this often: it is near, and its callers wait for it. */
export const UPSTREAM_RETRY_MS = 1_000;
/** Waits that are the same for many servers are spread by this share. */
const JITTER = 0.1;

/** Statuses that say: not like this. */
const SLOW_STATUSES: ReadonlySet<number> = new Set([400, 401, 403, 404, 405, 409, 426, 431, 505]);

/** How a try ended. */
export type DialOutcome =
  | {
    readonly kind: "lost" | "leaving" | "renewing";
    readonly ageMs: number;
    readonly spreadMs: number;
  }
  | { readonly kind: "unprepared"; readonly loud?: boolean }
  | { readonly kind: "here" }
  | {
    readonly kind: "failed";
    /** HTTP status of a refusal. */
    readonly status?: number | undefined;
    readonly retryAfterMs?: number | undefined;
    /** Only a person can change it, whatever the status says. */
    readonly lasting?: boolean | undefined;
  };

/** What to do next. */
export interface NextTry {
  readonly waitMs: number;
  /** Failures in a row, for the next call. */
  readonly failures: number;
  /** A person must act: say so loudly. */
  readonly loud: boolean;
}

/**
 * Decides on the next try.
 *
 * @param failures Failures in a row before this outcome.
 */
export function nextTry(
  failures: number,
  outcome: DialOutcome,
  options: BackoffOptions = {},
): NextTry {
  const { random = Math.random } = options;
  if (outcome.kind === "here") {
    const waitMs = jittered(HERE_RETRY_MS, { share: JITTER, random });
    return { waitMs, failures: 0, loud: false };
  }
  if (outcome.kind === "failed") {
    const { status, retryAfterMs: askedMs = 0, lasting = false } = outcome;
    const loud = lasting || (status !== undefined && SLOW_STATUSES.has(status));
    const ownMs = () =>
      loud ? jittered(SLOW_RETRY_MS, { share: JITTER, random }) : backoff(failures, options);
    // Never earlier than asked.
    const waitMs = askedMs >= MIN_RETRY_AFTER_MS
      ? askedMs * (1 + JITTER * random())
      : Math.max(askedMs, ownMs());
    return { waitMs, failures: failures + 1, loud };
  }
  if (outcome.kind === "unprepared") {
    const waitMs = jittered(UPSTREAM_RETRY_MS, { share: JITTER, random });
    return { waitMs, failures, loud: outcome.loud ?? false };
  }
  const { kind, ageMs, spreadMs } = outcome;
  if (kind === "renewing") {
    return { waitMs: Math.max(0, UPSTREAM_RETRY_MS - ageMs), failures, loud: false };
  }
  const stable = ageMs >= STABLE_MS;
  const spread = spreadMs * random();
  return {
    // A hub that says goodbye to each new tunnel must not be dialled in a tight loop.
    waitMs: kind === "leaving" && stable
      ? spread
      : Math.max(spread, backoff(stable ? 0 : failures, options)),
    failures: stable ? 0 : failures + 1,
    loud: false,
  };
}
