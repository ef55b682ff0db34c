/**
 * A small store that several hubs share, in which a change is seen by all in the same order: what a
 * cluster is built on. etcd is one (`etcd_engine.ts`), and memory is one, for the hubs of one process
 * (`memory_engine.ts`).
 *
 *     session ──▶ keys that end with it        commit ──▶ all of it, or nothing
 *     read ──▶ entries at a revision ──▶ watch from the next one: no change is missed
 *
 * Guarantees of every engine:
 * - Each commit that changes something has a revision of its own, and revisions grow.
 * - A read sees each commit that was answered before it was asked.
 * - A watch gives all changes of a revision, in their order, again from any revision that is kept.
 *
 * All that goes in and comes out is plain data, so that a worker may use an engine through a
 * MessagePort. docs/decisions/0026-etcd.md tells why the engine is asked so little.
 *
 * @module
 */

/** A key, its value, and the revision that gave it that. */
export interface KeyEntry {
  readonly key: string;
  readonly value: Uint8Array;
  readonly revision: number;
}

/** What became of a key: another value, or `undefined` where it was deleted. */
export interface KeyChange {
  readonly key: string;
  readonly value: Uint8Array | undefined;
  readonly revision: number;
}

/** What must be true of a key: its last change has this revision (0: it is not there), or it is there. */
export type Condition =
  | { readonly key: string; readonly revision: number }
  | { readonly key: string; readonly exists: true };

/** Sets a key, perhaps until a session ends; or deletes one, or all up to another one. */
export type Write =
  | { readonly put: string; readonly value: Uint8Array; readonly session?: string | undefined }
  | { readonly delete: string; readonly before?: string };

/** If all conditions hold, all is written at one revision. */
export interface Txn {
  readonly conditions: readonly Condition[];
  readonly writes: readonly Write[];
  /** Keys that are read if not. @default [] */
  readonly otherwise?: readonly string[];
}

/** What became of a transaction; `revision` is the engine's newest then. */
export type Commit =
  | { readonly ok: true; readonly revision: number }
  | {
    readonly ok: false;
    readonly revision: number;
    /** What `otherwise` names, in its order. */
    readonly now: readonly (KeyEntry | undefined)[];
  };

export interface EngineReadOptions {
  /** Only keys after this one. @default all */
  readonly after?: string | undefined;
  /** @default MAX_ENTRIES */
  readonly limit?: number;
  /** The state at this revision. @default the newest */
  readonly at?: number | undefined;
}

export interface Page {
  readonly entries: readonly KeyEntry[];
  /** The state that was read. */
  readonly revision: number;
  /** Whether there are more keys after the last one. */
  readonly more: boolean;
  /** Which engine that was. One that was set up from nothing may be another one. */
  readonly engine: string;
}

/** Entries of one read. */
export const MAX_ENTRIES = 1_000;
/** Conditions, writes and keys of one transaction: etcd takes 128 of each. */
export const MAX_OPERATIONS = 128;

/** Why an engine did not do what it was asked. */
export type EngineFault =
  /** It cannot be reached, does not answer, or cannot decide now. */
  | "away"
  /** It has no room for more. */
  | "full"
  /** Our credential may not do that. */
  | "denied"
  /** The revision that was asked for is no longer kept: read everything again. */
  | "compacted"
  /** There is no such session any more. */
  | "no session"
  /** It has a fault, or we have. */
  | "broken";

export interface EngineErrorOptions extends ErrorOptions {
  /** Whether it may have been done all the same. @default false */
  readonly unknown?: boolean;
}

/** An engine did not do what it was asked, or is not known to have done it. */
export class EngineError extends Error {
  override readonly name = "EngineError";
  readonly fault: EngineFault;
  readonly unknown: boolean;

  constructor(fault: EngineFault, message: string, options: EngineErrorOptions = {}) {
    super(message, options);
    this.fault = fault;
    this.unknown = options.unknown ?? false;
  }
}

/** A store that several hubs share. Every method throws {@linkcode EngineError}, and ends within seconds. */
export interface Engine extends AsyncDisposable {
  /** Begins a session that ends when it was not renewed for `ttlMs`. */
  session(ttlMs: number): Promise<string>;
  /** @returns Whether the session is still there, and has its full time again. */
  renew(session: string): Promise<boolean>;
  /** Ends a session and deletes its keys; one that is not there is no fault. */
  revoke(session: string): Promise<void>;
  commit(txn: Txn): Promise<Commit>;
  /** Keys that begin with `prefix`, in their order. */
  read(prefix: string, options?: EngineReadOptions): Promise<Page>;
  /**
   * Changes of keys that begin with `prefix`, from revision `from` on, until `signal` fires. A revision
   * may come twice, its second time as the first one.
   *
   * @throws {EngineError} When the engine is away; `compacted` when they are no longer kept.
   */
  watch(prefix: string, from: number, signal: AbortSignal): AsyncIterable<readonly KeyChange[]>;
}

/** The first key after all that begin with `prefix`, for ASCII. */
export function endOf(prefix: string): string {
  return prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
}
