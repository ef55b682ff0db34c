import assert from "node:assert/strict";
import { openToken } from "./token_file.ts";

async function inFolder(test: (folder: string) => void | Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("openToken() makes a token once, for its owner alone", () =>
  inFolder((folder) => {
    const path = `${folder}/join.token`;
    const token = openToken(path);
    assert.match(token, /^[A-Za-z0-9_-]{43}$/);
    assert.equal(openToken(path), token);
    assert.equal(Deno.statSync(path).mode! & 0o777, 0o600);
    assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["join.token"]);
    assert.notEqual(openToken(`${folder}/operator.token`), token);
  }));

Deno.test("openToken() takes a token that a person wrote", () =>
  inFolder((folder) => {
    const path = `${folder}/join.token`;
    Deno.writeTextFileSync(path, `${"k".repeat(32)}\r\n`, { mode: 0o600 });
    assert.equal(openToken(path), "k".repeat(32));
  }));

Deno.test("openToken() refuses what is not safe", async (t) => {
  const bad: [what: string, text: string, mode: number, says: RegExp][] = [
    ["readable by others", "k".repeat(40), 0o644, /others may read it; run: chmod 600 \/.*token$/],
    ["writable by the group", "k".repeat(40), 0o620, /chmod 600/],
    ["empty", "", 0o600, /32 to 512/],
    ["short", "secret", 0o600, /32 to 512/],
    ["two lines", `${"k".repeat(40)}\n${"k".repeat(40)}`, 0o600, /32 to 512/],
    ["endless", "k".repeat(5000), 0o600, /more than 1024 bytes/],
  ];
  for (const [what, text, mode, says] of bad) {
    await t.step(what, () =>
      inFolder((folder) => {
        const path = `${folder}/join.token`;
        Deno.writeTextFileSync(path, text, { mode: 0o600 });
        Deno.chmodSync(path, mode);
        assert.throws(() => openToken(path), (error: Error) => {
          assert.match(error.message, says);
          assert.ok(!error.message.includes("kkk"), "a token is never shown");
          return true;
        });
      }));
  }
  await t.step("a folder that is none", () =>
    inFolder((folder) => {
      assert.throws(() => openToken(`${folder}/nowhere/join.token`), /Cannot write token file/);
    }));
});

Deno.test("openToken() gives processes that start together the same token", () =>
  inFolder(async (folder) => {
    const script = `import { openToken } from ${
      JSON.stringify(import.meta.resolve("./token_file.ts"))
    };
      console.log(openToken(${JSON.stringify(`${folder}/join.token`)}));`;
    await Deno.writeTextFile(`${folder}/open.ts`, script);
    const runs = Array.from({ length: 4 }, () =>
      new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "--no-check", "--quiet", `${folder}/open.ts`],
      }).output());
    const outputs = (await Promise.all(runs)).map(({ stdout }) => new TextDecoder().decode(stdout));
    assert.equal(outputs[0]!.length, 44);
    assert.equal(new Set(outputs).size, 1);
  }));
