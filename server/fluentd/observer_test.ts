import assert from "node:assert/strict";
import type { FluentdManager, Observation } from "./manager.ts";
import { Observer } from "./observer.ts";

Deno.test("Observer.glance() lets no look count that a newer one has overtaken", async () => {
  const looks: PromiseWithResolvers<Observation>[] = [];
  const manager = {
    observe() {
      const look = Promise.withResolvers<Observation>();
      looks.push(look);
      return look.promise;
    },
  } as Pick<FluentdManager, "observe"> as FluentdManager;
  const observer = new Observer({ manager });
  const { signal } = new AbortController();
  const unit = { id: "", activeState: "", subState: "", result: "", needsReload: false };
  const restarted = (restarts: number): Observation => (
    { supervisors: [], workers: [], others: [], unit: { ...unit, restarts } }
  );
  const first = observer.glance({ signal });
  looks[0]!.resolve(restarted(1));
  await first;
  const slow = observer.glance({ signal });
  const fast = observer.glance({ signal });
  looks[2]!.resolve(restarted(2));
  await fast;
  looks[1]!.resolve(restarted(1));
  assert.deepEqual(await slow, restarted(1));
  assert.equal(observer.history.restartsSince(0), 1);
});
