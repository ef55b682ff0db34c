/**
 * `deno task NAME --help` tells what a task does, and does nothing of it.
 *
 * @module
 */
import assert from "node:assert/strict";
import config from "../deno.json" with { type: "json" };
import { REPOSITORY } from "./support/process.ts";

Deno.test("deno task NAME --help prints how it is used, and runs nothing", async (t) => {
  for (const [name, { command }] of Object.entries(config.tasks)) {
    await t.step(name, async () => {
      const child = new Deno.Command(Deno.execPath(), {
        args: ["task", "--quiet", name, "--help"],
        cwd: REPOSITORY,
      });
      const { code, stdout, stderr } = await child.output();
      const text = new TextDecoder().decode(stdout);
      assert.equal(code, 0, new TextDecoder().decode(stderr));
      assert.match(text, /^(?:.*\n){0,3}Usage:/, command);
      assert.doesNotMatch(command, /&&|;|\|/, "--help would reach the last command alone");
    });
  }
});
