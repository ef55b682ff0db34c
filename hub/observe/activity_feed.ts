/**
 * What happens at the hub, for those who watch: `ghub.v1.Hub/WatchActivity`, docs/protocol.md §10.2.
 *
 * The hub never waits for a watcher. One that is too slow loses the oldest of its events, and gets
 * a `GAP` where they are missing.
 *
 * @module
 */
import type {
  ghub_v1_Activity as Activity,
  ghub_v1_Activity_Kind as Kind,
} from "../../shared/gen/types.ts";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import { FairShare, type Places } from "../../shared/async/fair_share.ts";
import { duration, timestamp } from "../../shared/grpc/proto_time.ts";

/** Events of the past that a new watcher can ask for. */
export const MAX_HISTORY = 1000;
/** Events that wait for one watcher. */
export const MAX_QUEUED = 1000;
/** Watchers at a time, shared by the operators who watch. */
export const MAX_ACTIVITY_WATCHERS = 100;

/** Something that happened. */
export interface ActivityInput {
  readonly kind: Exclude<Kind, "KIND_UNKNOWN" | "GAP">;
  readonly server?: string;
  /** Who called, or where a tunnel came from. */
  readonly peer?: string;
  readonly method?: string;
  /** gRPC status code. */
  readonly status?: number;
  readonly durationMs?: number;
  readonly bytesUp?: number;
  readonly bytesDown?: number;
  readonly reason?: string;
  readonly id?: string;
}

export interface ActivityWatchOptions {
  /** Ends the watch; it ends without an error. */
  readonly signal: AbortSignal;
  /**
   * Only what concerns these servers; empty means all.
   *
   * @default []
   */
  readonly servers?: readonly string[];
  /**
   * First gives up to this many events of the recent past.
   *
   * @default 0
   */
  readonly history?: number;
  /**
   * Which servers the watcher may know of; asked with the empty name for what concerns none.
   *
   * @default all
   */
  readonly sees?: (server: string) => boolean;
  /** Who watches: one of them may not have all places. @default "" */
  readonly operator?: string;
  /** Another worker of this process watches for its own watcher, which has a place. @default false */
  readonly isForWorker?: boolean;
}

export interface ActivityOptions {
  /** @default MAX_HISTORY */
  readonly maxHistory?: number;
  /** @default MAX_QUEUED */
  readonly maxQueued?: number;
  /** @default MAX_WATCHERS */
  readonly maxWatchers?: number;
  /** What watchers take a place of. @default `maxWatchers` places of this feed alone */
  readonly places?: Places | undefined;
  /** @default Date.now */
  readonly now?: () => number;
}

/**
 * As it is kept. Most events are never looked at, and each call makes one: its place in the past
 * is written over, for objects that live long keep the garbage collector busy.
 */
class Happened {
  seq = 0;
  timeMs = 0;
  kind: ActivityInput["kind"] = "CALL_ENDED";
  server: string | undefined;
  peer: string | undefined;
  method: string | undefined;
  status: number | undefined;
  durationMs: number | undefined;
  bytesUp: number | undefined;
  bytesDown: number | undefined;
  reason: string | undefined;
  id: string | undefined;

  write(input: ActivityInput, seq: number, timeMs: number): void {
    this.seq = seq;
    this.timeMs = timeMs;
    this.kind = input.kind;
    this.server = input.server;
    this.peer = input.peer;
    this.method = input.method;
    this.status = input.status;
    this.durationMs = input.durationMs;
    this.bytesUp = input.bytesUp;
    this.bytesDown = input.bytesDown;
    this.reason = input.reason;
    this.id = input.id;
  }

  toActivity(): Activity {
    const { timeMs, durationMs, ...rest } = this;
    const all = {
      ...rest,
      time: timestamp(timeMs),
      duration: durationMs === undefined ? undefined : duration(durationMs),
    };
    return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
  }
}

const NO_PLACE: Disposable = { [Symbol.dispose]() {} };

/** A bounded past, and bounded queues to those who watch. A watch ends with its signal or its iterator. */
export class ActivityFeed {
  /** Oldest first, as a ring: the oldest is at `#seq % length` once it is full. */
  readonly #ring: Happened[] = [];
  readonly #watchers = new Set<Watcher>();
  readonly #maxHistory: number;
  readonly #maxQueued: number;
  readonly #maxWatchers: number;
  readonly #places: Places;
  readonly #now: () => number;
  #seq = 0;
  #closed = false;

  constructor(options: ActivityOptions = {}) {
    this.#maxHistory = options.maxHistory ?? MAX_HISTORY;
    this.#maxQueued = options.maxQueued ?? MAX_QUEUED;
    this.#maxWatchers = options.maxWatchers ?? MAX_ACTIVITY_WATCHERS;
    this.#places = options.places ?? new FairShare(this.#maxWatchers);
    this.#now = options.now ?? Date.now;
  }

  /** Tells all watchers. It never waits and never throws. */
  publish(input: ActivityInput): void {
    const event = this.#ring[this.#seq % this.#maxHistory] ??= new Happened();
    event.write(input, ++this.#seq, this.#now());
    if (this.#watchers.size === 0) return;
    const activity = event.toActivity();
    for (const watcher of this.#watchers) watcher.offer(activity);
  }

  /**
   * Gives what happens from now on, until the signal fires.
   *
   * @throws {RpcError} `RESOURCE_EXHAUSTED` if too many watch already; at once, not at the first event.
   */
  watch(
    { signal, servers = [], history = 0, sees = () => true, operator = "", isForWorker = false }:
      ActivityWatchOptions,
  ): AsyncGenerator<Activity> {
    const place = isForWorker ? NO_PLACE : this.#places.take(operator);
    if (place === undefined) {
      throw new RpcError(
        Status.RESOURCE_EXHAUSTED,
        `Cannot watch activity: ${this.#watchers.size} of ${this.#maxWatchers} watchers are there ` +
          `already, and operator "${operator}" has its share of them`,
      );
    }
    const watcher = new Watcher({ servers: new Set(servers), sees, max: this.#maxQueued, place });
    if (history > 0) {
      const past = this.#past().map((event) => event.toActivity()).filter((activity) =>
        watcher.wants(activity)
      );
      for (const activity of past.slice(-history)) watcher.offer(activity);
    }
    if (!signal.aborted) {
      this.#watchers.add(watcher);
      // Not left to the generator: one that nobody ever asked runs no `finally`.
      signal.addEventListener("abort", () => this.#leave(watcher), { once: true });
    } else place[Symbol.dispose]();
    return this.#run(watcher, signal);
  }

  /** Ends all watches, once they have what has happened. To be called when the hub begins to drain. */
  close(): void {
    this.#closed = true;
    for (const watcher of this.#watchers) watcher.wake();
  }

  /** Watchers now. */
  get watching(): number {
    return this.#watchers.size;
  }

  #past(): Happened[] {
    const oldest = this.#seq > this.#ring.length ? this.#seq % this.#maxHistory : 0;
    return [...this.#ring.slice(oldest), ...this.#ring.slice(0, oldest)];
  }

  #leave(watcher: Watcher): void {
    this.#watchers.delete(watcher);
    watcher.place[Symbol.dispose]();
    watcher.wake();
  }

  async *#run(watcher: Watcher, signal: AbortSignal): AsyncGenerator<Activity> {
    try {
      while (!signal.aborted) {
        const next = watcher.take();
        if (next !== undefined) yield next;
        else if (this.#closed) return;
        else await watcher.ready(signal);
      }
    } finally {
      this.#leave(watcher);
    }
  }
}

/** One watcher's queue. */
class Watcher {
  /** Given back when it leaves. */
  readonly place: Disposable;
  readonly #servers: ReadonlySet<string>;
  readonly #sees: (server: string) => boolean;
  readonly #max: number;
  #queue: Activity[] = [];
  #dropped = 0;
  #wake: (() => void) | undefined;

  constructor(
    { servers, sees, max, place }: {
      readonly servers: ReadonlySet<string>;
      readonly sees: (server: string) => boolean;
      readonly max: number;
      readonly place: Disposable;
    },
  ) {
    this.place = place;
    this.#servers = servers;
    this.#sees = sees;
    this.#max = max;
  }

  wants({ server = "" }: Activity): boolean {
    return (this.#servers.size === 0 || this.#servers.has(server)) && this.#sees(server);
  }

  offer(activity: Activity): void {
    if (!this.wants(activity)) return;
    if (this.#queue.length === this.#max) {
      this.#queue.shift();
      this.#dropped++;
    }
    this.#queue.push(activity);
    this.wake();
  }

  /** The next event; a gap stands before the first one that is left. */
  take(): Activity | undefined {
    if (this.#dropped === 0) return this.#queue.shift();
    const [next] = this.#queue;
    const gap: Activity = { kind: "GAP", dropped: this.#dropped };
    this.#dropped = 0;
    return { ...gap, ...(next?.time === undefined ? {} : { time: next.time }) };
  }

  /** Resolves when there may be something to take. */
  ready(signal: AbortSignal): Promise<void> {
    if (this.#queue.length > 0 || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => this.#wake = resolve);
  }

  wake(): void {
    this.#wake?.();
    this.#wake = undefined;
  }
}
