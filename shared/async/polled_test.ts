import assert from "node:assert/strict";
import { Polled } from "./polled.ts";

Deno.test("Polled looks one at a time, tells its own faults and throws those of others", async () => {
  const looks: PromiseWithResolvers<boolean>[] = [];
  const faults: string[] = [];
  let polled = 0;
  const told = Promise.withResolvers<void>();
  using watch = new Polled(() => {
    const look = Promise.withResolvers<boolean>();
    looks.push(look);
    return look.promise;
  }, {
    pollMs: 1,
    onFault: ({ message }) => void faults.push(message),
    onPolled: () => {
      polled++;
      told.resolve();
    },
  });
  const begun = async (number: number) => {
    while (looks.length < number) await new Promise((resolve) => setTimeout(resolve));
    return looks[number - 1]!;
  };
  const first = await begun(1);
  const mine = watch.look();
  // A timer that is due later than the next two looks would be.
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(looks.length, 1, "no timer and no other caller looks meanwhile");
  first.reject(new Error("broken"));
  await told.promise;
  assert.deepEqual([faults, polled], [["broken"], 1]);
  watch[Symbol.dispose]();
  (await begun(2)).reject(new Error("still broken"));
  await assert.rejects(mine, /still broken/);
  assert.deepEqual(faults, ["broken"], "who asks is told, and nobody else");
  const again = watch.look();
  (await begun(3)).resolve(true);
  assert.equal(await again, true);
});

Deno.test("two who ask Polled while it looks get a look each, one after the other", async () => {
  let atOnce = 0;
  let most = 0;
  let looks = 0;
  using watch = new Polled(async () => {
    looks++;
    most = Math.max(most, ++atOnce);
    await new Promise((resolve) => setTimeout(resolve));
    atOnce--;
    return true;
  }, { pollMs: 1_000_000, onFault: assert.fail });
  await Promise.all([watch.look(), watch.look(), watch.look()]);
  assert.deepEqual([looks, most], [3, 1]);
});
