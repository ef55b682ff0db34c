import assert from "node:assert/strict";
import { CONTENDER_GONE_MS, FLAP_WINDOW_MS, FlapRule } from "./flap_rule.ts";

function rule() {
  const clock = { nowMs: 1_000_000 };
  return { clock, flap: new FlapRule(() => clock.nowMs) };
}

Deno.test("FlapRule refuses the newcomer after three turns of two living instances", () => {
  const { flap } = rule();
  assert.equal(flap.replaced("a", "b"), undefined);
  assert.equal(flap.refuses("b", "a"), false);
  assert.deepEqual(flap.replaced("b", "a"), { turns: 2, refusing: false });
  assert.equal(flap.refuses("a", "b"), false);
  assert.deepEqual(flap.replaced("a", "b"), { turns: 3, refusing: true });
  assert.equal(flap.refuses("b", "a"), true);
  assert.equal(flap.refuses("b", "c"), true, "nobody else gets in either");
  assert.equal(flap.refuses("b", "b"), false, "the holder may always reconnect");
});

Deno.test("FlapRule never blames a server that only restarts", () => {
  const { flap } = rule();
  for (const [from, to] of ["ab", "bc", "cd", "de", "ef"]) {
    assert.equal(flap.replaced(from!, to!), undefined);
  }
  assert.equal(flap.refuses("f", "g"), false);
});

Deno.test("FlapRule cannot judge servers without an instance, nor a reconnect", () => {
  const { flap } = rule();
  for (let i = 0; i < 10; i++) {
    assert.equal(flap.replaced("", ""), undefined);
    assert.equal(flap.replaced("a", "a"), undefined);
    assert.equal(flap.replaced("a", ""), undefined);
    assert.equal(flap.replaced("", "a"), undefined);
  }
  assert.equal(flap.refuses("a", ""), false);
});

Deno.test("FlapRule forgets turns after the window", () => {
  const { flap, clock } = rule();
  flap.replaced("a", "b");
  clock.nowMs += FLAP_WINDOW_MS;
  assert.equal(flap.replaced("b", "a"), undefined, "the first turn is too old to make a return");
  flap.replaced("a", "b");
  assert.equal(flap.refuses("b", "a"), false);
});

Deno.test("FlapRule lets a newcomer in once one of the two is gone", async (t) => {
  const fight = () => {
    const both = rule();
    both.flap.replaced("a", "b");
    both.flap.replaced("b", "a");
    both.flap.replaced("a", "b");
    return both;
  };
  await t.step("the holder", () => {
    const { flap } = fight();
    flap.end();
    assert.equal(flap.refuses("b", "a"), false);
  });
  await t.step("the contender", () => {
    const { flap, clock } = fight();
    clock.nowMs += CONTENDER_GONE_MS;
    assert.equal(flap.refuses("b", "a"), true, "it still tried in time");
    clock.nowMs += CONTENDER_GONE_MS + 1;
    assert.equal(flap.refuses("b", "c"), false);
  });
});
