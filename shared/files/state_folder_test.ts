import assert from "node:assert/strict";
import { openStateFolder } from "./state_folder.ts";

Deno.test("openStateFolder() makes one for its owner, and refuses one that others may change", async (t) => {
  const dir = await Deno.makeTempDir();
  const path = `${dir}/a/state`;
  try {
    await t.step("that is not there", () => {
      openStateFolder(path);
      assert.equal(Deno.statSync(path).mode! & 0o777, 0o700);
    });
    for (const [mode, good] of [[0o700, true], [0o755, true], [0o775, false], [0o1777, false]]) {
      await t.step(`with mode ${mode!.toString(8)}`, () => {
        Deno.chmodSync(path, mode as number);
        if (good) openStateFolder(path);
        else assert.throws(() => openStateFolder(path), /others may change it; run: chmod go-w /);
      });
    }
    await t.step("whose place a file has", () => {
      Deno.writeTextFileSync(`${dir}/file`, "");
      assert.throws(() => openStateFolder(`${dir}/file`), /Cannot make state folder .*file/);
    });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
