import assert from "node:assert/strict";
import {
  batchesOf,
  collect,
  isTest,
  type Kind,
  mayStartPrograms,
  testsOfPrograms,
} from "./files.ts";
import { Runner } from "./runner.ts";
import { SLOW } from "./slow.ts";

/** Elsewhere nobody tells. */
const COSTS = Deno.build.os === "linux"
  ? /^\d+\.\d s of a processor in all, and most of it:\n +\d+\.\d s {2}\S+costly_test\.ts$/m
  : /1 passed/;

Deno.test("Runner counts what passed and failed, and a file that crashes has failed", async (t) => {
  const dir = await Deno.makeTempDir({ prefix: "ghub-runner-" });
  const table: [name: string, text: string, code: number, says: RegExp][] = [
    [
      "good",
      'Deno.test("a", () => {});\nDeno.test.ignore("b", () => {});',
      0,
      /1 passed, 1 ignored/,
    ],
    ["costly", 'Deno.test("a", () => {});', 0, COSTS],
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
        assert.equal(await runner.run([{ paths: [path], alone: name === "bad" }]), code);
        assert.match(lines.join("\n"), says);
      });
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("Runner runs files in one process, and each by itself if that one crashes", async (t) => {
  const dir = await Deno.makeTempDir({ prefix: "ghub-runner-" });
  const good = (name: string) =>
    `globalThis.ran = [...globalThis.ran ?? [], "${name}"];
Deno.test("${name}", () => console.log("SKIPPED: ran " + globalThis.ran));`;
  const table: [name: string, texts: string[], code: number, says: RegExp[]][] = [
    ["good", [good("a"), good("b")], 0, [/ok +2 passed/, /^ +SKIPPED: ran a,b$/m]],
    [
      "bad",
      [good("a"), 'Deno.test("b", () => { throw new Error("bad luck"); });'],
      1,
      [/FAILED +1 passed/, /bad luck/, /1 passed, 1 failed/],
    ],
    [
      "crash",
      [good("a"), 'Deno.test("b", () => Deno.kill(Deno.pid, "SIGKILL"));', good("c")],
      1,
      [/each by itself/, /ok +1 passed.*crash0_test/, /FAILED.*crash1_test/, /ok +1.*crash2_test/],
    ],
    // It ran well by itself, and has failed: nobody knows what it was.
    ["company", [good("a"), 'if (globalThis.ran) Deno.kill(Deno.pid, "SIGKILL");'], 1, [
      /each by itself/,
      /FAILED:/,
    ]],
  ];
  try {
    for (const [name, texts, code, says] of table) {
      await t.step(name, async () => {
        const paths = texts.map((_, i) => `${dir}/${name}${i}_test.ts`);
        await Promise.all(paths.map((path, i) => Deno.writeTextFile(path, texts[i]!)));
        const lines: string[] = [];
        const options = { jobs: 2, env: {}, filter: undefined, junit: `${dir}/${name}` };
        await Deno.mkdir(options.junit);
        const runner = new Runner({ ...options, print: (line) => lines.push(line) });
        assert.equal(await runner.run([{ paths, alone: false }]), code);
        for (const said of says) assert.match(lines.join("\n"), said);
      });
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("each file with tests is unit, system or slow, and one of them only", () => {
  const paths = (kind: Kind) => collect([], kind).map(({ path }) => path);
  const [all, system, unit, slow] = [paths("all"), paths("system"), paths("unit"), paths("slow")];
  assert.ok(system.length > 30 && unit.length > 100);
  assert.deepEqual([...system, ...unit, ...slow].sort(), all.toSorted());
  assert.deepEqual(slow, SLOW, "each of them is there, and they come in this order");
  assert.deepEqual(all.slice(0, slow.length), slow, "the longest begin");
  assert.ok(unit.includes("shared/grpc/timeout.ts"), "an example in a doc comment");
  assert.ok(paths("random").includes("shared/codec/json_test.ts"));
  assert.deepEqual(collect(["./hub/auth/"], "system"), []);
  const tried = testsOfPrograms(collect([], "programs")).map(({ path }) => path);
  assert.ok(tried.includes("tests/story_test.ts") && !tried.includes("tests/house_test.ts"));
  assert.ok(tried.includes("tests/fluentd_test.ts"), "what takes long is run on executables too");
});

Deno.test("bundles are made for tests that start a program, and for no others", () => {
  const needs = (...paths: string[]) => collect(paths, "all").some(mayStartPrograms);
  assert.ok(needs("tests/story_test.ts"));
  assert.ok(needs("client/main_process_test.ts"));
  assert.ok(needs("tests/reliability/calls_test.ts"), "connections are those of real programs");
  assert.ok(!needs("tests/house_test.ts", "tests/start_test.ts"), "they look at sources alone");
  assert.ok(!needs("shared/grpc"));
});

Deno.test("each file is in one process, and those that cannot share one do not", () => {
  const all = collect([], "all");
  const batches = batchesOf(all);
  assert.deepEqual(
    batches.flatMap(({ paths }) => paths).sort(),
    all.map(({ path }) => path).sort(),
  );
  const companyOf = (path: string) => batches.find(({ paths }) => paths.includes(path))!.paths;
  for (
    const path of ["tests/story_test.ts", "shared/text/closest_test.ts", "tests/build_test.ts"]
  ) assert.deepEqual(companyOf(path), [path]);
  assert.ok(companyOf("shared/codec/json_test.ts").length > 1);
  for (const { paths } of batches) {
    assert.equal(new Set(paths.map(isTest)).size, 1, "examples and tests are run in other ways");
  }
});
