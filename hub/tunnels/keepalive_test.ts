import assert from "node:assert/strict";
import type { CloseReason } from "../registry/tunnel.ts";
import { LOOK_MS, type Swept, TunnelKeepalive } from "./keepalive.ts";

const NUMBERS = { pingIntervalMs: 5_000, deadAfterMs: 15_000 };

/** Notes when what was done to it. */
class NotedTunnel implements Swept {
  lastByteMs: number;
  nextTickMs = 0;
  nextPingMs = 0;
  readonly pings: number[] = [];
  readonly ticks: number[] = [];
  readonly reasons: string[] = [];
  readonly #clock: { ms: number };

  constructor(clock: { ms: number }) {
    this.#clock = clock;
    this.lastByteMs = clock.ms;
  }

  ping(): void {
    this.pings.push(this.#clock.ms);
  }

  tick(): void {
    this.ticks.push(this.#clock.ms);
  }

  close({ reason }: CloseReason): void {
    this.reasons.push(reason);
  }
}

/** A sweep with a clock that is moved by hand. */
function world() {
  const clock = { ms: 1_000_000 };
  const sweep = new TunnelKeepalive({ ...NUMBERS, now: () => clock.ms });
  const tunnels: NotedTunnel[] = [];
  return {
    clock,
    tunnels,
    add() {
      const tunnel = new NotedTunnel(clock);
      tunnels.push(tunnel);
      return tunnel;
    },
    /** Looks for some time, each time `LOOK_MS` later. */
    run(ms: number, beforeLook = () => {}) {
      const end = clock.ms + ms;
      while (clock.ms < end) {
        clock.ms += LOOK_MS;
        beforeLook();
        sweep.look(tunnels);
      }
    },
    /** The process is stopped. */
    stop(ms: number) {
      clock.ms += ms;
    },
    look: () => sweep.look(tunnels),
  };
}

Deno.test("TunnelKeepalive spreads the pings of tunnels that came one after the other", () => {
  const { clock, tunnels, add, run } = world();
  run(5_000, add);
  for (const one of tunnels) one.pings.length = 0;
  run(10_000, () => {
    for (const tunnel of tunnels) tunnel.lastByteMs = clock.ms;
  });
  const perLook = new Map<number, number>();
  for (const ms of tunnels.flatMap(({ pings }) => pings)) {
    perLook.set(ms, (perLook.get(ms) ?? 0) + 1);
  }
  assert.equal(tunnels.length, 50);
  assert.ok(tunnels.every(({ pings }) => pings.length === 2), "each pings once per interval");
  assert.equal(Math.max(...perLook.values()), 1, "none pings together with another one");
});

Deno.test("TunnelKeepalive keeps them spread when it did not run for a while", () => {
  const { clock, tunnels, add, run, stop } = world();
  run(5_000, add);
  stop(12_345);
  run(1_000);
  for (const one of tunnels) one.pings.length = 0;
  run(10_000, () => {
    for (const tunnel of tunnels) tunnel.lastByteMs = clock.ms;
  });
  const times = tunnels.map(({ pings }) => pings[0]! % NUMBERS.pingIntervalMs);
  assert.equal(new Set(times.map((ms) => Math.ceil(ms / LOOK_MS))).size, tunnels.length);
});

Deno.test("TunnelKeepalive ticks once a second, and never twice for what it missed", () => {
  const { add, run, stop, clock } = world();
  const tunnel = add();
  const alive = () => void (tunnel.lastByteMs = clock.ms);
  run(10_100, alive);
  assert.equal(tunnel.ticks.length, 10);
  stop(5_000);
  run(1_000, alive);
  assert.equal(tunnel.ticks.length, 12, "one that is late, and the next one");
});

Deno.test("TunnelKeepalive closes who is silent, as exactly as it looks and never later", () => {
  const { add, run } = world();
  const tunnel = add();
  run(NUMBERS.deadAfterMs - 2 * LOOK_MS);
  assert.deepEqual(tunnel.reasons, []);
  run(LOOK_MS);
  assert.deepEqual(tunnel.reasons, ["No byte for 15 s"]);
});

Deno.test("TunnelKeepalive counts no time in which it did not run, until everybody had a second to be heard", () => {
  const { add, run, stop, look } = world();
  const tunnel = add();
  run(2_000);
  const pings = tunnel.pings.length;
  stop(20_000);
  look();
  assert.deepEqual(tunnel.reasons, []);
  assert.equal(tunnel.pings.length, pings + 1, "it is asked for a sign of life");
  run(900);
  assert.deepEqual(tunnel.reasons, []);
  run(LOOK_MS);
  assert.deepEqual(tunnel.reasons, ["No byte for 23 s"]);
});

Deno.test("TunnelKeepalive goes on when one tunnel throws", () => {
  const { add, run, clock } = world();
  const bad = add();
  const good = add();
  bad.tick = bad.ping = () => {
    throw new Error("A fault");
  };
  run(3_000, () => void (good.lastByteMs = bad.lastByteMs = clock.ms));
  assert.equal(good.ticks.length, 2);
});
