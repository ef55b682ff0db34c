/**
 * Moves bytes between a socket and a protocol that does no I/O itself.
 *
 *     socket ──read──▶ onBytes(view)          one buffer, reused for every read
 *     socket ◀─write── take() ◀── wake()      all that one turn of the event loop made, at once
 *
 * A peer that sends and does not read is not read either, once `isFull` says so. One that sends without
 * a pause waits for its turn: see `shared/async/turns.ts`.
 *
 * @module
 */
import { turns } from "../../shared/async/turns.ts";
import { release } from "../../shared/bytes/out_buffer.ts";

/** What a link needs of a socket: plain TCP and TLS connections of Deno fit. */
export interface Socket {
  read(into: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
  closeWrite(): Promise<void>;
  close(): void;
}

/** What speaks over a link. */
export interface PumpProtocol {
  /**
   * Bytes from the peer; the view is good during the call only. A throw ends the link.
   *
   * @returns How many it has taken; where the work is much, not all. The others are given again.
   */
  onBytes(bytes: Uint8Array): number;
  /** Everything that waits to be sent: views of `OutBuffer`, released when they have left. */
  take(): readonly Uint8Array[];
  /** Whether so much waits to be sent that nothing more should be read. */
  readonly isFull: boolean;
}

/** How long `end()` gives the peer to take the last bytes and to end its half. */
export const GOODBYE_MS = 1_000;

/** Read buffer of a quiet connection: enough for most calls, and cheap in thousands. */
const SMALL_READ = 1 << 10;
/** Read buffer of a busy connection. */
const LARGE_READ = 64 << 10;
/** Large buffers kept for reuse. */
const MAX_POOLED_READS = 32;
/** Reads in a row that a small buffer would have held, after which a small one is used again. */
const QUIET_READS = 16;

/**
 * After this many bytes a link asks whether its turn is over. They are 300 of the smallest calls, or
 * as much work as the largest frames make in twenty reads.
 */
const LOOK_BYTES = 4 << 10;

const NOTHING = new Uint8Array();

const largeReads: Uint8Array<ArrayBuffer>[] = [];

/** How long output that is not urgent waits for other output of its link. */
const LATE_MS = 20;

const waking: SocketPump[] = [];
const late = new Set<SocketPump>();
let lateTimer: ReturnType<typeof setTimeout> | undefined;

/** Runs after everything that the current turn does. */
function flushAll(): void {
  for (const link of waking.splice(0)) link.flush();
}

function wakeAllLate(): void {
  lateTimer = undefined;
  for (const link of late) link.wake();
  late.clear();
}

/** Reads until the socket ends, writes what `take()` gives. Its owner ticks, and looks at the counts. */
export class SocketPump {
  readonly #socket: Socket;
  readonly #protocol: PumpProtocol;
  /** The peer sends no more. */
  #ended = false;
  #awake = false;
  #writing = false;
  #closed = false;
  /** Resolves when something has been written, or has ended; made when somebody waits. */
  #progress: PromiseWithResolvers<void> | undefined;
  #stalledTicks = 0;
  #quietTicks = 0;
  #writeError: unknown;

  constructor(socket: Socket, protocol: PumpProtocol) {
    this.#socket = socket;
    this.#protocol = protocol;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Ticks since the peer took something, while something waits for it. */
  get stalledTicks(): number {
    return this.#stalledTicks;
  }

  /** Ticks since the peer sent something. */
  get quietTicks(): number {
    return this.#quietTicks;
  }

  /** Counts: once a second. A clock would have to be read for each byte that moves. */
  tick(): void {
    if (this.#writing) this.#stalledTicks++;
    this.#quietTicks++;
  }

  /** Says that `take()` has something: it is written at the end of this turn. */
  wake(): void {
    if (this.#awake || this.#closed) return;
    this.#awake = true;
    if (waking.push(this) === 1) queueMicrotask(flushAll);
  }

  /** Says that `take()` has something that may wait for the next `wake()`, or for `LATE_MS`. */
  wakeLate(): void {
    if (this.#awake || this.#closed) return;
    late.add(this);
    lateTimer ??= setTimeout(wakeAllLate, LATE_MS);
  }

  /** @ignore Called at the end of the turn. */
  flush(): void {
    this.#awake = false;
    if (!this.#writing) void this.#write();
  }

  /**
   * Reads until the peer ends or the link is closed. Resolves with the error that ended it, if one did.
   *
   * @param first What was read already.
   */
  async run(first: Uint8Array = NOTHING): Promise<unknown> {
    let buffer = new Uint8Array(SMALL_READ);
    let quiet = 0;
    let unseen = 0;
    try {
      if (first.length > 0) await this.#give(first);
      while (!this.#closed) {
        const n = await this.#socket.read(buffer);
        if (n === null) break;
        this.#quietTicks = 0;
        const taken = this.#protocol.onBytes(buffer.subarray(0, n));
        unseen += n;
        if (taken < n || unseen >= LOOK_BYTES) {
          unseen = 0;
          await this.#give(buffer.subarray(taken, n));
        }
        if (this.#protocol.isFull) await this.#until(() => !this.#protocol.isFull);
        if (buffer.length === SMALL_READ) {
          if (n === SMALL_READ) buffer = largeReads.pop() ?? new Uint8Array(LARGE_READ);
          quiet = 0;
        } else if (n > SMALL_READ) quiet = 0;
        else if (++quiet === QUIET_READS) {
          if (largeReads.length < MAX_POOLED_READS) largeReads.push(buffer);
          buffer = new Uint8Array(SMALL_READ);
        }
      }
      return this.#writeError;
    } catch (error) {
      return this.#closed ? this.#writeError : error;
    } finally {
      this.#ended = true;
      this.#tellProgress();
    }
  }

  /**
   * Closes the socket when what waits has been written and the peer has ended its half, so that
   * it reads our last words before it learns that we are gone; after `goodbyeMs` in any case.
   */
  async end(goodbyeMs: number = GOODBYE_MS): Promise<void> {
    const timer = setTimeout(() => this.close(), goodbyeMs);
    try {
      this.wake();
      await this.#until(() => !this.#writing && !this.#awake);
      if (!this.#closed) await this.#socket.closeWrite();
      await this.#until(() => this.#ended);
    } catch {
      // The peer was faster.
    } finally {
      clearTimeout(timer);
      this.close();
    }
  }

  /** Closes the socket at once. What waits is lost. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (late.delete(this) && late.size === 0) {
      clearTimeout(lateTimer);
      lateTimer = undefined;
    }
    this.#tellProgress();
    try {
      this.#socket.close();
    } catch {
      // Closed already, by an error of its own.
    }
  }

  /** Gives what is left to the protocol, in as many turns as that takes. */
  async #give(bytes: Uint8Array): Promise<void> {
    for (let rest = bytes; !this.#closed;) {
      if (turns.isOver()) await turns.next();
      if (rest.length === 0) return;
      rest = rest.subarray(this.#protocol.onBytes(rest));
    }
  }

  async #until(reached: () => boolean): Promise<void> {
    while (!this.#closed && !reached()) {
      this.#progress ??= Promise.withResolvers();
      await this.#progress.promise;
    }
  }

  #tellProgress(): void {
    this.#progress?.resolve();
    this.#progress = undefined;
  }

  async #write(): Promise<void> {
    this.#writing = true;
    try {
      while (!this.#closed) {
        const views = this.#protocol.take();
        if (views.length === 0) break;
        for (const view of views) {
          for (let at = 0; at < view.length;) {
            at += await this.#socket.write(at === 0 ? view : view.subarray(at));
            this.#stalledTicks = 0;
          }
          release(view);
        }
        this.#tellProgress();
      }
    } catch (error) {
      if (!this.#closed) this.#writeError = error;
      this.close();
    }
    this.#stalledTicks = 0;
    this.#writing = false;
    this.#tellProgress();
  }
}
