import assert from "node:assert/strict";
import { collect, testsOfPrograms } from "./files.ts";
import { Runner } from "./runner.ts";

Deno.test("Runner counts what passed and failed, and a file that crashes has failed", async (t) => {
  const dir = await Deno.makeTempDir({ prefix: "ghub-runner-" });
  const table: [name: string, text: string, code: number, says: RegExp][] = [
    [
      "good",
      'Deno.test("a", () => {});\nDeno.test.ignore("b", () => {});',
      0,
      /1 passed, 1 ignored/,
    ],
    ["bad", 'Deno.test("a", () => { throw new Error("bad luck"); });', 1, /bad luck/],
    ["crash", 'Deno.test("a", () => Deno.kill(Deno.pid, "SIGKILL"));', 1, /1 failed/],
    ["empty", "", 1, /0 passed, 0 failed/],
    [
      "loud",
      'console.warn("SKIPPED: no luck");\nDeno.test("a", () => {});',
      0,
      /^ +SKIPPED: no luck/m,
    ],
  ];
  // Aborts the first time, and always.
  const abort = (marker: string) => `
const marker = ${JSON.stringify(`${dir}/`)} + ${marker};
if (!await Deno.stat(marker).catch(() => undefined)) {
  await Deno.writeTextFile(marker, "");
  console.error("deno: nghttp2/lib/nghttp2_session.c:2402: int f(void *): Assertion \`x' failed.");
  Deno.exit(134);
}
Deno.test("a", () => {});`;
  table.push(
    ["aborted", abort('"once"'), 0, /AGAIN: Deno's node:http2 aborted[^]*ok +1 passed/],
    ["aborting", abort('"always" + Deno.pid'), 1, /AGAIN: [^]*1 failed/],
  );
  try {
    for (const [name, text, code, says] of table) {
      await t.step(name, async () => {
        const path = `${dir}/${name}_test.ts`;
        await Deno.writeTextFile(path, text);
        const lines: string[] = [];
        const options = { jobs: 2, env: {}, filter: undefined, junit: undefined };
        const runner = new Runner({ ...options, print: (line) => lines.push(line) });
        assert.equal(await runner.run([{ path, alone: name === "bad" }]), code);
        assert.match(lines.join("\n"), says);
      });
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("each file with tests is of the system or of a part, and of one only", () => {
  const paths = (kind: Parameters<typeof collect>[1]) => collect([], kind).map(({ path }) => path);
  const [all, system, unit] = [paths("all"), paths("system"), paths("unit")];
  assert.ok(system.length > 30 && unit.length > 100);
  assert.deepEqual([...system, ...unit].sort(), all.toSorted());
  assert.ok(unit.includes("shared/grpc/timeout.ts"), "an example in a doc comment");
  assert.ok(paths("random").includes("shared/codec/json_test.ts"));
  assert.deepEqual(collect(["./hub/auth/"], "system"), []);
  const tried = testsOfPrograms(collect([], "system")).map(({ path }) => path);
  assert.ok(tried.includes("tests/story_test.ts") && !tried.includes("tests/house_test.ts"));
});
