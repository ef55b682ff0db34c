import assert from "node:assert/strict";
import { UsageError } from "../../shared/cli/program.ts";
import { runClient, startFakeHub } from "../testing/fake_hub.ts";
import { MAX_HEADER_FILE_BYTES, parseHeader, readHeaders } from "./headers.ts";

Deno.test("-H takes an entry, a variable in its value, or a file of them", async (t) => {
  const file = await Deno.makeTempFile();
  const read = (texts: string[], env = {}) => readHeaders(texts.map(parseHeader), env);
  const pairs = async (...given: Parameters<typeof read>) =>
    (await read(...given)).map(({ key, value }) => `${key}=${value}`);
  try {
    await Deno.writeTextFile(file, "# who\nX-User: ann\n\nteam=${TEAM}\r\nx-id-bin=AQI=\n");
    await t.step("entries", async () => {
      assert.deepEqual(await pairs(["A=b", "c: d", "e="]), ["a=b", "c=d", "e="]);
    });
    await t.step("variables", async () => {
      const env = { KEY: "s3cret", EMPTY: "", TEAM: "ops" };
      assert.deepEqual(await pairs(["x=a-${KEY}-${EMPTY}b"], env), ["x=a-s3cret-b"]);
      assert.deepEqual(await pairs(["x=$KEY"], env), ["x=$KEY"]);
      assert.deepEqual(await pairs(["a=b", `@${file}`], env), [
        "a=b",
        "x-user=ann",
        "team=ops",
        "x-id-bin=AQI=",
      ]);
    });
    const wrong: [texts: string[], error: RegExp][] = [
      [["x=${NONE}"], /-H x needs the environment variable NONE, which is not set/],
      [["x=${BAD}"], /characters that metadata cannot carry/],
      [["x-bin=${BAD}"], /not base64/],
      [["@/no/such"], /Cannot read -H @\/no\/such: there is no such file/],
      [
        [`@${file}.bad`],
        /-H @.*\.bad, line 2: The header "authorization" is for the operator token/,
      ],
      [[`@${file}.other`], /line 1: A file of headers cannot name another one/],
      [[`@${file}.large`], /more than 65536 bytes/],
    ];
    await Deno.writeTextFile(`${file}.bad`, "a=b\nauthorization: x\n");
    await Deno.writeTextFile(`${file}.other`, "@x\n");
    await Deno.writeTextFile(`${file}.large`, "#".repeat(MAX_HEADER_FILE_BYTES + 1));
    for (const [texts, error] of wrong) {
      await t.step(
        texts.join(" ").replaceAll(file, ""),
        () =>
          assert.rejects(() => read(texts, { BAD: "\n" }), (thrown) => {
            assert.ok(thrown instanceof UsageError);
            assert.match(thrown.message, error);
            return true;
          }),
      );
    }
  } finally {
    for (const end of ["", ".bad", ".other", ".large"]) {
      await Deno.remove(file + end).catch(() => {});
    }
  }
});

Deno.test("-v shows no value of a secret, of the environment or of a file", async (t) => {
  await using hub = await startFakeHub();
  const file = await Deno.makeTempFile();
  const table: [flags: string[], line: string][] = [
    [["-H", "x-plain=seen"], "x-plain: seen"],
    [["-H", "x-of-env=${OWN}"], "x-of-env: (not shown)"],
    [["-H", "x-around=a${OWN}b"], "x-around: (not shown)"],
    [["-H", `@${file}`], "x-of-file: (not shown)"],
    [["-H", "x-api-key=s3cret"], "x-api-key: (not shown)"],
    [["-H", "proxy-authorization: Bearer s3cret"], "proxy-authorization: (not shown)"],
    [["-H", "cookie=s3cret"], "cookie: (not shown)"],
    [["-H", "x-twice=seen", "-H", "x-twice=${OWN}"], "x-twice: (not shown)"],
    [[], "x-all-of-env: (not shown)"],
  ];
  try {
    await Deno.writeTextFile(file, "x-of-file=s3cret\n");
    for (const [flags, line] of table) {
      await t.step(line, async () => {
        const args = ["fluentd", "status", "-n", "-v", "-s", hub.address, ...flags];
        const env = flags.length === 0
          ? { GCLIENT_HEADER: "x-all-of-env=s3cret" }
          : { OWN: "s3cret" };
        const { err } = await runClient(args, { env });
        assert.ok(err.includes(`> ${line}\n`), err);
        assert.ok(!err.includes("s3cret"), err);
        const [key] = line.split(":");
        assert.match(String(hub.calls.at(-1)?.metadata[key!]), /s3cret|seen/);
      });
    }
  } finally {
    await Deno.remove(file);
  }
});
