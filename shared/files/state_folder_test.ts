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

if (Deno.uid() !== 0) console.warn("SKIPPED: only root can give files to another user");

Deno.test({
  name: "D1: a state folder of somebody else's, or that somebody else could swap, is refused",
  ignore: Deno.uid() !== 0,
  async fn(t) {
    const dir = await Deno.makeTempDir();
    const other = 12_345;
    const table: [what: string, prepare: (at: string) => void, says: RegExp | undefined][] = [
      ["planted by another user", (at) => {
        Deno.mkdirSync(`${at}/state`);
        Deno.chownSync(`${at}/state`, other, other);
      }, /belongs to user 12345/],
      ["below a folder of another user", (at) => {
        Deno.mkdirSync(`${at}/theirs/state`, { recursive: true });
        Deno.chownSync(`${at}/theirs`, other, other);
        Deno.symlinkSync(`${at}/theirs/state`, `${at}/state`);
      }, /theirs belongs to user 12345/],
      ["by a link of another user", (at) => {
        Deno.mkdirSync(`${at}/real`, { mode: 0o700 });
        Deno.symlinkSync(`${at}/real`, `${at}/state`);
        new Deno.Command("chown", { args: ["-h", String(other), `${at}/state`] }).outputSync();
      }, /state belongs to user 12345, who could put/],
      ["below a folder that others may write", (at) => {
        Deno.mkdirSync(`${at}/open`);
        Deno.chmodSync(`${at}/open`, 0o777);
        Deno.symlinkSync(`${at}/open/state`, `${at}/state`);
        Deno.mkdirSync(`${at}/open/state`, { mode: 0o700 });
      }, /others may change .*open; run: chmod go-w/],
      ["by a link that leads to itself", (at) => {
        Deno.symlinkSync(`${at}/state`, `${at}/state`);
      }, /./],
      ["by a link of root's, as systemd makes it", (at) => {
        Deno.mkdirSync(`${at}/private/state`, { recursive: true, mode: 0o700 });
        Deno.symlinkSync("private/state", `${at}/state`);
      }, undefined],
      ["in a folder like /tmp", (at) => Deno.chmodSync(at, 0o1777), undefined],
    ];
    for (const [i, [what, prepare, says]] of table.entries()) {
      await t.step(what, () => {
        const at = `${dir}/${i}`;
        Deno.mkdirSync(at, { mode: 0o755 });
        prepare(at);
        if (says === undefined) openStateFolder(`${at}/state`);
        else assert.throws(() => openStateFolder(`${at}/state`), says);
      });
    }
    await Deno.remove(dir, { recursive: true });
  },
});
