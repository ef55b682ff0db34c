/**
 * `ghub cert` as a shell sees it, with the permissions that the executable has.
 *
 * @module
 */
import assert from "node:assert/strict";
import { describeCertificates } from "../shared/tls/describe.ts";
import { asBuilt } from "./support/as_built.ts";
import { hasTool, run } from "./support/executable.ts";
import { Process } from "./support/process.ts";
import { World } from "./support/world.ts";

/** A folder in which `ghub cert …` runs; removed afterwards. */
class Desk implements AsyncDisposable {
  readonly dir = Deno.makeTempDirSync({ prefix: "ghub-cert-" });

  cert(...args: string[]) {
    return Process.run([...asBuilt("ghub"), "cert", ...args], { cwd: this.dir });
  }

  async made(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.cert(...args);
    assert.equal(code, 0, stderr);
    assert.equal(stderr, "");
    return stdout;
  }

  read(name: string): Promise<string> {
    return Deno.readTextFile(`${this.dir}/${name}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.dir, { recursive: true });
  }
}

Deno.test("F14: the hub's executable makes and shows certificates, with its own permissions", async (t) => {
  await using desk = new Desk();
  await t.step(
    "a certificate that signs itself, for the hosts and days that were asked for",
    async () => {
      const said = await desk.made("make", "--hosts", "hub.example, 10.0.0.1", "--days", "30");
      assert.match(said, /^Wrote hub\.crt and hub\.key$/m);
      const shown = await desk.made("read", "hub.crt");
      assert.match(shown, /^ *issuer +itself \(self-signed\)$/m);
      assert.match(shown, /^ *hosts +hub\.example, 10\.0\.0\.1$/m);
      assert.match(shown, /, (29|30) days left$/m);
      assert.equal((await Deno.stat(`${desk.dir}/hub.key`)).mode! & 0o777, 0o600);
    },
  );
  await t.step("and JSON for programs, a line for each certificate of each file", async () => {
    await desk.made("ca");
    const lines = (await desk.made("read", "--json", "hub.crt", "ca.crt")).trim().split("\n");
    assert.deepEqual(lines.map((line) => JSON.parse(line).authority), [false, true]);
  });
  await t.step("for this machine, if no host is named", async () => {
    const said = await desk.made("make", "--out", "test.crt");
    assert.match(said, /^ *hosts +localhost, 127\.0\.0\.1, ::1(, [\w.-]+)?$/m);
  });
  await t.step("errors say what is wrong, and nothing is written then", async () => {
    const before = await Promise.all(
      ["hub.crt", "hub.key", "ca.key"].map((name) => desk.read(name)),
    );
    await Deno.writeTextFile(`${desk.dir}/notes.txt`, "hub.crt is renewed in May\n");
    await Deno.writeFile(`${desk.dir}/program`, Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 0, 1, 2));
    const cases: [args: string[], code: number, message: RegExp][] = [
      [["make"], 2, /Cannot write "hub\.\w+": it exists already\. Add --force/],
      [["ca"], 2, /Cannot write "ca\.\w+": it exists already\. Add --force/],
      [["make", "--days", "0", "--force"], 2, /"0" is not a number of days from 1 to 3650/],
      [["make", "--hosts", "a b", "--force"], 2, /"a b": expected a host name/],
      [["make", "--ca-key", "ca.key"], 2, /--ca-key needs --ca/],
      [
        ["make", "--ca", "ca.crt", "--out", "new.crt", "--force"],
        2,
        /Cannot renew "new\.crt": there is no certificate.* --out, or hosts with --hosts/,
      ],
      [
        ["make", "--ca", "none.crt", "--force"],
        1,
        /certificate "none\.crt": there is no such file/,
      ],
      [
        ["make", "--ca", "hub.crt", "--force"],
        1,
        /"hub\.crt": it is the certificate of one machine/,
      ],
      [["make", "--ca", "ca.crt", "--ca-key", "hub.key", "--force"], 1, /"hub\.key" belongs to/],
      [["ca", "--name", " ", "--out", "x.crt"], 2, /expected a name of 1 to 64 characters/],
      [["read", "hub.key"], 1, /Cannot read certificate "hub\.key": .*this is a private key/],
      [
        ["read", "notes.txt"],
        1,
        /Cannot read certificate "notes\.txt": there is no certificate in it: this is other text; give a certificate in PEM .* or DER, such as hub\.crt/,
      ],
      [
        ["read", "program"],
        1,
        /Cannot read certificate "program": there is no certificate in it: these are bytes of some other kind; give /,
      ],
      [["read", "none"], 1, /Cannot read certificate "none": there is no such file/],
    ];
    for (const [args, code, message] of cases) {
      const result = await desk.cert(...args);
      assert.equal(result.code, code, result.stderr);
      assert.match(result.stderr, message);
    }
    const after = await Promise.all(
      ["hub.crt", "hub.key", "ca.key"].map((name) => desk.read(name)),
    );
    assert.deepEqual(after, before);
    await assert.rejects(desk.read("new.crt"), Deno.errors.NotFound);
  });
});

Deno.test("F14: an authority of the hub's own signs, and a renewal keeps hosts and authority", async (t) => {
  await using desk = new Desk();
  await desk.made("ca", "--name", "Example hub", "--days", "100");
  await desk.made("make", "--ca", "ca.crt", "--hosts", "hub.example");
  const [first] = await describeCertificates(await desk.read("hub.crt"));
  const [authority] = await describeCertificates(await desk.read("ca.crt"));
  assert.deepEqual([first!.issuer, first!.hosts], ["CN=Example hub", ["hub.example"]]);
  await t.step("it ends no later than its authority", () => {
    assert.deepEqual(first!.notAfter, authority!.notAfter);
  });
  await t.step("a renewal has the same hosts, and another key", async () => {
    await desk.made("make", "--ca", "ca.crt", "--force");
    const [second] = await describeCertificates(await desk.read("hub.crt"));
    assert.deepEqual([second!.issuer, second!.hosts], [first!.issuer, first!.hosts]);
    assert.notEqual(second!.pin, first!.pin);
  });
  await t.step("a renewal that forgets the authority is refused", async () => {
    const before = await desk.read("hub.crt");
    const { code, stderr } = await desk.cert("make", "--force");
    assert.equal(code, 2);
    assert.match(stderr, /"CN=Example hub" signed it.* Name the authority with --ca/);
    assert.equal(await desk.read("hub.crt"), before);
  });
  const strict = await hasTool("openssl");
  await t.step({
    name: "openssl finds nothing to complain about, strictly",
    ignore: !strict,
    fn: async () => {
      const files = ["-CAfile", `${desk.dir}/ca.crt`, `${desk.dir}/hub.crt`];
      const { code, stderr } = await run("openssl", ["verify", "-x509_strict", ...files]);
      assert.equal(code, 0, stderr);
    },
  });
});

Deno.test("F14: a hub's certificate is renewed, and no site that trusts its authority is touched", async () => {
  await using desk = new Desk();
  const [cert, ca] = [`${desk.dir}/hub.crt`, `${desk.dir}/ca.crt`];
  await desk.made("ca");
  await desk.made("make", "--ca", "ca.crt", "--hosts", "localhost,127.0.0.1");
  await using world = await World.start({
    servers: [],
    tunnelListen: "127.0.0.1:0",
    callListen: "127.0.0.1:0",
    hubArgs: ["--tls-cert", cert, "--call-tls"],
  });
  const trust = ["--tls-ca-cert-file", ca];
  const servers = async () => {
    const { code, stdout, stderr } = await world.gclient([
      "hub",
      "servers",
      "-o",
      "json",
      ...trust,
    ]);
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout).servers.map(({ name }: { name: string }) => name);
  };
  await world.startServer({ name: "edge-1", args: trust });
  assert.deepEqual(await servers(), ["edge-1"]);

  await desk.made("make", "--ca", "ca.crt", "--force");
  world.hub.signal("SIGHUP");
  await world.hub.says(/is another certificate, and is in use/);
  await world.startServer({ name: "edge-2", args: trust });
  assert.deepEqual(await servers(), ["edge-1", "edge-2"]);
});
