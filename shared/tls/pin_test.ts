import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { generateCertificate } from "./generate.ts";
import { parsePin, pinOf } from "./pin.ts";
import { X509Certificate } from "./x509.ts";

Deno.test("pinOf() is the SHA-256 of the key as the certificate has it", async () => {
  const { cert } = await generateCertificate(["localhost"]);
  const other = new X509Certificate(cert);
  const hash = await crypto.subtle.digest("SHA-256", other.publicKey.rawData);
  assert.equal(pinOf(cert), Buffer.from(hash).toString("base64"));
  assert.equal(pinOf(new Uint8Array(other.rawData)), pinOf(cert));
  // Made by openssl 3, and its pin by the commands in the module's head.
  const foreign = Deno.readTextFileSync(new URL("./testdata/foreign.crt", import.meta.url));
  assert.equal(pinOf(foreign), "biP2zy2tckNUOypfiQBx1IGanrrFSc3YNaG5eD/raBw=");
});

Deno.test("parsePin() reads each way of writing it", async (t) => {
  const bytes = Buffer.alloc(32, 0xab);
  const base64 = bytes.toString("base64");
  const hex = bytes.toString("hex");
  const colons = hex.match(/../g)!.join(":");
  const rows = [
    base64,
    `sha256//${base64}`,
    `sha256/${base64}`,
    hex,
    hex.toUpperCase(),
    colons,
    `SHA256:${colons.toUpperCase()}`,
    ` ${base64}\n`,
  ];
  for (const text of rows) await t.step(text, () => assert.equal(parsePin(text), base64));
});

Deno.test("parsePin() refuses what is none", async (t) => {
  const rows = [
    "",
    "x",
    "a".repeat(63),
    "g".repeat(64),
    "A".repeat(43),
    `${"A".repeat(44)}`,
    `sha1/${"a".repeat(40)}`,
    `${"A".repeat(43)}=x`,
  ];
  for (const text of rows) {
    await t.step(text, () => assert.throws(() => parsePin(text), /is no pin/));
  }
});
