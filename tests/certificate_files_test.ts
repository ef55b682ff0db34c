/**
 * Files with certificates, keys and authorities as people have them, given to each of the three
 * programs.
 *
 * @module
 */
import assert from "node:assert/strict";
import { generateAuthority, signerOf } from "../shared/tls/authority.ts";
import { generateCertificate } from "../shared/tls/generate.ts";
import { Process, REPOSITORY, source } from "./support/process.ts";
import { World } from "./support/world.ts";

const root = await generateAuthority("root");
const authority = await signerOf(root);
const hub = await generateCertificate(["localhost", "127.0.0.1"], { authority });
const site = await generateCertificate(["edge-1.example"], { authority });
const weak = Deno.readTextFileSync(`${REPOSITORY}shared/tls/testdata/rsa_1024.pem`);

/** As an editor on Windows saves it. */
const windows = (text: string) => `\ufeff${text.replaceAll("\n", "\r\n")}`;

async function folder(files: Readonly<Record<string, string>>) {
  const dir = await Deno.makeTempDir({ prefix: "ghub-files-" });
  for (const [name, text] of Object.entries(files)) {
    await Deno.writeTextFile(`${dir}/${name}`, text, { mode: 0o600 });
  }
  return { dir, [Symbol.asyncDispose]: () => Deno.remove(dir, { recursive: true }) };
}

Deno.test("E1: hub, server and client take the same files, in whatever form", async () => {
  await using files = await folder({
    // The key first, the chain reversed, and saved on Windows.
    "hub.pem": windows(hub.key + root.cert + hub.cert),
    "site.pem": windows(site.key + root.cert + site.cert),
    "ca.crt": windows(root.cert),
  });
  const at = (name: string) => `${files.dir}/${name}`;
  await using world = await World.start({
    servers: [],
    tunnelListen: "127.0.0.1:0",
    callListen: "127.0.0.1:0",
    hubArgs: ["--tls-cert", at("hub.pem"), "--client-ca", at("ca.crt"), "--call-tls"],
  });
  const tls = ["--tls-ca-cert-file", at("ca.crt"), "--tls-cert-file", at("site.pem")];
  await world.startServer({ name: "edge-1", args: tls });
  const { code, stdout, stderr } = await world.gclient(["hub", "servers", "-o", "json", ...tls]);
  assert.equal(code, 0, stderr);
  assert.equal(JSON.parse(stdout).servers[0].name, "edge-1");
});

Deno.test("E1: hub, server and client say the same of files that cannot be used", async (t) => {
  await using files = await folder({
    "hub.crt": hub.cert,
    "hub.key": hub.key,
    "wrong.crt": hub.cert,
    "wrong.key": site.key,
    "locked.crt": hub.cert,
    "locked.key": hub.key.replaceAll("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"),
    "weak.pem": weak,
    "empty.crt": "",
  });
  const at = (name: string) => `${files.dir}/${name}`;
  const programs: Readonly<Record<string, (flags: string[]) => string[]>> = {
    ghub: (flags) => [
      ...source("hub/main.ts"),
      ...["serve", "--tunnel-listen", "127.0.0.1:0", "--call-listen", "127.0.0.1:0"],
      ...["--state-dir", at("state"), ...flags],
    ],
    gserver: (flags) => [
      ...source("server/main.ts"),
      ...["serve", "edge-1", "--state-dir", at("edge-1"), "--fluentd-manager", "none"],
      ...["--hub-uri", "wss://127.0.0.1:1/ws", ...flags],
    ],
    gclient: (flags) => [
      ...source("client/main.ts"),
      ...["hub", "servers", "-s", "127.0.0.1:1", ...flags],
    ],
  };
  const certFlag = (name: string) => name === "ghub" ? "--tls-cert" : "--tls-cert-file";
  const caFlags = (name: string, file: string) =>
    name === "ghub"
      ? ["--tls-cert", at("hub.crt"), "--client-ca", at(file)]
      : ["--tls-ca-cert-file", at(file)];
  const table: [what: string, flags: (name: string) => string[], says: RegExp][] = [
    [
      "the wrong key",
      (name) => [certFlag(name), at("wrong.crt")],
      /wrong\.key" belongs to another/,
    ],
    ["an encrypted key", (name) => [certFlag(name), at("locked.crt")], /locked\.key": it is encry/],
    ["RSA of 1024 bits", (name) => [certFlag(name), at("weak.pem")], /weak\.pem": .*1024 bits/],
    ["an empty authority", (name) => caFlags(name, "empty.crt"), /empty\.crt": .*file is empty/],
    ["an authority of 1024 bits", (name) => caFlags(name, "weak.pem"), /weak\.pem": .*1024 bits/],
  ];
  for (const [name, args] of Object.entries(programs)) {
    await t.step(name, async () => {
      for (const [what, flags, says] of table) {
        const program = Process.deno(`${name}, ${what}`, args(flags(name)), {
          env: { HOME: files.dir },
        });
        try {
          await program.says(says);
        } finally {
          await program.stop();
        }
      }
    });
  }
});
