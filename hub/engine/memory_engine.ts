/**
 * An engine in memory, for hubs in one process: workers that are members of one cluster, and tests.
 *
 * It holds to what etcd does: revisions, sessions that end by themselves, a history of bounded length
 * that a watch can go back to.
 *
 * @module
 */
import {
  type Commit,
  type Condition,
  type Engine,
  EngineError,
  type EngineReadOptions,
  type KeyChange,
  type KeyEntry,
  MAX_ENTRIES,
  MAX_OPERATIONS,
  type Page,
  type Txn,
} from "./engine.ts";

/** Changes that are kept for watches that come back. */
export const MAX_KEPT_CHANGES = 10_000;
/** Changes that may wait for one watch; one that is slower has to read everything again. */
export const MAX_UNREAD_CHANGES = 100_000;

export interface MemoryEngineOptions {
  /** @default MAX_KEPT_CHANGES */
  readonly maxHistory?: number;
  /** @default MAX_UNREAD_CHANGES */
  readonly maxUnread?: number;
  /** Where revisions begin, so that they grow over restarts as well. @default 0 */
  readonly revision?: number;
}

interface Watcher {
  readonly prefix: string;
  pending: KeyChange[];
  fault: EngineError | undefined;
  wake: () => void;
}

/** A change, and what was there before. */
interface Past {
  readonly change: KeyChange;
  readonly previous: KeyEntry | undefined;
}

interface MemorySession {
  readonly ttlMs: number;
  readonly keys: Set<string>;
  timer: ReturnType<typeof setTimeout>;
}

/** An engine for the hubs of one process. */
export class MemoryEngine implements Engine {
  readonly #name = crypto.randomUUID();
  readonly #options: Required<Omit<MemoryEngineOptions, "revision">>;
  readonly #entries = new Map<string, KeyEntry & { readonly session: string | undefined }>();
  readonly #sessions = new Map<string, MemorySession>();
  readonly #watchers = new Set<Watcher>();
  #history: Past[] = [];
  /** The oldest revision of which all changes are kept. */
  #oldest: number;
  #revision: number;

  constructor(
    { maxHistory = MAX_KEPT_CHANGES, maxUnread = MAX_UNREAD_CHANGES, revision = 0 }:
      MemoryEngineOptions = {},
  ) {
    this.#options = { maxHistory, maxUnread };
    this.#revision = revision;
    this.#oldest = revision + 1;
  }

  // deno-lint-ignore require-await -- An engine's answers are promises: refusals too.
  async session(ttlMs: number): Promise<string> {
    const session = crypto.randomUUID();
    this.#sessions.set(session, { ttlMs, keys: new Set(), timer: this.#expiry(session, ttlMs) });
    return session;
  }

  // deno-lint-ignore require-await
  async renew(session: string): Promise<boolean> {
    const found = this.#sessions.get(session);
    if (found === undefined) return false;
    clearTimeout(found.timer);
    found.timer = this.#expiry(session, found.ttlMs);
    return true;
  }

  // deno-lint-ignore require-await
  async revoke(session: string): Promise<void> {
    this.#end(session);
  }

  // deno-lint-ignore require-await
  async commit({ conditions, writes, otherwise = [] }: Txn): Promise<Commit> {
    for (const list of [conditions, writes, otherwise]) {
      if (list.length > MAX_OPERATIONS) {
        throw new EngineError("broken", `A transaction has ${list.length} operations`);
      }
    }
    if (!conditions.every((condition) => this.#holds(condition))) {
      const now = otherwise.map((key) => this.#entries.get(key)).map((entry) =>
        entry && bare(entry)
      );
      return { ok: false, revision: this.#revision, now };
    }
    for (const write of writes) {
      if ("put" in write && write.session !== undefined && !this.#sessions.has(write.session)) {
        throw new EngineError("no session", `There is no session ${write.session}`);
      }
    }
    const revision = this.#revision + 1;
    const changes: Past[] = [];
    for (const write of writes) {
      if ("put" in write) {
        const { put: key, value, session } = write;
        const previous = this.#entries.get(key);
        this.#detach(key);
        if (session !== undefined) this.#sessions.get(session)?.keys.add(key);
        this.#entries.set(key, { key, value: value.slice(), revision, session });
        changes.push({ change: { key, value: value.slice(), revision }, previous });
      } else changes.push(...this.#delete(write.delete, write.before, revision));
    }
    this.#tell(changes, revision);
    return { ok: true, revision: this.#revision };
  }

  // deno-lint-ignore require-await
  async read(
    prefix: string,
    { after, limit = MAX_ENTRIES, at }: EngineReadOptions = {},
  ): Promise<Page> {
    if (at !== undefined && at < this.#oldest) throw compacted(at);
    let state: readonly KeyEntry[] = [...this.#entries.values()];
    if (at !== undefined && at < this.#revision) state = this.#stateAt(at);
    const found = state
      .filter(({ key }) => key.startsWith(prefix) && (after === undefined || key > after))
      .sort((a, b) => a.key < b.key ? -1 : 1);
    const most = Math.min(limit, MAX_ENTRIES);
    return {
      entries: found.slice(0, most).map(bare),
      revision: at ?? this.#revision,
      more: found.length > most,
      engine: this.#name,
    };
  }

  async *watch(
    prefix: string,
    from: number,
    signal: AbortSignal,
  ): AsyncGenerator<readonly KeyChange[], void, undefined> {
    signal.throwIfAborted();
    if (from < this.#oldest) throw compacted(from);
    const watcher: Watcher = { prefix, pending: [], fault: undefined, wake: () => {} };
    watcher.pending = this.#history.map(({ change }) => change).filter(({ key, revision }) =>
      revision >= from && key.startsWith(prefix)
    );
    this.#watchers.add(watcher);
    const stop = () => watcher.wake();
    signal.addEventListener("abort", stop);
    try {
      for (;;) {
        if (signal.aborted) throw signal.reason;
        if (watcher.fault !== undefined) throw watcher.fault;
        const changes = watcher.pending;
        watcher.pending = [];
        if (changes.length > 0) yield changes;
        else await new Promise<void>((resolve) => watcher.wake = resolve);
      }
    } finally {
      this.#watchers.delete(watcher);
      signal.removeEventListener("abort", stop);
    }
  }

  /** Forgets changes below a revision, as etcd does from time to time. */
  compact(revision: number): void {
    this.#oldest = Math.max(this.#oldest, revision);
    this.#history = this.#history.filter(({ change }) => change.revision >= this.#oldest);
  }

  // deno-lint-ignore require-await
  async [Symbol.asyncDispose](): Promise<void> {
    for (const session of [...this.#sessions.keys()]) this.#end(session);
    const fault = new EngineError("away", "The engine was closed");
    for (const watcher of this.#watchers) {
      watcher.fault = fault;
      watcher.wake();
    }
  }

  #holds(condition: Condition): boolean {
    const revision = this.#entries.get(condition.key)?.revision ?? 0;
    return "exists" in condition ? revision > 0 : revision === condition.revision;
  }

  #delete(from: string, before: string | undefined, revision: number): Past[] {
    const keys = before === undefined
      ? [from]
      : [...this.#entries.keys()].filter((key) => key >= from && key < before);
    return keys.filter((key) => this.#entries.has(key)).map((key) => {
      const previous = this.#entries.get(key);
      this.#detach(key);
      this.#entries.delete(key);
      return { change: { key, value: undefined, revision }, previous };
    });
  }

  #detach(key: string): void {
    const session = this.#entries.get(key)?.session;
    if (session !== undefined) this.#sessions.get(session)?.keys.delete(key);
  }

  #expiry(session: string, ttlMs: number): ReturnType<typeof setTimeout> {
    return setTimeout(() => this.#end(session), ttlMs);
  }

  #end(session: string): void {
    const found = this.#sessions.get(session);
    if (found === undefined) return;
    clearTimeout(found.timer);
    const revision = this.#revision + 1;
    const changes = [...found.keys].flatMap((key) => this.#delete(key, undefined, revision));
    this.#sessions.delete(session);
    this.#tell(changes, revision);
  }

  #tell(changes: readonly Past[], revision: number): void {
    if (changes.length === 0) return;
    this.#revision = revision;
    this.#history.push(...changes);
    const surplus = this.#history.length - this.#options.maxHistory;
    // All of a revision or nothing: a watch must not begin in the middle of one.
    if (surplus > 0) this.compact(this.#history[surplus - 1]!.change.revision + 1);
    for (const watcher of this.#watchers) {
      for (const { change } of changes) {
        if (change.key.startsWith(watcher.prefix)) watcher.pending.push(change);
      }
      if (watcher.pending.length > this.#options.maxUnread) {
        watcher.fault = new EngineError("compacted", "The watch was too slow");
        watcher.pending = [];
      }
      watcher.wake();
    }
  }

  /** The newest state, with all that came after taken back. */
  #stateAt(at: number): KeyEntry[] {
    const state = new Map<string, KeyEntry>(this.#entries);
    for (const { change: { key, revision }, previous } of this.#history.toReversed()) {
      if (revision <= at) break;
      if (previous === undefined) state.delete(key);
      else state.set(key, previous);
    }
    return [...state.values()];
  }
}

function bare({ key, value, revision }: KeyEntry): KeyEntry {
  return { key, value: value.slice(), revision };
}

function compacted(revision: number): EngineError {
  return new EngineError("compacted", `Revision ${revision} is no longer kept`);
}
