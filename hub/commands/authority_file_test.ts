import assert from "node:assert/strict";
import { generateAuthority, signerOf } from "../../shared/tls/authority.ts";
import { generateCertificate } from "../../shared/tls/generate.ts";
import { authorityFile } from "./authority_file.ts";

Deno.test("authorityFile() tells what peers need to trust the hub", async (t) => {
  const authority = await generateAuthority("Example");
  const own = await generateCertificate(["hub.example"]);
  const signed = await generateCertificate(["hub.example"], {
    authority: await signerOf(authority),
  });
  const folder = await Deno.makeTempDir();
  try {
    const file = `${folder}/hub.crt`;
    await t.step("the certificate itself", async () => {
      assert.deepEqual(await authorityFile(own.cert, file), { file });
    });
    await t.step("an authority that lies elsewhere is told by its name", async () => {
      assert.deepEqual(await authorityFile(signed.cert, file), { unknown: "CN=Example" });
    });
    await t.step("another authority that lies there is none", async () => {
      await Deno.writeTextFile(`${folder}/ca.crt`, (await generateAuthority("Example")).cert);
      assert.deepEqual(await authorityFile(signed.cert, file), { unknown: "CN=Example" });
    });
    await t.step("the authority next to it", async () => {
      await Deno.writeTextFile(`${folder}/ca.crt`, authority.cert);
      assert.deepEqual(await authorityFile(signed.cert, file), { file: `${folder}/ca.crt` });
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
