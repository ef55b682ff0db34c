import assert from "node:assert/strict";
import { Heartbeat, type Watched } from "./heartbeat.ts";

const NUMBERS = { pingIntervalMs: 10, deadAfterMs: 60 };

/** A peer whose bytes a test controls at each look. */
function watched(onLook: (look: number) => { bytes: number; paused?: boolean }) {
  const dead = Promise.withResolvers<number>();
  let looks = 0;
  let pings = 0;
  let now = { bytes: 0, paused: false };
  const peer: Watched = {
    bytesRead() {
      now = { paused: false, ...onLook(looks++) };
      return now.bytes;
    },
    paused: () => now.paused,
    ping: () => pings++,
    onDead: dead.resolve,
  };
  return { peer, dead: dead.promise, looks: () => looks, pings: () => pings };
}

Deno.test("Heartbeat reports a peer that was silent for deadAfterMs", async () => {
  const { peer, dead, pings } = watched(() => ({ bytes: 7 }));
  using _heartbeat = new Heartbeat(peer, NUMBERS);
  const silentMs = await dead;
  // Not at the look behind it: each may come late by as much as it is long.
  assert.ok(silentMs >= 45 && silentMs <= 60 + 10, `${silentMs}`);
  assert.ok(pings() >= 2 && pings() <= 6, `${pings()} pings`);
});

Deno.test("Heartbeat counts any byte as life", async () => {
  // One byte, so seldom that much of the silence had gone by: all but one look if each comes late.
  const { peer, dead, looks } = watched((look) => ({ bytes: Math.floor(Math.min(look, 70) / 5) }));
  using _heartbeat = new Heartbeat(peer, NUMBERS);
  await dead;
  assert.ok(looks() > 70, `${looks()} looks`);
});

Deno.test("Heartbeat does not count silence while nothing is read", async () => {
  const { peer, dead, looks } = watched((look) => ({ bytes: 0, paused: look < 40 }));
  using _heartbeat = new Heartbeat(peer, NUMBERS);
  await dead;
  assert.ok(looks() >= 40 + 4, `${looks()} looks`);
});

Deno.test("Heartbeat takes a look that comes late for two at most", async () => {
  const { peer, dead, looks } = watched((look) => {
    if (look === 3) {
      const end = performance.now() + 150; // the process was stopped
      while (performance.now() < end);
    }
    return { bytes: look <= 4 ? look : 4 };
  });
  using _heartbeat = new Heartbeat(peer, NUMBERS);
  await dead;
  assert.ok(looks() > 4 + 4, `${looks()} looks`);
});

Deno.test("Heartbeat follows new numbers at once", async () => {
  const { peer, dead } = watched(() => ({ bytes: 0 }));
  using heartbeat = new Heartbeat(peer, { pingIntervalMs: 3_600_000, deadAfterMs: 36_000_000 });
  heartbeat.numbers = NUMBERS;
  await dead;
});
