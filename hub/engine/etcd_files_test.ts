import assert from "node:assert/strict";
import { generateAuthority, signerOf } from "../../shared/tls/authority.ts";
import { generateCertificate } from "../../shared/tls/generate.ts";
import { etcdFilesPart } from "./etcd_files.ts";

Deno.test("etcdFilesPart() says what has changed, and of broken files why they cannot be used", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const files = {
      caFile: `${dir}/ca.crt`,
      certFile: `${dir}/hub.crt`,
      keyFile: `${dir}/hub.key`,
    };
    const write = async () => {
      const authority = await generateAuthority("etcd");
      const { cert, key } = await generateCertificate(["hub"], {
        authority: await signerOf(authority),
      });
      await Deno.writeTextFile(files.caFile, authority.cert);
      await Deno.writeTextFile(files.certFile, cert);
      await Deno.writeTextFile(files.keyFile, key, { mode: 0o600 });
    };
    await write();
    const part = etcdFilesPart(files);
    assert.equal(await part.look(), "unchanged");
    await write();
    assert.match(await part.look(), /in use for the next connection/);
    assert.equal(await part.look(), "unchanged");
    const { key } = await generateCertificate(["other"]);
    await Deno.writeTextFile(files.keyFile, key);
    await assert.rejects(async () => await part.look(), /hub\.key/);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
