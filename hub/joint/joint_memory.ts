/**
 * The memory that all threads of one hub share. The main thread makes it, and each worker is sent it when
 * it starts.
 *
 * @module
 */
import { SharedLock } from "../../shared/memory/shared_lock.ts";
import { tallyMemory } from "../../shared/memory/shared_tally.ts";
import { MAX_ADDRESSES, MAX_HELD } from "../auth/throttle.ts";
import { type JointUseMemory, jointUseMemory, MAX_JOINT_OPERATORS } from "../limits/joint_use.ts";
import { MAX_REFUSED_ADDRESSES } from "../limits/refused_calls.ts";
import { MAX_ACTIVITY_WATCHERS } from "../observe/activity_feed.ts";
import { MAX_LINES } from "../observe/refused_lines.ts";
import { MAX_WAITERS } from "../registry/registry.ts";
import { jointLinksMemory } from "./joint_links.ts";

/** Where fewer files may be open, they are shared by at most as many names. */
const MAX_FILE_HOLDERS = 12_288;
const MAX_CALLER_NETWORKS = 10_000;
const MAX_HANDSHAKE_NETWORKS = 512;

/** What is counted → how many names have a number of their own in it at a time. */
const TALLIES = {
  files: MAX_FILE_HOLDERS,
  callers: MAX_CALLER_NETWORKS,
  handshakes: MAX_HANDSHAKE_NETWORKS,
  tlsHandshakes: MAX_HANDSHAKE_NETWORKS,
  servers: MAX_JOINT_OPERATORS,
  waiting: MAX_WAITERS,
  watchers: MAX_ACTIVITY_WATCHERS,
  refusedCalls: MAX_REFUSED_ADDRESSES,
  refusedLines: MAX_LINES,
  guesses: MAX_ADDRESSES,
  heldGuesses: MAX_HELD,
} as const;

/** What is counted by name. */
export type TallyName = keyof typeof TALLIES;

/** It can be sent to other threads. */
export interface JointMemory {
  readonly use: JointUseMemory;
  readonly links: SharedArrayBuffer;
  readonly tallies: Readonly<Record<TallyName, SharedArrayBuffer>>;
  /** Two locks: of the log, and of files that a worker may have to make. */
  readonly locks: SharedArrayBuffer;
}

/** The words of `JointMemory.locks`. */
const LOCK = { log: 0, files: 1 } as const;

/** Held by the thread that writes a line of the log. */
export function logLock({ locks }: JointMemory): SharedLock {
  return new SharedLock(new Int32Array(locks), LOCK.log);
}

/** Held by the thread that makes files in the state folder. */
export function filesLock({ locks }: JointMemory): SharedLock {
  return new SharedLock(new Int32Array(locks), LOCK.files);
}

export function jointMemory(workers: number): JointMemory {
  const names = Object.keys(TALLIES) as TallyName[];
  const tallies = Object.fromEntries(names.map((name) => [name, tallyMemory(TALLIES[name])]));
  return {
    use: jointUseMemory(workers),
    links: jointLinksMemory(workers),
    tallies: tallies as Record<TallyName, SharedArrayBuffer>,
    locks: new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT),
  };
}
