import assert from "node:assert/strict";
import { once } from "node:events";
import tls from "node:tls";
import * as x509 from "../../shared/tls/x509.ts";
import { PATIENCE_MS } from "../../tests/support/until.ts";
import type { ClientCertificate } from "./peer.ts";
import { ClientAuthorities, MAX_CHAIN } from "./client_authorities.ts";
import { TlsListener } from "./tls_listener.ts";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

/** A certificate with its key, and whoever has signed it. */
interface Issued {
  readonly certificate: x509.X509Certificate;
  readonly keys: CryptoKeyPair;
}

async function issue(name: string, issuer?: Issued, keys?: CryptoKeyPair): Promise<Issued> {
  keys ??= await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]) as CryptoKeyPair;
  const certificate = await x509.X509CertificateGenerator.create({
    subject: `CN=${name}`,
    issuer: issuer?.certificate.subject ?? `CN=${name}`,
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Date.now() + 3_600_000),
    publicKey: keys.publicKey,
    signingKey: issuer?.keys.privateKey ?? keys.privateKey,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(!name.startsWith("leaf"), undefined, true),
      new x509.SubjectAlternativeNameExtension([{ type: "dns", value: `${name}.test` }]),
    ],
  });
  return { certificate, keys };
}

const pem = (...issued: Issued[]) =>
  issued.map(({ certificate }) => certificate.toString("pem")).join("\n");
const der = (...issued: Issued[]) =>
  issued.map(({ certificate }) => new Uint8Array(certificate.rawData));

const root = await issue("root");
const middle = await issue("middle", root);
const leaf = await issue("leaf", middle);
const renewed = await issue("root", undefined, root.keys);
const impostor = await issue("root");
const other = await issue("other");
const damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----";

Deno.test("ClientAuthorities.vouchFor() follows signatures, not names", async (t) => {
  const table: [what: string, authorities: string, chain: Uint8Array[], vouches: boolean][] = [
    ["by its intermediate", pem(root), der(leaf, middle), true],
    ["in any order, with what does not belong there", pem(root), der(leaf, other, middle), true],
    ["also by the root that the client sent along", pem(root), der(leaf, middle, root), true],
    ["one of several", pem(other, root), der(leaf, middle), true],
    ["the intermediate is the authority", pem(middle), der(leaf), true],
    ["the certificate itself is", pem(leaf), der(leaf), true],
    ["renewed, with the same key", pem(renewed), der(leaf, middle, root), true],
    ["of the same name, with another key", pem(impostor), der(leaf, middle, root), false],
    ["without the intermediate", pem(root), der(leaf), false],
    ["another authority", pem(other), der(leaf, middle, root), false],
    ["another authority, whose certificate the client sends along", pem(other), [
      ...der(leaf, middle, root, other),
    ], false],
    ["a damaged one beside it", `${damaged}\n${pem(root)}`, der(leaf, middle), true],
    ["a damaged one", damaged, der(leaf, middle, root), false],
    ["what is no certificate", pem(root), [new Uint8Array(9)], false],
    ["none", "", der(leaf, middle, root), false],
    ["no certificate", pem(root), [], false],
    ["too long a chain", pem(root), [
      ...der(leaf),
      ...Array.from({ length: MAX_CHAIN }, () => der(other)).flat(),
      ...der(middle),
    ], false],
  ];
  for (const [what, authorities, chain, vouches] of table) {
    await t.step(
      what,
      () => assert.equal(new ClientAuthorities(authorities).vouchFor(chain), vouches),
    );
  }
});

Deno.test("TlsListener: a certificate is vouched for as long as its authority is there", async () => {
  const exported = await crypto.subtle.exportKey("pkcs8", root.keys.privateKey);
  const key = x509.PemConverter.encode(exported, "PRIVATE KEY");
  const identity = { cert: pem(root), key };
  using listener = new TlsListener({
    hostname: "127.0.0.1",
    port: 0,
    alpn: ["h2"],
    tls: { ...identity, clientCa: pem(root) },
    handshakeTimeoutMs: () => PATIENCE_MS,
  });
  const accepted = listener.accept();
  const leafKey = await crypto.subtle.exportKey("pkcs8", leaf.keys.privateKey);
  const socket = tls.connect({
    host: "127.0.0.1",
    port: listener.addr.port,
    rejectUnauthorized: false,
    cert: pem(leaf, middle),
    key: x509.PemConverter.encode(leafKey, "PRIVATE KEY"),
  });
  const conn = await accepted;
  const { certificate } = conn as unknown as { certificate: ClientCertificate };
  assert.deepEqual(certificate.names, ["dns:leaf.test"]);
  for (
    const [clientCa, vouched] of [
      [pem(root), true],
      [pem(other, root), true],
      [pem(renewed), true],
      [pem(other), false],
      [pem(impostor), false],
      [pem(root), true],
    ] as const
  ) {
    await listener.use({ ...identity, clientCa });
    assert.equal(certificate.isVouchedFor(), vouched);
  }
  conn.close();
  const closed = once(socket, "close");
  socket.destroy();
  await closed;
});
