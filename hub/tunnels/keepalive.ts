/**
 * Looks after all tunnels: pings, silence, and what is done once a second.
 *
 * Every tunnel has times of its own, which go by when it came: what is due for ten thousand of
 * them is spread over the whole interval. Pinged all at once they would stall every call for most
 * of a second, and what the pings need would live long enough to fill the heap with old garbage.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { CloseReason } from "../registry/tunnel.ts";

/** How often all are looked at: how exactly silence and pings are kept. */
export const LOOK_MS = 100;
/** Silence is noticed this much early: a look later, and its time would be over. */
const SPARE_MS = 2 * LOOK_MS;
/** … and by no more than this part of it, where it is short. */
const MAX_SPARE = 0.1;
/** How often a tunnel ticks. */
const TICK_MS = 1_000;
/** What came while the hub did not run is read within this time. */
const LOOKS_TO_CATCH_UP = TICK_MS / LOOK_MS;

/** What is done to a tunnel. `OpenTunnel` fits. */
export interface Swept {
  /** When the last byte came in, by `performance.now()`. */
  readonly lastByteMs: number;
  /** Kept here by the sweep: when it ticks next; 0 before the first look. */
  nextTickMs: number;
  /** The same, for its pings. */
  nextPingMs: number;
  tick(): void;
  ping(): void;
  close(reason: CloseReason): void;
}

export interface TunnelSweepOptions {
  readonly pingIntervalMs: number;
  /** Silence of this length closes a tunnel. */
  readonly deadAfterMs: number;
  /** A clock in milliseconds that never goes back. @default performance.now */
  readonly now?: () => number;
}

/** Pings tunnels, closes those that are silent, and calls `tick()` of each once a second. */
export class TunnelKeepalive {
  readonly #pingIntervalMs: number;
  readonly #noticeMs: number;
  readonly #now: () => number;
  /** By how much the last looks were late, as a ring. */
  readonly #late = new Float64Array(LOOKS_TO_CATCH_UP);
  #looks = 0;
  #lastLookMs: number;

  constructor({ pingIntervalMs, deadAfterMs, now = () => performance.now() }: TunnelSweepOptions) {
    this.#pingIntervalMs = pingIntervalMs;
    this.#noticeMs = deadAfterMs - Math.min(SPARE_MS, deadAfterMs * MAX_SPARE);
    this.#now = now;
    this.#lastLookMs = now();
  }

  /** To be called each `LOOK_MS`. What goes wrong with one keeps no other from its turn. */
  look(tunnels: Iterable<Swept>): void {
    const now = this.#now();
    const lateMs = this.#lateMs(now);
    for (const tunnel of tunnels) {
      try {
        this.#lookAt(tunnel, now, lateMs);
      } catch (error) {
        getLogger(["hub", "tunnel"]).error(
          "The check of a tunnel hit an unexpected error: {error}",
          { error },
        );
      }
    }
  }

  /** Time of the last second in which we did not run: what came meanwhile may not be read yet. */
  #lateMs(now: number): number {
    this.#late[this.#looks++ % LOOKS_TO_CATCH_UP] = Math.max(0, now - this.#lastLookMs - LOOK_MS);
    this.#lastLookMs = now;
    return this.#late.reduce((sum, ms) => sum + ms, 0);
  }

  #lookAt(tunnel: Swept, now: number, lateMs: number): void {
    const silentMs = now - tunnel.lastByteMs;
    if (silentMs - lateMs > this.#noticeMs) {
      const reason = `No byte for ${Math.round(silentMs / 1000)} s`;
      return tunnel.close({ reason, by: "network" });
    }
    if (tunnel.nextTickMs === 0) {
      tunnel.nextTickMs = now + TICK_MS;
      // Early: until then nobody knows its round trip.
      tunnel.nextPingMs = now + Math.min(TICK_MS, this.#pingIntervalMs);
      return;
    }
    if (now >= tunnel.nextPingMs) {
      tunnel.nextPingMs = after(tunnel.nextPingMs, this.#pingIntervalMs, now);
      tunnel.ping();
    }
    if (now >= tunnel.nextTickMs) {
      tunnel.nextTickMs = after(tunnel.nextTickMs, TICK_MS, now);
      tunnel.tick();
    }
  }
}

/** The next time after `now`. Times that were missed are left out, so that nobody catches up with anybody. */
function after(dueMs: number, everyMs: number, now: number): number {
  return dueMs + everyMs * (Math.floor((now - dueMs) / everyMs) + 1);
}
