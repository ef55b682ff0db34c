import assert from "node:assert/strict";
import { saveCertificate } from "./save.ts";

const pair = { cert: "cert", key: "key" };

Deno.test("saveCertificate writes a key that only its owner can read, whatever was there", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const files = { certFile: `${dir}/a.crt`, keyFile: `${dir}/a.key` };
    await Deno.writeTextFile(files.keyFile, "old", { mode: 0o644 });
    saveCertificate(pair, { ...files, force: true });
    assert.equal(await Deno.readTextFile(files.keyFile), "key");
    assert.equal(await Deno.readTextFile(files.certFile), "cert");
    assert.equal((await Deno.stat(files.keyFile)).mode! & 0o777, 0o600);
    const names = (await Array.fromAsync(Deno.readDir(dir))).map(({ name }) => name).sort();
    assert.deepEqual(names, ["a.crt", "a.key"]);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("saveCertificate leaves both files alone if one is there already", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const files = { certFile: `${dir}/a.crt`, keyFile: `${dir}/a.key` };
    await Deno.writeTextFile(files.certFile, "old");
    assert.throws(() => saveCertificate(pair, files), Deno.errors.AlreadyExists);
    assert.equal(await Deno.readTextFile(files.certFile), "old");
    await assert.rejects(Deno.stat(files.keyFile), Deno.errors.NotFound);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
