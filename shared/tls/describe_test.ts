import assert from "node:assert/strict";
import { describeCertificates, MAX_CERTIFICATES } from "./describe.ts";
import { generateCertificate } from "./generate.ts";

/** Made with openssl: RSA 2048, an authority, with an e-mail address and a URL as names. */
const FOREIGN = Deno.readTextFileSync(new URL("./testdata/foreign.crt", import.meta.url));

Deno.test("describeCertificates reads a certificate that another tool made", async () => {
  const [info] = await describeCertificates(FOREIGN);
  assert.deepEqual(info, {
    subject: "O=Example, CN=Example Root",
    issuer: "O=Example, CN=Example Root",
    serial: "0123456789abcdef",
    hosts: ["hub.example", "10.0.0.1"],
    otherNames: ["email:soc@hub.example", "url:spiffe://hub.example/hub"],
    notBefore: new Date("2026-11-23T06:22:38Z"),
    notAfter: new Date("2126-10-30T06:22:38Z"),
    keyAlgorithm: "RSASSA-PKCS1-v1_5 2048",
    authority: true,
    selfSigned: true,
    pin: "biP2zy2tckNUOypfiQBx1IGanrrFSc3YNaG5eD/raBw=",
    fingerprint:
      "D6:AF:DA:DF:9A:C8:F8:BA:D0:8A:6F:70:94:B2:77:FD:90:7C:03:B5:6A:17:47:5A:2C:76:E5:EF:64:DE:A8:66",
  });
});

Deno.test("describeCertificates gives a chain in file order and passes over keys", async () => {
  const { cert, key } = await generateCertificate(["first.example"]);
  const infos = await describeCertificates(`some words\n${cert}${key}${FOREIGN}`);
  assert.deepEqual(infos.map(({ subject }) => subject), [
    "CN=first.example",
    "O=Example, CN=Example Root",
  ]);
});

Deno.test("describeCertificates tells what a file without certificate is", async (t) => {
  const { cert, key } = await generateCertificate(["hub.example"]);
  const cases: [name: string, pem: string, message: RegExp][] = [
    ["nothing", " \n", /the file is empty/],
    ["a key", key, /this is a private key/],
    ["a request", "-----BEGIN CERTIFICATE REQUEST-----\n", /a request for a certificate/],
    ["half a certificate", cert.slice(0, 200), /certificate's end is missing/],
    ["prose", "hello", /this is other text; give a certificate in PEM/],
    [
      "a damaged certificate",
      `${cert}${cert.replace(/\nMI.{40}/, "\nMIIB")}`,
      /Cannot read certificate 2: it is damaged/,
    ],
    ["too many", cert.repeat(MAX_CERTIFICATES + 1), /1001 certificates: at most 1000/],
  ];
  for (const [name, pem, message] of cases) {
    await t.step(name, () => assert.rejects(describeCertificates(pem), { message }));
  }
});
