import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { generateKeyPairSync } from "node:crypto";
import { calculateJwkThumbprint, CompactSign, compactVerify, importJWK } from "jose";
import { jwkOf, MAX_JWS_LENGTH, publicKey, type Signer } from "./jws.ts";
import {
  isNonce,
  publicPartOf,
  readKeys,
  readVoucher,
  signKeys,
  signVoucher,
  type VouchedTunnel,
  type Voucher,
} from "./voucher.ts";

const TUNNEL: VouchedTunnel = { server: "edge-1", nonce: "n".repeat(22) };
const VOUCHER: Voucher = { operator: "alice", how: "token", expiresAtMs: 1_800_000_000_000 };

function newSigner(): Signer {
  const { privateKey } = generateKeyPairSync("ed25519");
  return { id: publicKey(jwkOf(privateKey)).id, privateKey };
}

const signer = newSigner();
const next = newSigner();
const { key, jwk } = publicPartOf(signer);
const keys = [key];

/** Signs any header and claims, as a stranger would. */
function jose(header: object, claims: unknown, by: Signer = signer): Promise<string> {
  return new CompactSign(Buffer.from(JSON.stringify(claims)))
    .setProtectedHeader({ alg: "EdDSA", ...header }).sign(by.privateKey);
}

const CLAIMS = { aud: "edge-1", nonce: TUNNEL.nonce, sub: "alice", how: "token", exp: 1.8e9 };

Deno.test("readVoucher() reads what signVoucher() wrote", () => {
  const text = signVoucher(TUNNEL, VOUCHER, signer);
  assert.deepEqual(readVoucher(text, { tunnel: TUNNEL, keys }), VOUCHER);
  assert.ok(text.length < 400, "it goes with each call");
});

Deno.test("signVoucher() rounds the end down", () => {
  const text = signVoucher(TUNNEL, { ...VOUCHER, expiresAtMs: 1_800_000_000_999 }, signer);
  assert.deepEqual(readVoucher(text, { tunnel: TUNNEL, keys }), VOUCHER);
});

Deno.test("vouchers are JWS, as others read and write them", async () => {
  const text = signVoucher(TUNNEL, VOUCHER, signer);
  const { payload, protectedHeader } = await compactVerify(
    text,
    await importJWK({ ...jwk }, "EdDSA"),
  );
  assert.deepEqual(JSON.parse(Buffer.from(payload).toString()), CLAIMS);
  assert.deepEqual(protectedHeader, { alg: "EdDSA", kid: signer.id, typ: "ghub-voucher" });
  assert.equal(signer.id, await calculateJwkThumbprint({ ...jwk }));
  const theirs = await jose({ kid: signer.id, typ: "ghub-voucher" }, CLAIMS);
  assert.deepEqual(readVoucher(theirs, { tunnel: TUNNEL, keys }), VOUCHER);
});

Deno.test("readVoucher() refuses what the hub did not say, or not for this tunnel", async (t) => {
  const good = signVoucher(TUNNEL, VOUCHER, signer);
  const [head = "", body = "", signature = ""] = good.split(".");
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const kid = signer.id;
  const typ = "ghub-voucher";
  const none = part({ alg: "none", kid, typ });
  const statement = signKeys(TUNNEL, { keys: [jwk], signer, nowMs: 0 });
  const rows: [what: string, text: string, says: RegExp][] = [
    ["nothing", "", /no signed/],
    ["no JWS", "x.y", /no signed/],
    ["no JSON", `x.${body}.${signature}`, /./],
    ["a part more", `${good}.x`, /no signed/],
    ["very long", `${head}.${"A".repeat(MAX_JWS_LENGTH)}.${signature}`, /no signed/],
    ["no signature", `${head}.${body}.`, /not signed/],
    ["a cut signature", good.slice(0, -4), /not signed/],
    ["another's claims", `${head}.${part({ ...CLAIMS, sub: "root" })}.${signature}`, /not signed/],
    ["alg none", `${none}.${body}.`, /type/],
    ["alg none, signed", `${none}.${body}.${signature}`, /type/],
    ["another key", signVoucher(TUNNEL, VOUCHER, next), /not signed/],
    [
      "another key that says it is ours",
      signVoucher(TUNNEL, VOUCHER, { ...next, id: kid }),
      /not signed/,
    ],
    ["for another server", signVoucher({ ...TUNNEL, server: "edge-2" }, VOUCHER, signer), /server/],
    [
      "for another tunnel",
      signVoucher({ ...TUNNEL, nonce: "m".repeat(22) }, VOUCHER, signer),
      /tunnel/,
    ],
    ["a key statement", statement, /type/],
    ["critical headers", await jose({ kid, typ, crit: ["b64"], b64: true }, CLAIMS), /type/],
    ["nobody", await jose({ kid, typ }, { ...CLAIMS, sub: "" }), /who/],
    ["no end", await jose({ kid, typ }, { ...CLAIMS, exp: undefined }), /who/],
    ["an end in words", await jose({ kid, typ }, { ...CLAIMS, exp: "never" }), /who/],
    ["an unknown proof", await jose({ kid, typ }, { ...CLAIMS, how: "hearsay" }), /who/],
    ["a list of servers", await jose({ kid, typ }, { ...CLAIMS, aud: ["edge-1"] }), /server/],
    ["claims that are a list", await jose({ kid, typ }, [CLAIMS]), /no signed/],
  ];
  for (const [what, text, says] of rows) {
    await t.step(what, () => {
      assert.throws(
        () => readVoucher(text, { tunnel: TUNNEL, keys }),
        (error) => error instanceof SyntaxError && says.test(error.message),
      );
    });
  }
});

Deno.test("readKeys() reads what signKeys() wrote", () => {
  const text = signKeys(TUNNEL, {
    keys: [jwk, publicPartOf(next).jwk],
    signer,
    nowMs: 1_700_000_000_500,
  });
  const read = readKeys(text, TUNNEL);
  assert.deepEqual(read.keys.map(({ id }) => id), [signer.id, next.id]);
  assert.equal(read.hubTimeMs, 1_700_000_000_000);
  const [, claims = ""] = text.split(".");
  assert.doesNotMatch(Buffer.from(claims, "base64url").toString(), /"d":/);
});

Deno.test("readKeys() refuses keys that their hub does not hold", async (t) => {
  const nextJwk = publicPartOf(next).jwk;
  const of = (by: Signer, jwks: object[], tunnel = TUNNEL) =>
    signKeys(tunnel, { keys: jwks as never, signer: by, nowMs: 0 });
  const rows: [what: string, text: string, says: RegExp][] = [
    ["signed by its second key", of(next, [jwk, nextJwk]), /not signed/],
    ["signed by none of them", of(newSigner(), [jwk]), /not signed/],
    ["none", of(signer, []), /1 to 4/],
    ["too many", of(signer, [jwk, jwk, jwk, jwk, jwk]), /1 to 4/],
    ["of another kind", of(signer, [{ kty: "EC", crv: "P-256", x: "x" }]), /Ed25519/],
    ["too short", of(signer, [{ ...jwk, x: "AAAA" }]), /Ed25519/],
    ["for another server", of(signer, [jwk], { ...TUNNEL, server: "edge-2" }), /server/],
    ["for another tunnel", of(signer, [jwk], { ...TUNNEL, nonce: "m".repeat(22) }), /tunnel/],
    ["a voucher", signVoucher(TUNNEL, VOUCHER, signer), /type/],
  ];
  for (const [what, text, says] of rows) {
    await t.step(what, () => assert.throws(() => readKeys(text, TUNNEL), says));
  }
});

Deno.test("isNonce() wants what cannot be guessed", () => {
  for (const good of ["a".repeat(22), "A-z_9".repeat(8)]) assert.ok(isNonce(good), good);
  for (
    const bad of ["", "1", "a".repeat(21), "a".repeat(65), "a".repeat(22) + "\n", "é".repeat(30)]
  ) {
    assert.ok(!isNonce(bad), bad);
  }
});
