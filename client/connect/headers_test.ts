import assert from "node:assert/strict";
import { UsageError } from "../../shared/cli/program.ts";
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
      [[`@${file}.bad`], /-H @.*\.bad, line 2: A token in the command line/],
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
