import assert from "node:assert/strict";
import { Process, source } from "../tests/support/process.ts";
import { generateCertificate } from "../shared/tls/generate.ts";
import { TestHub } from "./testing/hub.ts";

const POLICY = 'version: 1\nrules: [{ operators: "*", methods: "*", effect: allow }]\n';

Deno.test("F1: a file that is not there or not good at start is waited for, loudly, and used when it comes", async (t) => {
  const { cert } = await generateCertificate(["127.0.0.1"]);
  const table: [flag: string, bad: string | undefined, good: string, says: RegExp][] = [
    ["--token-file", undefined, "a-token-of-this-server\n", /ERROR .*--token-file .*file/],
    ["--token-file", "", "a-token-of-this-server\n", /ERROR .*holds no token/],
    ["--tls-ca-cert-file", undefined, cert, /ERROR .*--tls-ca-cert-file .*file/],
    ["--policy-file", undefined, POLICY, /ERROR .*Waiting until "?policy file .*can be used/],
    ["--policy-file", "version: 7\n", POLICY, /ERROR .*Waiting until "?policy file /],
  ];
  for (const [flag, bad, good, says] of table) {
    await t.step(`${flag} ${bad === undefined ? "missing" : JSON.stringify(bad)}`, async () => {
      const dir = await Deno.makeTempDir();
      const file = `${dir}/file`;
      const write = async (text: string) => {
        await Deno.writeTextFile(`${file}.new`, text, { mode: 0o600 });
        await Deno.rename(`${file}.new`, file);
      };
      if (bad !== undefined) await write(bad);
      await using hub = await TestHub.start();
      {
        await using edge = Process.deno("edge-1", [
          ...source("server/main.ts"),
          ...["serve", "edge-1", "--hub-uri", hub.uri.href, "--fluentd-manager", "none"],
          ...["--state-dir", `${dir}/state`, flag, file],
        ]);
        await edge.says(says);
        assert.equal(hub.requests.length, 0, "dials without what it was told to use");
        await write(good);
        await edge.line(/^gserver ready server=edge-1 /);
        const told = edge.stderr.split("\n").filter((line) => says.test(line));
        assert.equal(told.length, 1, edge.stderr);
      }
      await Deno.remove(dir, { recursive: true });
    });
  }
});

Deno.test("F1: only a wrong command line ends gserver with 2", async (t) => {
  const dir = await Deno.makeTempDir();
  await Deno.mkdir(`${dir}/open`);
  await Deno.chmod(`${dir}/open`, 0o777);
  const table: [what: string, args: string[], code: number, says: RegExp][] = [
    ["a key without its certificate", ["--tls-key-file", "x"], 2, /--tls-key-file needs/],
    [
      "a state folder that others may change",
      ["--state-dir", `${dir}/open`],
      1,
      /others may change/,
    ],
  ];
  for (const [what, args, code, says] of table) {
    await t.step(what, async () => {
      const ended = await Process.run([...source("server/main.ts"), "serve", "edge-1", ...args]);
      assert.equal(ended.code, code, ended.stderr);
      assert.match(ended.stderr, says);
    });
  }
  await Deno.remove(dir, { recursive: true });
});
