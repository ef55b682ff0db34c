import assert from "node:assert/strict";
import { generateCertificate } from "./generate.ts";
import { loadCertificate, MAX_PEM_BYTES } from "./load.ts";

/** A folder with the given files, removed afterwards. */
async function folder(files: Record<string, string>) {
  const dir = await Deno.makeTempDir();
  for (const [name, text] of Object.entries(files)) {
    await Deno.writeTextFile(`${dir}/${name}`, text, { mode: 0o600 });
  }
  return { dir, [Symbol.asyncDispose]: () => Deno.remove(dir, { recursive: true }) };
}

const { cert, key } = await generateCertificate(["localhost"]);
const other = await generateCertificate(["localhost"]);

Deno.test("loadCertificate finds the key beside the certificate", async (t) => {
  const cases: [certName: string, keyName: string][] = [
    ["test.crt", "test.key"],
    ["test.cert", "test.key"],
    ["test.cer", "test.key"],
    ["test", "test.key"],
    ["test.example", "test.example.key"],
    ["test.pem", "test-key.pem"],
    ["test.pem", "test.key"],
  ];
  for (const [certName, keyName] of cases) {
    await t.step(`${certName} → ${keyName}`, async () => {
      await using files = await folder({ [certName]: cert, [keyName]: key });
      const loaded = await loadCertificate(`${files.dir}/${certName}`);
      assert.equal(loaded.keyFile, `${files.dir}/${keyName}`);
      assert.equal(loaded.cert, cert);
      assert.equal(loaded.key, key);
      assert.ok(loaded.notAfter.getTime() > Date.now());
    });
  }
});

Deno.test("loadCertificate takes both from one file, whichever comes first", async (t) => {
  for (const text of [cert + key, key + cert]) {
    await t.step(text.slice(0, 30), async () => {
      await using files = await folder({ "both.pem": text });
      const loaded = await loadCertificate(`${files.dir}/both.pem`);
      assert.equal(loaded.keyFile, loaded.certFile);
    });
  }
});

Deno.test("loadCertificate prefers a key file that is named", async () => {
  await using files = await folder({ "a.crt": cert, "a.key": other.key, "b.key": key });
  const loaded = await loadCertificate(`${files.dir}/a.crt`, { keyFile: `${files.dir}/b.key` });
  assert.equal(loaded.key, key);
});

Deno.test("loadCertificate names the file and what is wrong with it", async (t) => {
  const encrypted = key.replaceAll("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
  const cases: [name: string, files: Record<string, string>, message: RegExp][] = [
    ["no certificate file", {}, /Cannot read certificate ".*\/a\.crt": there is no such file/],
    ["no key file", { "a.crt": cert }, /Cannot find the private key .*"[^"]*\/a\.key"\. Name it/],
    [
      "an empty certificate",
      { "a.crt": "" },
      /".*a\.crt": there is no certificate in it: the file is empty$/,
    ],
    [
      "a key as certificate",
      { "a.crt": key },
      /".*a\.crt": there is no certificate in it: this is a private key/,
    ],
    [
      "a certificate as key",
      { "a.crt": cert, "a.key": cert },
      /private key ".*a\.key": there is none in PEM or DER/,
    ],
    [
      "another's key",
      { "a.crt": cert, "a.key": other.key },
      /"[^"]*a\.key" belongs to another.* --tls-key-file/,
    ],
    ["an encrypted key", { "a.crt": cert, "a.key": encrypted }, /a\.key": it is encrypted/],
    [
      "a damaged key",
      { "a.crt": cert, "a.key": key.replace(/\nM.{30}/, "\nMIGH") },
      /Cannot read private key ".*a\.key": it is damaged/,
    ],
    [
      "a damaged certificate",
      { "a.crt": cert.replace(/\nM.{30}/, "\nMIIB") },
      /Cannot read certificate ".*a\.crt": it is damaged/,
    ],
    ["a huge file", { "a.crt": " ".repeat(MAX_PEM_BYTES + 1) }, /more than 1048576 bytes/],
  ];
  for (const [name, texts, message] of cases) {
    await t.step(name, async () => {
      await using files = await folder(texts);
      await assert.rejects(loadCertificate(`${files.dir}/a.crt`), { message });
    });
  }
  await t.step("a key that others may read", async () => {
    await using files = await folder({ "a.crt": cert, "a.key": key, "both.pem": cert + key });
    for (const [certName, keyName] of [["a.crt", "a.key"], ["both.pem", "both.pem"]]) {
      await Deno.chmod(`${files.dir}/${keyName}`, 0o644);
      await assert.rejects(
        loadCertificate(`${files.dir}/${certName}`),
        /Cannot use private key ".*": others may read it; run: chmod 600/,
      );
    }
  });
  await t.step(
    "a folder",
    () =>
      assert.rejects(loadCertificate("."), {
        message: 'Cannot read certificate ".": it is a folder',
      }),
  );
});
