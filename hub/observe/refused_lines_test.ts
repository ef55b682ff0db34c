import assert from "node:assert/strict";
import { SharedTally, tallyMemory } from "../../shared/memory/shared_tally.ts";
import {
  LINES_PER_SOURCE,
  MAX_LINES,
  MAX_SUMS,
  PERIOD_MS,
  type Refused,
  RefusedLines,
  type RefusedSum,
} from "./refused_lines.ts";

function begin(joint?: SharedTally) {
  const world = { nowMs: 1_000_000, sums: [] as RefusedSum[] };
  const lines = new RefusedLines({
    joint,
    now: () => world.nowMs,
    onSum: (sum) => world.sums.push({ ...sum }),
  });
  const refuse = (peer: string, more: Partial<Refused> = {}) =>
    lines.take({ kind: "call", who: "", peer, status: "UNAUTHENTICATED", reason: "No", ...more });
  const pass = (ms: number) => {
    world.nowMs += ms;
    lines.tick();
  };
  return { world, lines, refuse, pass };
}

Deno.test("B2: an address that is refused often has some lines in a minute, and one that tells the rest", () => {
  const { world, refuse, pass } = begin();
  const own = Array.from({ length: 4_711 }, (_, i) => refuse(`192.0.2.7:${i}`)).filter(Boolean);
  assert.equal(own.length, LINES_PER_SOURCE);
  assert.ok(refuse("192.0.2.8:1"), "another address has lines of its own");
  pass(PERIOD_MS - 1);
  assert.deepEqual(world.sums, []);
  pass(1);
  assert.deepEqual(world.sums, [{
    kind: "call",
    who: "",
    peer: "192.0.2.7",
    status: "UNAUTHENTICATED",
    reason: "No",
    times: 4_711 - LINES_PER_SOURCE,
    sinceMs: 1_000_000,
  }]);
  assert.ok(refuse("192.0.2.7:1"), "the next minute is another one");
});

Deno.test("B2: however many addresses are refused, the lines of a minute are bounded, and nothing is lost", () => {
  const { world, lines, refuse } = begin();
  const all = 20_000;
  let own = 0;
  for (let i = 0; i < all; i++) {
    const kind = i % 2 === 0 ? "call" : "registration";
    own += Number(refuse(`[2001:db8:${(i >> 2).toString(16)}::1]:443`, { kind }));
  }
  assert.equal(own, MAX_LINES);
  lines.flush();
  assert.ok(world.sums.length <= MAX_SUMS + 2, `${world.sums.length} sums`);
  assert.equal(world.sums.reduce((sum, { times }) => sum + times, 0), all - own);
});

Deno.test("B2: a server that was let in and may not have its name is counted by its entry", () => {
  const { world, lines, refuse } = begin();
  const kind = "registration";
  for (let i = 0; i <= LINES_PER_SOURCE; i++) refuse(`192.0.2.${i}:1`, { who: "fleet", kind });
  assert.ok(refuse("192.0.2.1:1", { kind }), "its neighbours are not");
  lines.flush();
  assert.deepEqual(world.sums.map(({ who, times }) => [who, times]), [["fleet", 1]]);
});

Deno.test("B2: an address has its lines once, however many workers refuse it", () => {
  const memory = tallyMemory(MAX_LINES);
  const [one, other] = [1, 2].map(() => begin(new SharedTally(memory))) as [
    ReturnType<typeof begin>,
    ReturnType<typeof begin>,
  ];
  let own = 0;
  for (let i = 0; i < 100; i++) {
    own += Number(one.refuse(`192.0.2.7:${i}`)) + Number(other.refuse(`192.0.2.7:${i}`));
  }
  assert.equal(own, LINES_PER_SOURCE);
  for (const { pass } of [one, other]) pass(PERIOD_MS);
  const sums = [...one.world.sums, ...other.world.sums];
  assert.equal(sums.reduce((sum, { times }) => sum + times, 0), 200 - LINES_PER_SOURCE);
  assert.ok(other.refuse("192.0.2.7:1"), "the next minute is another one");
});
