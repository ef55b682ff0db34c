/**
 * Counts what it disposes of: bundled and run by tests/bundle_test.ts. A bundler that keeps the
 * meaning leaves nothing behind.
 *
 * @module
 */

/** As the hub's tables of places are. */
class Places {
  taken = 0;

  take(): Disposable {
    this.taken++;
    return { [Symbol.dispose]: () => void this.taken-- };
  }
}

const places = new Places();

/** Used once, in the next statement: an inliner takes the name for one that nobody needs. */
async function once(): Promise<void> {
  using place = places.take();
  if (place === undefined) throw new Error("Nothing was taken");
  await Promise.resolve();
}

/** Never used. */
function never(): void {
  using _place = places.take();
}

/** At the end of a block that throws. */
function thrown(): void {
  try {
    using place = places.take();
    throw new Error(String(place));
  } catch {
    // As it must be.
  }
}

/** By a promise. */
async function later(): Promise<void> {
  await using place = { [Symbol.asyncDispose]: () => Promise.resolve(void places.taken--) };
  places.taken += place === undefined ? 0 : 1;
}

for (let i = 0; i < 5; i++) {
  await once();
  never();
  thrown();
  await later();
}
console.log(`left: ${places.taken}`);
