/**
 * `deno task gencert` and `deno task readcert` as a shell sees them.
 */
import assert from "node:assert/strict";
import { pinOf } from "../shared/tls/pin.ts";
import { run } from "./support/executable.ts";
import { REPOSITORY } from "./support/process.ts";

const task = (name: string, ...args: string[]) =>
  run(Deno.execPath(), ["task", "--quiet", "--cwd", REPOSITORY, name, ...args]);

Deno.test("gencert writes what readcert reads", async (t) => {
  const dir = await Deno.makeTempDir();
  const [cert, key] = [`${dir}/hub.pem`, `${dir}/hub-key.pem`];
  try {
    await t.step("a certificate for the hosts and days that were asked for", async () => {
      const args = ["--out", cert, "--hosts", "hub.example, 10.0.0.1", "--days", "30"];
      const made = await task("gencert", ...args);
      assert.equal(made.code, 0, made.stderr);
      const { stdout } = await task("readcert", cert);
      assert.match(stdout, /^ *hosts +hub\.example, 10\.0\.0\.1$/m);
      assert.match(stdout, /, (29|30) days left$/m);
      const pin = pinOf(await Deno.readTextFile(cert));
      assert.match(stdout, new RegExp(`^ *pin +${RegExp.escape(pin)}$`, "m"));
      assert.equal((await Deno.stat(key)).mode! & 0o777, 0o600);
    });

    await t.step("and JSON for programs", async () => {
      const { stdout } = await task("readcert", "--json", cert);
      assert.deepEqual(JSON.parse(stdout).hosts, ["hub.example", "10.0.0.1"]);
    });

    await t.step("for this machine, if no host is named", async () => {
      const made = await task("gencert", "--out", `${dir}/test.crt`);
      assert.match(made.stdout, /^ *hosts +localhost, 127\.0\.0\.1, ::1(, [\w.-]+)?$/m);
    });

    await t.step("and replaces files only when told to", async () => {
      const before = await Deno.readTextFile(key);
      const refused = await task("gencert", "--out", cert);
      assert.equal(refused.code, 2);
      assert.match(refused.stderr, /hub-?\w*\.pem": it exists already\. Add --force/);
      assert.equal(await Deno.readTextFile(key), before);
      assert.equal((await task("gencert", "--out", cert, "--force")).code, 0);
      assert.notEqual(await Deno.readTextFile(key), before);
    });

    await t.step("errors say what is wrong", async () => {
      const cases: [name: string, args: string[], code: number, message: RegExp][] = [
        ["readcert", [key], 1, /Cannot read certificate ".*hub-key\.pem": .*this is a private key/],
        ["readcert", [`${dir}/none`], 1, /Cannot read certificate ".*none": .*[Nn]o such file/],
        ["readcert", [], 2, /Missing required argument "files"/],
        ["gencert", ["--days", "0"], 2, /--days: "0" is not a number of days/],
        ["gencert", ["--hosts", "a b"], 2, /"a b": expected a host name/],
        ["gencert", ["extra"], 2, /Too many arguments/],
      ];
      for (const [name, args, code, message] of cases) {
        const result = await task(name, ...args);
        assert.equal(result.code, code, result.stderr);
        assert.match(result.stderr, message);
      }
    });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
