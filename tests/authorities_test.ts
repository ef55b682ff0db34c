/**
 * Whom the programs trust by default: the machine's own store, as curl does. A private authority
 * stands in a store that is given to one process alone, and nothing else is in its environment.
 */
import assert from "node:assert/strict";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { generateCertificate } from "../shared/tls/generate.ts";
import { cleanEnv, PATIENT_CLIENT, Process, WORKERS } from "./support/process.ts";
import { World } from "./support/world.ts";

/** A hub with TLS on both ports, whose certificate is in the store `hub.crt` and in no other. */
async function start(
  dir: string,
  { hubArgs = [], store }: { readonly hubArgs?: readonly string[]; readonly store?: string } = {},
): Promise<World> {
  const { cert, key } = await generateCertificate(["localhost", "127.0.0.1"]);
  await Deno.writeTextFile(`${dir}/hub.crt`, cert);
  await Deno.writeTextFile(`${dir}/hub.key`, key, { mode: 0o600 });
  await Deno.writeTextFile(`${dir}/other.crt`, (await generateCertificate(["localhost"])).cert);
  return await World.start({
    servers: [],
    tunnelListen: "127.0.0.1:0",
    callListen: "127.0.0.1:0",
    hubArgs: ["--tls-cert", `${dir}/hub.crt`, "--call-tls", ...hubArgs],
    ...(store === undefined ? {} : { hubEnv: { SSL_CERT_FILE: store } }),
  });
}

/** What the machine's store is, as every program that asks the system for it is told. */
const storeOf = (file: string) => ({ SSL_CERT_FILE: file });

Deno.test("A3: gserver and gclient trust the machine's store, and a file in place of it", async (t) => {
  const dir = await Deno.makeTempDir({ prefix: "ghub-authorities-" });
  try {
    await using world = await start(dir);
    const [hub, other] = [`${dir}/hub.crt`, `${dir}/other.crt`];
    const unknown = /self-signed|unable to verify|issuer/i;
    const table: [name: string, env: Record<string, string>, args: string[], trusted: boolean][] = [
      ["in the store", storeOf(hub), [], true],
      ["not in the store", storeOf(other), [], false],
      ["in the file", storeOf(other), ["--tls-ca-cert-file", hub], true],
      ["in the store, not in the file", storeOf(hub), ["--tls-ca-cert-file", other], false],
    ];
    for (const [i, [name, env, args, trusted]] of table.entries()) {
      await t.step(`gserver: ${name}`, async () => {
        const server = world.spawnServer({ name: `edge-${i}`, program: "gserver", args, env });
        if (trusted) await server.line(/^gserver ready /);
        else assert.match((await server.says(/.*(self-signed|verify|issuer).*/))[0], unknown);
        await server.stop();
      });
      await t.step(`gclient: ${name}`, async () => {
        const words = ["auth", "whoami", "--tls", ...args];
        const { code, stdout, stderr } = await world.gclient(words, { env });
        if (!trusted) {
          assert.equal(code, 78, stderr);
          assert.match(stderr, unknown);
          return;
        }
        assert.equal(code, 0, stderr);
        assert.match(stdout, /"operator":"loopback"/);
      });
    }
    await t.step("gclient as a task", async () => {
      const { code, stdout, stderr } = await Process.run(
        ["task", "--quiet", "gclient", "auth", "whoami", "--tls", "-s", world.callAddress],
        { env: storeOf(hub) },
      );
      assert.equal(code, 0, stderr);
      assert.match(stdout, /"operator":"loopback"/);
    });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("A3: the hub trusts the machine's store where it fetches keys", async (t) => {
  const dir = await Deno.makeTempDir({ prefix: "ghub-authorities-" });
  const { publicKey, privateKey } = await generateKeyPair("ES256");
  const { cert, key } = await generateCertificate(["localhost"]);
  await Deno.writeTextFile(`${dir}/issuer.crt`, cert);
  const keys = { keys: [{ ...await exportJWK(publicKey), kid: "one", alg: "ES256" }] };
  await using issuer = Deno.serve(
    { hostname: "127.0.0.1", port: 0, cert, key, onListen: () => {} },
    () => Response.json(keys),
  );
  try {
    const url = `https://localhost:${issuer.addr.port}/keys`;
    await Deno.writeTextFile(
      `${dir}/auth.yaml`,
      `version: 1
issuers:
  - { id: corp, issuer: "https://id.test", audience: ghub, algorithms: [ES256], keysUrl: "${url}" }
operators:
  - { id: soc, jwt: { issuer: corp, claims: { role: soc } }, rules: [] }
`,
      { mode: 0o600 },
    );
    const token = await new SignJWT({ role: "soc" }).setProtectedHeader({
      alg: "ES256",
      kid: "one",
    })
      .setIssuer("https://id.test").setSubject("one").setAudience("ghub").setExpirationTime("5m")
      .sign(privateKey);
    await Deno.writeTextFile(`${dir}/token`, token, { mode: 0o600 });
    for (const [store, trusted] of [["issuer.crt", true], ["hub.crt", false]] as const) {
      await t.step(trusted ? "in the store" : "not in the store", async () => {
        const args = ["--auth-file", `${dir}/auth.yaml`];
        await using world = await start(dir, { hubArgs: args, store: `${dir}/${store}` });
        const words = ["auth", "whoami", "--tls", "--tls-ca-cert-file", `${dir}/hub.crt`];
        const { code, stdout, stderr } = await world.gclient([
          ...words,
          ...["--token-file", `${dir}/token`],
        ]);
        assert.equal(code === 0, trusted, stderr);
        if (trusted) assert.match(stdout, /"operator":"soc"/);
      });
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("A3: nothing of this test's environment decides whom a program trusts", () => {
  const steering =
    /CERT|CA_STORE|CA_BUNDLE|ROOTS|^NODE_|^DENO_(?!DIR$|NO_UPDATE_CHECK$)|PROXY|^G(HUB|SERVER|CLIENT)_/i;
  // Whoever runs the tests with workers has asked for that; how long gclient waits is no trust.
  const asked = [
    ...Object.keys(PATIENT_CLIENT),
    ...(WORKERS === undefined ? [] : ["GHUB_WORKERS"]),
  ];
  assert.deepEqual(Object.keys(cleanEnv()).filter((name) => steering.test(name)), asked);
});
