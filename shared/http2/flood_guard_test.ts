import assert from "node:assert/strict";
import { FLOOD_LIMITS, FloodGuard, type FloodKind, MAX_UNSENT_ANSWERS } from "./flood_guard.ts";
import { ErrorCode } from "./frames.ts";

const CALM = { name: "Http2Error", code: ErrorCode.ENHANCE_YOUR_CALM };

Deno.test("FloodGuard.count() allows each kind its limit per tick, and counts kinds apart", () => {
  const guard = new FloodGuard();
  const kinds = Object.keys(FLOOD_LIMITS) as FloodKind[];
  for (let second = 0; second < 2; second++) {
    for (const kind of kinds) {
      for (let i = 0; i < FLOOD_LIMITS[kind]; i++) guard.count(kind);
    }
    for (const kind of kinds) assert.throws(() => guard.count(kind), CALM, kind);
    guard.tick();
  }
});

Deno.test("FloodGuard.countAnswer() allows so many until they are taken; a tick changes nothing", () => {
  const guard = new FloodGuard();
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < MAX_UNSENT_ANSWERS; i++) guard.countAnswer();
    guard.tick();
    assert.throws(() => guard.countAnswer(), CALM);
    guard.taken();
  }
});

Deno.test("a peer that speaks for many has limits of its own, others stay", () => {
  const guard = new FloodGuard({ rapidReset: Infinity });
  for (let n = 0; n <= FLOOD_LIMITS.rapidReset; n++) guard.count("rapidReset");
  for (let n = 0; n < FLOOD_LIMITS.settings; n++) guard.count("settings");
  assert.throws(() => guard.count("settings"), /Too many frames at once: settings/);
});
