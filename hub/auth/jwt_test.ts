import assert from "node:assert/strict";
import { exportJWK, exportSPKI, generateKeyPair, SignJWT } from "jose";
import { glob } from "../../shared/rules/glob.ts";
import { PATIENCE_MS } from "../../tests/support/until.ts";
import type { Issuer } from "./issuer.ts";
import { JwtFault, JwtVerifier } from "./jwt.ts";
import { ProofFault, type ProvenEntry, Prover } from "./prover.ts";

const BASE: Issuer = {
  id: "corp",
  issuer: "https://id.test",
  audience: ["ghub"],
  algorithms: [],
  keysFile: "key",
  keysUrl: undefined,
  clockSkewS: 0,
};

async function inFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function sign(key: Parameters<SignJWT["sign"]>[0], alg: string, kid = "1"): Promise<string> {
  return new SignJWT({ sub: "alice" })
    .setProtectedHeader({ alg, kid })
    .setIssuer(BASE.issuer)
    .setAudience("ghub")
    .setExpirationTime("5m")
    .sign(key);
}

Deno.test("JwtVerifier takes each algorithm, by PEM and by JWKS, and only by its own key", async (t) => {
  for (const alg of ["RS256", "PS256", "ES256", "ES384", "EdDSA"]) {
    await t.step(alg, () =>
      inFolder(async (folder) => {
        const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
        const other = await generateKeyPair(alg, { extractable: true });
        const jwk = { ...await exportJWK(publicKey), kid: "1", alg };
        for (const text of [await exportSPKI(publicKey), JSON.stringify({ keys: [jwk] })]) {
          await Deno.writeTextFile(`${folder}/key`, text);
          const verifier = JwtVerifier.load(`${folder}/auth.yaml`, [{
            ...BASE,
            algorithms: [alg],
          }]);
          const token = await sign(privateKey, alg);
          assert.equal(verifier.recall(token), undefined);
          assert.equal((await verifier.verify(token)).claims.sub, "alice");
          assert.equal(verifier.recall(token)?.issuer, "corp");
          await assert.rejects(verifier.verify(await sign(other.privateKey, alg)), JwtFault);
        }
      }));
  }
});

Deno.test("JwtVerifier does not take a public key for a secret", () =>
  inFolder(async (folder) => {
    const { publicKey } = await generateKeyPair("RS256", { extractable: true });
    const pem = await exportSPKI(publicKey);
    await Deno.writeTextFile(`${folder}/key`, pem);
    const verifier = JwtVerifier.load(`${folder}/auth.yaml`, [{ ...BASE, algorithms: ["RS256"] }]);
    const forged = await new SignJWT({ sub: "alice" })
      .setProtectedHeader({ alg: "HS256" })
      .setIssuer(BASE.issuer).setAudience("ghub").setExpirationTime("5m")
      .sign(new TextEncoder().encode(pem));
    await assert.rejects(verifier.verify(forged), /algorithm that is not allowed/);
  }));

Deno.test("JwtVerifier.load() refuses keys that are not safe", async (t) => {
  const { privateKey, publicKey } = await generateKeyPair("ES256", { extractable: true });
  const open = await exportSPKI(publicKey);
  const jwk = JSON.stringify({ keys: [await exportJWK(privateKey)] });
  const table: [what: string, text: string, alg: string, mode: number, says: RegExp][] = [
    ["a private JWK", jwk, "ES256", 0o644, /holds a private key/],
    ["a private PEM", "-----BEGIN PRIVATE KEY-----", "ES256", 0o644, /holds a private key/],
    ["a secret among public keys", '{"keys":[{"kty":"oct","k":"eA"}]}', "ES256", 0o644, /private/],
    ["a short secret", "short", "HS256", 0o600, /at least 32 bytes/],
    ["a secret that others may read", "s".repeat(40), "HS256", 0o644, /chmod 600/],
    ["a public key that others may change", open, "ES256", 0o664, /chmod go-w/],
    ["nonsense", "nonsense", "ES256", 0o644, /Cannot use key file/],
  ];
  for (const [what, text, alg, mode, says] of table) {
    await t.step(what, () =>
      inFolder(async (folder) => {
        await Deno.writeTextFile(`${folder}/key`, text);
        await Deno.chmod(`${folder}/key`, mode);
        const issuer = { ...BASE, algorithms: [alg] };
        assert.throws(() => JwtVerifier.load(`${folder}/auth.yaml`, [issuer]), says);
      }));
  }
});

Deno.test("JwtVerifier fetches a key set, keeps it, and follows a rotation", async () => {
  const alg = "ES256";
  const first = await generateKeyPair(alg, { extractable: true });
  const second = await generateKeyPair(alg, { extractable: true });
  let fetched = 0;
  let keys: object[] | undefined = [{ ...await exportJWK(first.publicKey), kid: "1", alg }];
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => {
    fetched++;
    return keys === undefined ? new Response("", { status: 500 }) : Response.json({ keys });
  });
  const keysUrl = new URL(`http://127.0.0.1:${server.addr.port}/jwks`);
  const issuer = { ...BASE, algorithms: [alg], keysFile: undefined, keysUrl };
  const options = { fetchCooldownMs: 0, fetchTimeoutMs: PATIENCE_MS };
  const verifier = JwtVerifier.load("auth.yaml", [issuer], options);
  for (let i = 0; i < 3; i++) await verifier.verify(await sign(first.privateKey, alg));
  assert.equal(fetched, 1);
  keys = [{ ...await exportJWK(second.publicKey), kid: "2", alg }];
  await verifier.verify(await sign(second.privateKey, alg, "2"));
  assert.equal(fetched, 2, "an unknown key is asked for");
  await assert.rejects(verifier.verify(await sign(first.privateKey, alg)), { reason: "wrong" });
  keys = undefined;
  const without = JwtVerifier.load("auth.yaml", [issuer]);
  await assert.rejects(without.verify(await sign(first.privateKey, alg)), {
    reason: "unavailable",
  });
});

Deno.test("F8: a JWT whose time is over, or has not come, is told as that", () =>
  inFolder(async (folder) => {
    const alg = "ES256";
    const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
    const other = await generateKeyPair(alg, { extractable: true });
    await Deno.writeTextFile(`${folder}/key`, await exportSPKI(publicKey));
    const issuer = { ...BASE, algorithms: [alg], clockSkewS: 30 };
    const verifier = JwtVerifier.load(`${folder}/auth.yaml`, [issuer]);
    const prover = new Prover("operator", { entries: [ALICE], others: [], jwt: verifier });
    const prove = async (times: { exp: number; nbf?: number }, key = privateKey) => {
      const nowS = Math.floor(Date.now() / 1000);
      const jwt = new SignJWT({ sub: "alice" }).setProtectedHeader({ alg })
        .setIssuer(BASE.issuer).setAudience("ghub").setExpirationTime(nowS + times.exp);
      if (times.nbf !== undefined) jwt.setNotBefore(nowS + times.nbf);
      const answer = await prover.prove(`Bearer ${await jwt.sign(key)}`, undefined);
      return answer instanceof ProofFault ? answer.reason : answer.entry.id;
    };
    assert.equal(await prove({ exp: 3600, nbf: -60 }), "alice");
    assert.equal(await prove({ exp: -600 }), "CREDENTIAL_EXPIRED");
    assert.equal(await prove({ exp: 3600, nbf: 600 }), "CREDENTIAL_NOT_YET_VALID");
    assert.equal(await prove({ exp: -600 }, other.privateKey), "CREDENTIAL_WRONG", "forged");
    assert.equal(await prove({ exp: -5 }), "alice", "within 30 s of leeway");
    assert.equal(await prove({ exp: 3600, nbf: 20 }), "alice", "within 30 s of leeway");
  }));

const ALICE: ProvenEntry = {
  id: "alice",
  tokens: [],
  certificates: [],
  jwt: [{ issuer: "corp", claims: new Map([["sub", glob("alice")]]) }],
};
