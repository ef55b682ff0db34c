/**
 * The lock file says what is run: no command changes it on the way.
 */
import assert from "node:assert/strict";
import { Process, REPOSITORY } from "./support/process.ts";

Deno.test("A5: a command that the lock does not cover fails, and leaves it as it was", async () => {
  const dir = await Deno.makeTempDir({ prefix: "ghub-lock-" });
  try {
    const lock = JSON.parse(await Deno.readTextFile(`${REPOSITORY}deno.lock`));
    const [specifier] = Object.keys(lock.specifiers).filter((name) => name.startsWith("npm:ws@"));
    assert.ok(specifier);
    delete lock.specifiers[specifier];
    const before = JSON.stringify(lock);
    await Deno.writeTextFile(`${dir}/deno.lock`, before);
    await Deno.copyFile(`${REPOSITORY}deno.json`, `${dir}/deno.json`);
    await Deno.writeTextFile(`${dir}/main.ts`, 'import "ws";\n');
    for (const words of [["run", "-A"], ["bundle", "--output", "main.js"], ["check"]]) {
      const { code, stderr } = await Process.run([...words, "main.ts"], { cwd: dir });
      assert.notEqual(code, 0, words.join(" "));
      assert.match(stderr, /lockfile is out of date/, words.join(" "));
      assert.equal(await Deno.readTextFile(`${dir}/deno.lock`), before, words.join(" "));
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
