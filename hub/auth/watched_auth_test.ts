import assert from "node:assert/strict";
import { countSteps } from "../../tests/support/steps.ts";
import { WatchedAuth } from "./watched_auth.ts";

Deno.test("B10: a broken auth file is parsed once for each change of it", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/auth.yaml`;
    const good = "version: 1\nservers: []\n";
    Deno.writeTextFileSync(path, good);
    const auth = new WatchedAuth(path, { pollMs: 3_600_000 });
    try {
      Deno.writeTextFileSync(path, good + "x: [1]\n".repeat(2000));
      await assert.rejects(auth.look(), /is there twice/);
      const again = await countSteps(() => assert.rejects(auth.look(), /is there twice/));
      assert.ok(again < 20_000, `${again} steps`);
      Deno.writeTextFileSync(path, `${good}operators: []\n`);
      assert.equal(await auth.look(), true);
    } finally {
      auth.close();
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
