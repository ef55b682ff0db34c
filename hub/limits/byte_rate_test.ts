import assert from "node:assert/strict";
import { ByteRate, MIN_BYTES_PER_S, soleBucket, type Taker } from "./byte_rate.ts";

const KIB = 1 << 10;
const RATE = 1 << 20;
const BURST = RATE / 4;

/** Wants bytes until it has them. */
class Wants implements Taker {
  got = 0;
  readonly #rate: ByteRate;
  readonly #bytes: number;
  readonly #has = Promise.withResolvers<void>();

  constructor(rate: ByteRate, bytes: number) {
    this.#rate = rate;
    this.#bytes = bytes;
    this.onTokens();
  }

  onTokens(): void {
    this.got += this.#rate.take(this.#bytes - this.got, this);
    if (this.got < this.#bytes) this.#rate.wait(this);
    else this.#has.resolve();
  }

  get done(): Promise<void> {
    return this.#has.promise;
  }
}

Deno.test("ByteRate gives a burst, then what time brings", () => {
  let now = 0;
  const rate = new ByteRate(RATE, soleBucket(() => now));
  using _ = { [Symbol.dispose]: () => rate.close() };
  const taker: Taker = { onTokens() {} };
  assert.equal(rate.take(10 * RATE, taker), BURST);
  assert.equal(rate.take(KIB, taker), 0);
  assert.equal(rate.waiting, 1);
  now = 1_000_000; // However long it was idle.
  assert.equal(rate.isIdle, false, "somebody waits");
  assert.equal(rate.take(KIB, { onTokens() {} }), 0, "behind the one who waits");
});

Deno.test("ByteRate gives no crumbs, unless a crumb is wanted", () => {
  let now = 0;
  const rate = new ByteRate(RATE, soleBucket(() => now));
  using _ = { [Symbol.dispose]: () => rate.close() };
  rate.charge(BURST);
  now += 1; // A KiB and a bit.
  assert.equal(rate.take(100, { onTokens() {} }), 100);
  assert.equal(rate.take(64 * KIB, { onTokens() {} }), 0);
});

Deno.test("ByteRate lets the fault of one who waits end nobody else's turn", () => {
  const rate = new ByteRate(RATE, soleBucket(() => 0));
  rate.charge(BURST);
  let served = 0;
  rate.wait({
    onTokens() {
      throw new Error("a fault of one call");
    },
  });
  rate.wait({ onTokens: () => served++ });
  rate.close();
  assert.deepEqual([served, rate.waiting], [1, 0]);
});

Deno.test("ByteRate lets those who wait take turns, and is no faster than it says", async () => {
  // Stands still until all three wait: what a slow machine earned meanwhile would be the first one's.
  let elapsedMs = () => 0;
  const rate = new ByteRate(64 * RATE, soleBucket(() => elapsedMs()));
  rate.charge(64 * BURST);
  const wanted = 4 * RATE;
  const three = Array.from({ length: 3 }, () => new Wants(rate, wanted));
  assert.equal(rate.waiting, 3);
  const started = performance.now();
  elapsedMs = () => performance.now() - started;
  await three[0]!.done;
  for (const { got } of three) assert.ok(got >= wanted - 64 * KIB, `${got} of ${wanted}`);
  await Promise.all(three.map(({ done }) => done));
  const leastMs = 3 * wanted / (64 * RATE) * 1_000;
  assert.ok(performance.now() - started >= leastMs - 1);
  assert.equal(rate.waiting, 0);
});

Deno.test("ByteRate owes what was moved unasked, and says for how long", () => {
  let now = 0;
  const rate = new ByteRate(RATE, soleBucket(() => now));
  rate.charge(BURST + RATE);
  assert.equal(rate.debtMs, 1_000);
  now += 400;
  assert.equal(Math.round(rate.debtMs), 600);
  assert.equal(rate.isIdle, false);
  now += 600 + BURST / RATE * 1_000;
  assert.equal(rate.debtMs, 0);
  assert.equal(rate.isIdle, true);
});

Deno.test("ByteRate saves up no more than a burst, and a first window at least", () => {
  const slow = new ByteRate(MIN_BYTES_PER_S, soleBucket(() => 0));
  assert.equal(slow.take(RATE, { onTokens() {} }), MIN_BYTES_PER_S);
});

Deno.test("ByteRate.close() lets all go who wait", async () => {
  const rate = new ByteRate(MIN_BYTES_PER_S);
  const one = new Wants(rate, 100 * RATE);
  assert.equal(rate.waiting, 1);
  rate.close();
  await one.done;
});
