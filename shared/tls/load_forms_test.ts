/**
 * The forms in which people have certificates and keys: what can be used is used, and is then really
 * good for TLS; whatever cannot be used is told apart, with the file's name and what to do.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import tls from "node:tls";
import { generateAuthority, signerOf } from "./authority.ts";
import { generateCertificate } from "./generate.ts";
import { loadAuthorities, loadCertificate } from "./load.ts";
import { certificateBlocks, keyBlock } from "./pem.ts";

const fixture = (name: string) =>
  Deno.readTextFileSync(new URL(`./testdata/${name}.pem`, import.meta.url));

const root = await generateAuthority("root");
const { cert, key } = await generateCertificate(["localhost", "127.0.0.1"], {
  authority: await signerOf(root),
});
const other = await generateCertificate(["localhost"]);
const version1 = fixture("version_1");

const der = (pem: string) => new X509Certificate(pem).raw;
const keyDer = createPrivateKey(key).export({ type: "pkcs8", format: "der" });
const sec1 = String(createPrivateKey(key).export({ type: "sec1", format: "pem" }));
const encrypted = String(
  createPrivateKey(key).export({
    type: "pkcs8",
    format: "pem",
    cipher: "aes-256-cbc",
    passphrase: "secret",
  }),
);
const utf16 = (text: string) => Buffer.from(`\ufeff${text}`, "utf16le");
const windows = (text: string) => `\ufeff${text.replaceAll("\n", "\r\n")}`;
const indented = (text: string) => text.replace(/^/gm, "    ");
const oneLine = (text: string) => text.replace(/(?<!-)\n(?!-)/g, "");

type Files = Readonly<Record<string, string | Uint8Array>>;

/** A folder with the given files, removed afterwards. */
async function folder(files: Files) {
  const dir = await Deno.makeTempDir();
  for (const [name, content] of Object.entries(files)) {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    await Deno.writeFile(`${dir}/${name}`, bytes, { mode: 0o600 });
  }
  return { dir, [Symbol.asyncDispose]: () => Deno.remove(dir, { recursive: true }) };
}

/** Whether a client that trusts `ca` takes a server with this certificate. */
async function shakeHands(pair: { cert: string; key: string }, ca: string): Promise<void> {
  const server = tls.createServer(pair, (socket) => socket.on("error", () => {}).end("hello"));
  server.on("tlsClientError", () => {});
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const socket = tls.connect({ host: "127.0.0.1", port, ca, servername: "localhost" });
  try {
    const [hello] = await once(socket, "data");
    assert.equal(String(hello), "hello");
  } finally {
    socket.destroy();
    server.close();
    await once(server, "close");
  }
}

Deno.test("E1: a certificate and its key are used in each form that people have", async (t) => {
  const table: [name: string, files: Files, ca?: string][] = [
    ["as they are", { "a.crt": cert, "a.key": key }],
    ["the key first, in one file", { "a.crt": key + cert }],
    ["the key first, and the chain reversed", { "a.crt": key + root.cert + cert }],
    ["the chain reversed", { "a.crt": root.cert + cert, "a.key": key }],
    ["another certificate first", { "a.crt": other.cert + cert, "a.key": key }],
    ["a byte order mark", { "a.crt": `\ufeff${cert}`, "a.key": `\ufeff${key}` }],
    ["line ends and mark of Windows", { "a.crt": windows(cert), "a.key": windows(key) }],
    ["UTF-16", { "a.crt": utf16(cert), "a.key": utf16(key) }],
    ["DER", { "a.crt": der(cert), "a.key": keyDer }],
    ["indented", { "a.crt": indented(cert), "a.key": indented(key) }],
    ["base64 on one line", { "a.crt": oneLine(cert), "a.key": oneLine(key) }],
    ["words around", { "a.crt": `subject=CN\n${cert}end`, "a.key": `Bag\n${key}` }],
    ["SEC1, behind its parameters", {
      "a.crt": cert,
      "a.key":
        `-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n${sec1}`,
    }],
    ["X.509 version 1", { "a.crt": version1 }, certificateBlocks(version1)[0]!],
  ];
  for (const [name, files, ca = root.cert] of table) {
    await t.step(name, async () => {
      await using there = await folder({ ...files, "ca.crt": ca });
      const loaded = await loadCertificate(`${there.dir}/a.crt`);
      const leaf = new X509Certificate(loaded.cert);
      assert.ok(leaf.checkPrivateKey(createPrivateKey(loaded.key)), "the leaf comes first");
      await shakeHands(loaded, ca);
    });
  }
});

Deno.test("E1: a chain is put into the order that TLS sends", async () => {
  await using there = await folder({ "a.crt": other.cert + root.cert + cert, "a.key": key });
  const loaded = await loadCertificate(`${there.dir}/a.crt`);
  assert.equal(loaded.cert, cert + root.cert + other.cert);
});

Deno.test("E1: authorities are used in each form that people have", async (t) => {
  const weak = certificateBlocks(fixture("rsa_1024"))[0]!;
  const table: [name: string, content: string | Uint8Array][] = [
    ["as they are", root.cert],
    ["a key first", root.key + root.cert],
    ["a byte order mark", `\ufeff${root.cert}`],
    ["line ends and mark of Windows", windows(root.cert)],
    ["UTF-16", utf16(root.cert)],
    ["DER", der(root.cert)],
    ["behind others", `${other.cert}${weak}\n${root.cert}`],
  ];
  for (const [name, content] of table) {
    await t.step(name, async () => {
      await using there = await folder({ "ca.crt": content });
      await shakeHands(
        { cert, key },
        await loadAuthorities(`${there.dir}/ca.crt`, { flag: "--ca" }),
      );
    });
  }
});

Deno.test("E1: each error names the file and what to do", async (t) => {
  const damaged = cert.replace(/\nMI.{40}/, "\nMIIB");
  const table: [name: string, files: Files, message: RegExp][] = [
    ["no such file", {}, /"[^"]*a\.crt": there is no such file/],
    ["an empty certificate", { "a.crt": "" }, /"[^"]*a\.crt": .*the file is empty/],
    ["an empty key", { "a.crt": cert, "a.key": "" }, /"[^"]*a\.key": the file is empty/],
    ["a key alone", { "a.crt": key }, /"[^"]*a\.crt": .*this is a private key/],
    ["a damaged one", { "a.crt": damaged, "a.key": key }, /a\.crt": it is damaged; copy .* again/],
    [
      "a damaged one in its chain",
      { "a.crt": `${cert}${damaged}`, "a.key": key },
      /a\.crt": certificate 2 in it is damaged; copy .* again/,
    ],
    [
      "the wrong key",
      { "a.crt": cert, "a.key": other.key },
      /a\.crt": .*"[^"]*a\.key" belongs to another one\. Name its own with --tls-key-file/,
    ],
    [
      "an encrypted key",
      { "a.crt": cert, "a.key": encrypted },
      /a\.key": it is encrypted\. Decrypt it with: openssl pkey -in .*a\.key -out/,
    ],
    [
      "PKCS #12",
      { "a.crt": Uint8Array.of(0x30, 0x82, 0x01, 0x02, 2, 1, 3), "a.key": key },
      /a\.crt": it is binary.*openssl pkcs12 -nodes -in/,
    ],
    [
      "OpenSSL's own form",
      { "a.crt": cert.replaceAll("CERTIFICATE", "TRUSTED CERTIFICATE") },
      /a\.crt": .*openssl x509 -in FILE/,
    ],
    [
      "PKCS #7",
      { "a.crt": cert.replaceAll("CERTIFICATE", "PKCS7") },
      /a\.crt": .*openssl pkcs7 -print_certs/,
    ],
    [
      "RSA of 1024 bits",
      { "a.crt": fixture("rsa_1024") },
      /a\.crt": .*1024 bits.*RSA of 2048 bits/,
    ],
    ["RSA-PSS", { "a.crt": fixture("rsa_pss") }, /a\.crt": .*RSA-PSS.*Make another one/],
    ["a curve of Bitcoin", { "a.crt": fixture("secp256k1") }, /a\.crt": .*curve.*Make another one/],
  ];
  for (const [name, files, message] of table) {
    await t.step(name, async () => {
      await using there = await folder(files);
      await assert.rejects(loadCertificate(`${there.dir}/a.crt`), { message });
    });
  }
});

Deno.test("E1: each error of authorities names the flag, the file and what to do", async (t) => {
  const table: [name: string, content: string | Uint8Array, message: RegExp][] = [
    ["an empty file", "", /--client-ca "[^"]*ca\.crt": .*the file is empty/],
    ["a key", key, /--client-ca "[^"]*ca\.crt": .*this is a private key/],
    ["half a file", root.cert.slice(0, 200), /ca\.crt": .*end is missing: copy the file again/],
    ["RSA of 1024 bits", fixture("rsa_1024"), /ca\.crt": .*1024 bits.*RSA of 2048 bits/],
    ["RSA-PSS", fixture("rsa_pss"), /ca\.crt": .*RSA-PSS.*Make another one/],
  ];
  for (const [name, content, message] of table) {
    await t.step(name, async () => {
      await using there = await folder({ "ca.crt": content });
      await assert.rejects(loadAuthorities(`${there.dir}/ca.crt`, { flag: "--client-ca" }), {
        message,
      });
    });
  }
  assert.ok(keyBlock(root.key + root.cert) !== undefined);
});
