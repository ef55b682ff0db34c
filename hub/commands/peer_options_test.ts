import assert from "node:assert/strict";
import { generateCertificate } from "../../shared/tls/generate.ts";
import { peerConfig } from "./peer_options.ts";

const NONE = {
  peerListen: undefined,
  peerAddress: undefined,
  peerSecretFile: undefined,
  peerCa: undefined,
  peerCertFile: undefined,
  peerKeyFile: undefined,
};
const HERE = { host: "127.0.0.1", port: 9091 };
const listen = ({ host, port }: typeof HERE) => ({ hostname: host, port });

Deno.test("peerConfig() refuses what would link with nobody, or with anybody", async () => {
  const table = [
    [{ peerSecretFile: "x" }, /--peer-secret-file does nothing without --peer-listen/],
    [{ peerListen: HERE }, /--peer-listen needs --peer-secret-file or --peer-ca/],
    [{ peerListen: HERE, peerCa: "x" }, /--peer-ca needs --peer-cert-file/],
    [{ peerListen: HERE, peerSecretFile: "x", peerKeyFile: "y" }, /without --peer-cert-file/],
  ] as const;
  for (const [values, message] of table) {
    await assert.rejects(peerConfig({ ...NONE, ...values }, listen), message);
  }
  assert.equal(await peerConfig(NONE, listen), undefined);
});

Deno.test("peerConfig() reads a secret that nobody else can, and is long enough", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const peerSecretFile = `${dir}/peer.secret`;
    const values = { ...NONE, peerListen: HERE, peerSecretFile };
    await Deno.writeTextFile(peerSecretFile, "too short\n", { mode: 0o600 });
    await assert.rejects(peerConfig(values, listen), /32 to 512/);
    await Deno.writeTextFile(peerSecretFile, "x".repeat(32), { mode: 0o600 });
    const config = await peerConfig(values, listen);
    assert.equal(config?.secret, "x".repeat(32));
    assert.deepEqual([config?.listen, config?.address], [
      { hostname: "127.0.0.1", port: 9091 },
      undefined,
    ]);
    await Deno.chmod(peerSecretFile, 0o644);
    await assert.rejects(peerConfig(values, listen), /peer\.secret/);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("peerConfig() reads a certificate and its authority", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const { cert, key } = await generateCertificate(["hub-a"]);
    await Deno.writeTextFile(`${dir}/hub.crt`, cert);
    await Deno.writeTextFile(`${dir}/hub.key`, key, { mode: 0o600 });
    const config = await peerConfig({
      ...NONE,
      peerListen: HERE,
      peerAddress: { host: "hub-a.example", port: 9091 },
      peerCa: `${dir}/hub.crt`,
      peerCertFile: `${dir}/hub.crt`,
    }, listen);
    assert.equal(config?.address, "hub-a.example:9091");
    assert.equal(config?.identity?.key, key);
    assert.ok(config?.ca?.includes("BEGIN CERTIFICATE"));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
