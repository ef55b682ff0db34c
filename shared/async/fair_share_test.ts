import assert from "node:assert/strict";
import { FairShare } from "./fair_share.ts";

/** Takes all that somebody gets. */
function takeAll(places: FairShare, who: string): Disposable[] {
  const taken: Disposable[] = [];
  for (let place; (place = places.take(who)) !== undefined;) taken.push(place);
  return taken;
}

Deno.test("FairShare leaves a part to those who come later, however many took all they could", () => {
  const places = new FairShare(1000);
  const counts = ["a", "b", "c", "d"].map((who) => takeAll(places, who).length);
  assert.deepEqual(counts, [750, 188, 47, 12]);
  assert.ok(places.take("e"));
});

Deno.test("FairShare gives a place back once, to whoever comes next", () => {
  const places = new FairShare(4);
  const [first, ...others] = takeAll(places, "a");
  assert.equal(others.length, 2);
  first![Symbol.dispose]();
  first![Symbol.dispose]();
  assert.equal(takeAll(places, "a").length, 1);
  for (const place of others) place[Symbol.dispose]();
  assert.equal(takeAll(places, "a").length, 2);
});
