/**
 * Notices that a peer is gone though the network says nothing: pings, and counts silence.
 *
 * @module
 */

/** How often a heartbeat pings, and how much silence it takes. */
export interface HeartbeatNumbers {
  readonly pingIntervalMs: number;
  readonly deadAfterMs: number;
}

/** What a heartbeat watches. */
export interface Watched {
  /** Grows with every byte that comes in. */
  bytesRead(): number;
  /** Nothing is being read at our own wish: silence does not count. */
  paused(): boolean;
  ping(): void;
  /** Called once, after `deadAfterMs` of silence. */
  onDead(silentMs: number): void;
}

/** Looks per `deadAfterMs`: how exactly it is kept. */
const LOOKS = 15;
/** Never looks more often than this. */
const MIN_LOOK_MS = 5;

/**
 * Any byte counts as life, so that a large transfer that delays pongs is no death.
 *
 * Silence is added up look by look, and a look that comes late counts as one look: a process
 * that was stopped for a minute finds the peer's bytes waiting, and must read them first.
 */
export class Heartbeat implements Disposable {
  readonly #watched: Watched;
  #numbers: HeartbeatNumbers;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #bytes = 0;
  #silentMs = 0;
  #sincePingMs = 0;

  constructor(watched: Watched, numbers: HeartbeatNumbers) {
    this.#watched = watched;
    this.#numbers = numbers;
    this.#bytes = watched.bytesRead();
    this.#schedule();
  }

  /** Replaces the numbers, from the next look on. */
  set numbers(numbers: HeartbeatNumbers) {
    this.#numbers = numbers;
    clearTimeout(this.#timer);
    this.#schedule();
  }

  get numbers(): HeartbeatNumbers {
    return this.#numbers;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  #schedule(): void {
    const { pingIntervalMs, deadAfterMs } = this.#numbers;
    const lookMs = Math.max(MIN_LOOK_MS, Math.min(pingIntervalMs, deadAfterMs / LOOKS));
    this.#timer = setTimeout(() => this.#look(lookMs), lookMs);
  }

  #look(lookMs: number): void {
    const bytes = this.#watched.bytesRead();
    const alive = bytes !== this.#bytes || this.#watched.paused();
    this.#bytes = bytes;
    this.#silentMs = alive ? 0 : this.#silentMs + lookMs;
    if (this.#silentMs >= this.#numbers.deadAfterMs) {
      return this.#watched.onDead(this.#silentMs);
    }
    this.#sincePingMs += lookMs;
    if (this.#sincePingMs >= this.#numbers.pingIntervalMs) {
      this.#sincePingMs = 0;
      this.#watched.ping();
    }
    this.#schedule();
  }
}
