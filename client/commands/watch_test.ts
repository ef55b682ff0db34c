import assert from "node:assert/strict";
import { hubTest, runClient } from "../testing/fake_hub.ts";

Deno.test("watch refuses what goes on by itself, and names it", async () => {
  for (const words of [["top"], ["hub", "activity"], ["hub", "activity-feed", "edge-1"]]) {
    const { code, err } = await runClient(["watch", ...words]);
    assert.equal(code, 2);
    const [, command] = /Nothing to watch: (.*) goes on by itself\nhint: Write "/.exec(err) ?? [];
    assert.equal(command, ["gclient", ...words].slice(0, words.length === 1 ? 2 : 3).join(" "));
  }
});

hubTest("watch on a terminal ends a command that prints without end", async (hub) => {
  const ended = Promise.withResolvers<void>();
  hub.script.activity = async function* () {
    try {
      for (;;) yield { kind: "CALL", reason: "x".repeat(60_000) } as never;
    } finally {
      ended.resolve();
    }
  };
  const line = ["watch", "call", "ghub.v1.Hub/WatchActivity", "-d", "{}", "-s", hub.address];
  const { code, err } = await runClient(line, { terminal: true, columns: 80 });
  assert.equal(code, 2);
  assert.match(err, /prints more than 1048576 characters.*\nhint: Run it without watch\n$/);
  assert.ok(err.length < 1000);
  await ended.promise;
});
