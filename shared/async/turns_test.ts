import assert from "node:assert/strict";
import { loopTurn, MAX_TURN_MS, Turns } from "./turns.ts";

/** Turns whose clock is the work that is done. */
function world() {
  let nowMs = 0;
  const turns = new Turns({ now: () => nowMs });
  /** Works without a pause but for the turns; writes down its name for each piece of work. */
  const work = async (name: string, pieces: number, done: string[]) => {
    for (let i = 0; i < pieces; i++) {
      if (turns.isOver()) {
        await turns.next();
        done.push(" ");
      }
      nowMs++;
      done.push(name);
    }
  };
  return { turns, work };
}

Deno.test("B2: who works without a pause lets the event loop look at its sockets", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const near = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  const far = await listener.accept();
  const echo = async () => {
    const buffer = new Uint8Array(1);
    for (let i = 0; i < 20; i++) {
      await near.write(buffer);
      await far.read(buffer);
    }
  };
  let over = false;
  const echoed = echo().then(() => over = true);
  let turns = 0;
  // By setImmediate it would be more than sixty for each of them.
  for (; !over && turns < 400; turns++) await loopTurn();
  await echoed;
  for (const conn of [near, far, listener]) conn.close();
  assert.ok(turns < 400, `${turns} turns`);
});

Deno.test("B2: timers fire also where the other thread is done before the event loop rests", async () => {
  const { digest } = crypto.subtle;
  crypto.subtle.digest = () => Promise.resolve(new ArrayBuffer(0));
  try {
    let fired = false;
    const timer = setTimeout(() => fired = true, 0);
    let turns = 0;
    for (; !fired && turns < 400; turns++) await loopTurn();
    clearTimeout(timer);
    assert.ok(turns < 20, `${turns} turns`);
  } finally {
    crypto.subtle.digest = digest;
  }
});

Deno.test("B2: many who work without a pause have one turn each, one after the other", async () => {
  const { work } = world();
  const done: string[] = [];
  await Promise.all(["a", "b", "c"].map((name) => work(name, 3 * MAX_TURN_MS, done)));
  const turn = (name: string) => name.repeat(MAX_TURN_MS);
  assert.equal(done.join(""), ["a", "a", "b", "c", "a", "b", "c", "b", "c"].map(turn).join(" "));
});

Deno.test("Turns ask nobody to wait who does little", async () => {
  let nowMs = 0;
  const turns = new Turns({ now: () => nowMs });
  assert.equal(turns.isOver(), false);
  nowMs += MAX_TURN_MS - 1;
  assert.equal(turns.isOver(), false);
  nowMs++;
  assert.equal(turns.isOver(), true);
  await turns.next();
  assert.equal(turns.isOver(), false);
});
