import assert from "node:assert/strict";
import { fluentdCommand } from "../../tests/support/fluentd.ts";
import { Process } from "../../tests/support/process.ts";
import { keepCompiledFiles, sharedFolder } from "./compiled_files.ts";

Deno.test({
  name: "Ruby loads what it has compiled before, and compiles what has changed",
  ignore: fluentdCommand() === undefined,
  fn: async () => {
    await using cleanup = new AsyncDisposableStack();
    const folder = await sharedFolder(cleanup);
    const env = await keepCompiledFiles(folder);
    const dir = await Deno.makeTempDir({ prefix: "ghub-ruby-" });
    cleanup.defer(() => Deno.remove(dir, { recursive: true }));
    const path = `${dir}/said.rb`;
    const run = () => Process.output("ruby", ["-e", `require "${path}"`], { env });
    const kept = () => {
      const names = [...Deno.readDirSync(folder)].map(({ name }) => name);
      return names.filter((name) => name.includes("said.rb"));
    };

    await Deno.writeTextFile(path, "puts __FILE__, __LINE__");
    const first = await run();
    assert.deepEqual([first.code, first.stdout], [0, `${path}\n1\n`], first.stderr);
    assert.equal(kept().length, 1);
    assert.deepEqual(await run(), first);
    assert.equal(kept().length, 1);

    await Deno.writeTextFile(path, "\nputs __LINE__, 'changed'");
    assert.equal((await run()).stdout, "2\nchanged\n");

    // What is wrong is told as ever.
    await Deno.writeTextFile(path, "def x(\n");
    const wrong = await run();
    const without = { env: { RUBYOPT: "" } };
    assert.notEqual(wrong.code, 0);
    assert.deepEqual(wrong, await Process.output("ruby", ["-e", `require "${path}"`], without));

    // And without the folder's files, all of it still runs.
    for (const name of kept()) await Deno.writeTextFile(`${folder}/${name}`, "broken");
    await Deno.writeTextFile(path, "\nputs __LINE__, 'changed'");
    assert.equal((await run()).stdout, "2\nchanged\n");
  },
});
