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
  /** Called once, when the peer was silent for `deadAfterMs`: never later, but for a look that is. */
  onDead(silentMs: number): void;
}

/** Looks per `deadAfterMs`: how exactly it is kept. */
const LOOKS = 60;
/** Never looks more often than this. */
const MIN_LOOK_MS = 5;

/**
 * Any byte counts as life, so that a large transfer that delays pongs is no death.
 *
 * Silence is added up look by look, and a look that comes late counts as two at most: a process
 * that was stopped for a minute finds the peer's bytes waiting, and must read them first.
 *
 * The last byte came before the look that saw it, by up to one look: it counts as if it had come
 * right after the look before, so that silence of `deadAfterMs` is never kept waiting.
 */
export class Heartbeat implements Disposable {
  readonly #watched: Watched;
  #numbers: HeartbeatNumbers;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #bytes = 0;
  #silentMs = 0;
  #sincePingMs = 0;
  #lookedMs = performance.now();

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
    this.#lookedMs = performance.now();
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
    const now = performance.now();
    const passedMs = Math.min(now - this.#lookedMs, 2 * lookMs);
    this.#lookedMs = now;
    this.#bytes = bytes;
    this.#silentMs = alive ? passedMs : this.#silentMs + passedMs;
    // At the next look it would be too late.
    if (!alive && this.#silentMs + lookMs > this.#numbers.deadAfterMs) {
      return this.#watched.onDead(Math.round(this.#silentMs));
    }
    this.#sincePingMs += passedMs;
    if (this.#sincePingMs >= this.#numbers.pingIntervalMs) {
      this.#sincePingMs = 0;
      this.#watched.ping();
    }
    this.#schedule();
  }
}
