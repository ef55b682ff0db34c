/**
 * A Fluentd that cannot run, or was killed.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { fluentd_v1_FluentdState as FluentdState } from "../../shared/gen/types.ts";
import { simpleConfig } from "../support/fluentd.ts";
import { hasEnded, isListening, kill } from "../support/kept_fluentd.ts";
import { until } from "../support/until.ts";
import { BROKEN, type Case, healthy, started, stopped, team } from "./case.ts";

/** Looks at a crash loop, one after the other. */
const LOOKS = 20;

export const troubles: readonly Case[] = [
  ["a busy port is a crash loop with its cause, never HEALTHY, and heals", async (kept) => {
    await stopped(kept);
    const { client } = kept;
    const port = kept.freePort();
    {
      await using _ = await kept.occupy(port);
      await kept.write(simpleConfig({ port }));
      const first = await client.start();
      assert.deepEqual([first.status, first.failure?.reason], ["FAILED", "CRASH_LOOP"]);
      assert.match(first.failure?.message ?? "", /Address already in use/);
      assert.match(first.failure?.logTail?.join("\n") ?? "", /EADDRINUSE/);
      assert.ok(first.after?.supervisor?.pid, "it still tries");
      const healths = new Set<FluentdState["health"]>();
      for (let i = 0; i < LOOKS; i++) healths.add((await client.status()).health);
      // On a slow machine one look in many may fall into a worker's start, and says so.
      healths.delete("STARTING");
      assert.deepEqual([...healths], ["CRASH_LOOP"]);
      const again = await client.start();
      assert.deepEqual([again.status, again.failure?.reason], ["FAILED", "CRASH_LOOP"]);
      assert.equal(again.after?.supervisor?.pid, first.after.supervisor.pid, "no second start");
    }
    await healthy(kept);
    assert.ok(await isListening(kept, port));
    assert.equal((await client.start()).status, "NOCHANGE");
  }],
  [
    "G12: one that ends at once is told with its words, and starts when it is mended",
    async (kept) => {
      await stopped(kept);
      const { client } = kept;
      await kept.write(BROKEN);
      const first = await client.start({ skipValidate: true });
      const { reason = "", message = "", logTail = [] } = first.failure ?? {};
      assert.equal(first.status, "FAILED");
      // systemd starts it again, and a look may come before it has given up.
      assert.match(reason, kept.manager === "SPAWN" ? /^EXITED$/ : /^(EXITED|CRASH_LOOP)$/);
      assert.match(message, /expected|line 3/);
      assert.ok(logTail.length > 0);
      const state = await until("STOPPED", async () => {
        const state = await client.status();
        return state.health === "STOPPED" ? state : undefined;
      });
      if (kept.manager === "SYSTEMD") {
        assert.equal(state.activeState, "failed");
        assert.ok((state.restartsTotal ?? 0) >= 3, "naive: it has died often enough for a loop");
      }
      await kept.write(simpleConfig({ port: kept.freePort() }));
      const mended = await client.start();
      assert.equal(mended.status, "SUCCESS", mended.failure?.message ?? "");
    },
  ],
  ["after kill -9 of the supervisor the truth is told, and Stop leaves nothing", async (kept) => {
    const port = kept.freePort();
    const { client, afterKill } = kept;
    const before = await started(kept, simpleConfig({ port }));
    await kill(kept, before.supervisor?.pid);
    await until("its end", async () => await hasEnded(kept, before.supervisor?.pid));
    const state = await until(afterKill, async () => {
      const state = await client.status();
      const other = state.supervisor?.pid !== before.supervisor?.pid;
      assert.ok(other || state.health !== "HEALTHY", "one that has ended is not HEALTHY");
      assert.notEqual(state.health, "STOPPED", "something lives, or systemd starts it again");
      return other && state.health === afterKill ? state : undefined;
    });
    if (afterKill === "ORPHANED") {
      assert.deepEqual(team(state), [undefined, before.workers?.[0]?.pid]);
      const again = await client.start();
      assert.deepEqual([again.status, again.failure?.reason], ["FAILED", "ORPHANED"]);
    } else {
      assert.ok((state.restartsTotal ?? 0) > (before.restartsTotal ?? 0), "it is counted");
    }
    const { status, killed = false, after, failure } = await client.stop();
    assert.deepEqual([status, killed], ["SUCCESS", false], failure?.message ?? "");
    assert.deepEqual([after?.health, after?.workers ?? []], ["STOPPED", []]);
    assert.equal(await isListening(kept, port), false);
  }],
];
