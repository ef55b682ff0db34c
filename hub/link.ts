/**
 * Moves bytes between a socket and a protocol that does no I/O itself.
 *
 *     socket ──read──▶ onBytes(view)          one buffer, reused for every read
 *     socket ◀─write── take() ◀── wake()      all that one turn of the event loop made, at once
 *
 * @module
 */
import { release } from "../shared/bytes/out_buffer.ts";

/** What a link needs of a socket: plain TCP and TLS connections of Deno fit. */
export interface Socket {
  read(into: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
  closeWrite(): Promise<void>;
  close(): void;
}

/** What speaks over a link. */
export interface LinkProtocol {
  /** Bytes from the peer; the view is good during the call only. A throw ends the link. */
  onBytes(bytes: Uint8Array): void;
  /** Everything that waits to be sent: views of `OutBuffer`, released when they have left. */
  take(): readonly Uint8Array[];
  /** All that was taken has been handed to the socket. */
  onDrained(): void;
}

/** Read buffer of a quiet connection: enough for most calls, and cheap in thousands. */
const SMALL_READ = 4 << 10;
/** Read buffer of a busy connection. */
const LARGE_READ = 64 << 10;
/** Large buffers kept for reuse. */
const MAX_POOLED_READS = 32;
/** Reads in a row that a small buffer would have held, after which a small one is used again. */
const QUIET_READS = 16;

const largeReads: Uint8Array<ArrayBuffer>[] = [];

const waking: Link[] = [];

/** Runs behind everything that the current turn does. */
function flushAll(): void {
  for (const link of waking.splice(0)) link.flush();
}

/** Reads until the socket ends, writes what `take()` gives. Nothing here times out: owners do. */
export class Link {
  readonly #socket: Socket;
  readonly #protocol: LinkProtocol;
  #awake = false;
  #writing = false;
  #closed = false;
  #inFlight = 0;

  constructor(socket: Socket, protocol: LinkProtocol) {
    this.#socket = socket;
    this.#protocol = protocol;
  }

  /** Bytes handed to the socket that it has not taken yet. */
  get inFlight(): number {
    return this.#inFlight;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Says that `take()` has something: it is written at the end of this turn. */
  wake(): void {
    if (this.#awake || this.#closed) return;
    this.#awake = true;
    if (waking.push(this) === 1) queueMicrotask(flushAll);
  }

  /** @ignore Called at the end of the turn. */
  flush(): void {
    this.#awake = false;
    if (!this.#writing) void this.#write();
  }

  /** Reads until the peer ends or the link is closed. Resolves with the error that ended it, if one did. */
  async run(): Promise<unknown> {
    let buffer = new Uint8Array(SMALL_READ);
    let quiet = 0;
    try {
      while (!this.#closed) {
        const n = await this.#socket.read(buffer);
        if (n === null) return undefined;
        this.#protocol.onBytes(buffer.subarray(0, n));
        if (buffer.length === SMALL_READ) {
          if (n === SMALL_READ) buffer = largeReads.pop() ?? new Uint8Array(LARGE_READ);
          quiet = 0;
        } else if (n > SMALL_READ) quiet = 0;
        else if (++quiet === QUIET_READS) {
          if (largeReads.length < MAX_POOLED_READS) largeReads.push(buffer);
          buffer = new Uint8Array(SMALL_READ);
        }
      }
      return undefined;
    } catch (error) {
      return this.#closed ? undefined : error;
    }
  }

  /** Resolves when what waits has been handed to the socket, or the link is closed. */
  async finish(): Promise<void> {
    if (!this.#writing) await this.#write();
    else await new Promise<void>((resolve) => this.#onIdle = resolve);
    if (this.#closed) return;
    try {
      await this.#socket.closeWrite();
    } catch {
      // The peer was faster.
    }
  }

  #onIdle: (() => void) | undefined;

  /** Closes the socket at once. What waits is lost. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    try {
      this.#socket.close();
    } catch {
      // Closed already, by an error of its own.
    }
  }

  async #write(): Promise<void> {
    this.#writing = true;
    try {
      while (!this.#closed) {
        const views = this.#protocol.take();
        if (views.length === 0) break;
        for (const view of views) this.#inFlight += view.length;
        for (const view of views) {
          for (let at = 0; at < view.length;) {
            at += await this.#socket.write(at === 0 ? view : view.subarray(at));
          }
          this.#inFlight -= view.length;
          release(view);
        }
        this.#protocol.onDrained();
      }
    } catch {
      // The reading side sees the same end and tells why.
      this.close();
    }
    this.#writing = false;
    this.#onIdle?.();
    this.#onIdle = undefined;
  }
}
