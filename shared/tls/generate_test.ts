import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import * as tls from "node:tls";
import { describeCertificates } from "./describe.ts";
import { DEFAULT_DAYS, generateCertificate, MAX_DAYS, MAX_HOSTS } from "./generate.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
const HOSTS = ["localhost", "127.0.0.1", "::1"];

Deno.test("generateCertificate names its hosts and is valid for 825 days", async () => {
  const { cert } = await generateCertificate(HOSTS);
  const [info] = await describeCertificates(cert);
  assert.deepEqual(info!.hosts, HOSTS);
  assert.equal(info!.subject, "CN=localhost");
  assert.equal(info!.keyAlgorithm, "ECDSA P-256");
  assert.equal(info!.authority, false);
  assert.equal(info!.selfSigned, true);
  assert.equal(info!.notAfter.getTime() - info!.notBefore.getTime(), DEFAULT_DAYS * DAY_MS);
  assert.ok(info!.notBefore.getTime() < Date.now());
});

Deno.test("generateCertificate gives each certificate its own key and serial number", async () => {
  const [a, b] = [await generateCertificate(HOSTS), await generateCertificate(HOSTS)];
  const [infoA, infoB] = await describeCertificates(a.cert + b.cert);
  assert.notEqual(a.key, b.key);
  assert.notEqual(infoA!.serial, infoB!.serial);
  assert.match(infoA!.serial, /^[4-7][0-9a-f]{31}$/);
});

Deno.test("generateCertificate takes wildcards, long names and duplicates", async () => {
  const long = `${"a".repeat(63)}.${"b".repeat(63)}.example`;
  const { cert } = await generateCertificate([long, "*.hub.example", long], { days: 1 });
  const [info] = await describeCertificates(cert);
  assert.deepEqual(info!.hosts, [long, "*.hub.example"]);
});

Deno.test("generateCertificate refuses what cannot be a certificate", async (t) => {
  const cases: [name: string, hosts: string[], options: { days?: number }, message: RegExp][] = [
    ["no host", [], {}, /no host given/],
    ["an empty host", [""], {}, /certificate for "": expected a host name/],
    ["a space", ["a b"], {}, /certificate for "a b"/],
    ["a URL", ["wss://hub.example"], {}, /certificate for "wss:/],
    ["a port", ["hub:8080"], {}, /certificate for "hub:8080"/],
    ["a label that ends in a hyphen", ["hub-.example"], {}, /certificate for "hub-/],
    ["a label of 64", ["a".repeat(64)], {}, /certificate for "aaa/],
    ["a star inside", ["a.*.example"], {}, /certificate for "a\.\*/],
    ["no days", HOSTS, { days: 0 }, /for 0 days: expected 1 to 3650/],
    ["half days", HOSTS, { days: 1.5 }, /for 1.5 days/],
    ["too many days", HOSTS, { days: MAX_DAYS + 1 }, /for 3651 days/],
    ["too many hosts", Array.from({ length: MAX_HOSTS + 1 }, (_, i) => `h${i}`), {}, /for 101 h/],
  ];
  for (const [name, hosts, options, message] of cases) {
    await t.step(name, () => assert.rejects(generateCertificate(hosts, options), { message }));
  }
});

Deno.test("generateCertificate makes what Deno.listenTls serves and Deno.connectTls trusts", async () => {
  const { cert, key } = await generateCertificate(HOSTS);
  // That Deno itself takes it is the matter; one write, so that Nagle's algorithm delays nothing.
  using listener = Deno.listenTls({ hostname: "127.0.0.1", port: 0, cert, key });
  const accepted = (async () => {
    using connection = await listener.accept();
    await connection.handshake();
    await connection.write(new TextEncoder().encode("hello"));
  })();
  using connection = await Deno.connectTls({
    hostname: "localhost",
    port: listener.addr.port,
    caCerts: [cert],
  });
  await connection.handshake();
  const bytes = new Uint8Array(16);
  assert.equal(
    new TextDecoder().decode(bytes.subarray(0, await connection.read(bytes) ?? 0)),
    "hello",
  );
  await accepted;
});

/** Dials a `node:tls` server that serves `pair` and asks for a client certificate. */
async function dial(options: tls.ConnectionOptions, pair: { cert: string; key: string }) {
  const server = tls.createServer({ ...pair, ca: pair.cert, requestCert: true });
  server.on("tlsClientError", () => {});
  server.on("secureConnection", (socket) => socket.on("error", () => {}).end("hello"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const socket = tls.connect({ host: "127.0.0.1", port, ...options });
  try {
    const [hello] = await once(socket, "data");
    return String(hello);
  } finally {
    socket.destroy();
    server.close();
    await once(server, "close");
  }
}

Deno.test("generateCertificate makes what node:tls serves, trusts and takes from a client", async () => {
  const pair = await generateCertificate(HOSTS);
  assert.equal(await dial({ ...pair, ca: pair.cert, servername: "localhost" }, pair), "hello");
});

Deno.test("generateCertificate makes what nobody takes for another host", async () => {
  const pair = await generateCertificate(["hub.example"]);
  await assert.rejects(dial({ ca: pair.cert, servername: "other.example" }, pair));
});
