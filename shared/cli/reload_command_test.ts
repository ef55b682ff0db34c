import assert from "node:assert/strict";
import { runProgram } from "./program.ts";
import { reloadCommand } from "./reload_command.ts";
import { serveReload } from "./reload_socket.ts";

Deno.test("reload asks in each folder in which the service may keep its state, and names them all", async (t) => {
  const dir = await Deno.makeTempDir({ prefix: "ghub-reload-" });
  const folders = [`${dir}/service`, `${dir}/shell`];
  for (const folder of folders) await Deno.mkdir(folder, { mode: 0o700 });
  const reload = async (...args: string[]) => {
    const [texts, { signal }] = [["", ""], new AbortController()];
    const output = (at: number) => ({
      isTerminal: false,
      color: false,
      write: (text: string) => Promise.resolve(void (texts[at] += text)),
    });
    const code = await runProgram(
      {
        name: "gthing",
        envPrefix: "GTHING",
        version: "1.2.3",
        summary: "Does things",
        commands: [reloadCommand({ program: "gthing", stateDirs: () => folders })],
      },
      ["reload", ...args],
      { env: {}, signal, io: { stdout: output(0), stderr: output(1) } },
    );
    return { code, out: texts[0]!, err: texts[1]! };
  };
  try {
    await t.step("none answers", async () => {
      const { code, err } = await reload();
      assert.equal(code, 1);
      for (const folder of folders) assert.ok(err.includes(`${folder}/reload.sock`), err);
      assert.match(err, /\nhint: .*--state-dir/);
    });
    using _ = serveReload(folders[1]!, () => Promise.resolve({ parts: [], failed: 0 }));
    await t.step("the second one answers", async () => {
      assert.deepEqual(await reload(), { code: 0, out: "", err: "" });
    });
    await t.step("a folder that is named is the only one", async () => {
      const { code, err } = await reload("--state-dir", folders[0]!);
      assert.equal(code, 1);
      assert.ok(!err.includes(folders[1]!), err);
    });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
