/**
 * Executables by `deno compile`, also where its base runtime cannot be had: a stand-in takes its
 * place, and what the tool put behind it is read back.
 */
import assert from "node:assert/strict";
import { compile, compileReason } from "../scripts/build/compile.ts";
import { PROGRAMS } from "../scripts/build/programs.ts";
import { type Run, run } from "./support/executable.ts";
import { REPOSITORY, toolEnv } from "./support/process.ts";
import { type CompiledSettings, settingsOf, standInBase } from "./support/stand_in_base.ts";

/** What `deno compile` can build for. */
const TARGETS = [
  "x86_64-unknown-linux-gnu",
  "aarch64-unknown-linux-gnu",
  "x86_64-apple-darwin",
  "aarch64-apple-darwin",
  "x86_64-pc-windows-msvc",
];
/** Deno's permissions, each allowed for everything, for some things, or not at all. */
const ALL = ["env", "ffi", "import", "net", "read", "run", "sys", "write"];

/** What a builder may have in the environment, and must not get into an executable. */
const STEERING = { DENO_V8_FLAGS: "--max-lazy", DENO_CERT: "/none.crt", OTEL_DENO: "true" };

/** What an executable may do, and how it runs: as the programs' table has it. */
function expected(flags: readonly string[]) {
  const permissions = Object.fromEntries(ALL.flatMap((kind) => {
    const flag = flags.find((flag) => flag.split("=")[0] === `--allow-${kind}`);
    if (flag !== undefined) return [[kind, flag.split("=")[1]?.split(",") ?? []]];
    return flags.includes("--allow-all") ? [[kind, []]] : [];
  }));
  const v8 = flags.find((flag) => flag.startsWith("--v8-flags="))?.slice("--v8-flags=".length);
  const unstable = flags.filter((flag) => flag.startsWith("--unstable-"));
  return {
    permissions,
    v8: v8?.split(",") ?? [],
    unstable: unstable.map((flag) => flag.slice("--unstable-".length)),
    prompt: !flags.includes("--no-prompt") && !flags.includes("--allow-all"),
  };
}

function assertSettings(name: string, flags: readonly string[], settings: CompiledSettings): void {
  const { permissions, v8, unstable, prompt } = expected(flags);
  // "import" has hosts by default, which --no-remote makes void.
  for (const kind of ALL.filter((kind) => kind !== "import")) {
    const found = settings.permissions[`allow_${kind}`];
    assert.deepEqual(found ?? null, permissions[kind] ?? null, `${name} ${kind}`);
  }
  if (!flags.includes("--allow-all")) assert.equal(settings.permissions["prompt"], prompt, name);
  assert.deepEqual(v8.filter((flag) => !settings.v8_flags.includes(flag)), [], name);
  assert.ok(!settings.v8_flags.includes("--max-lazy"), name);
  assert.deepEqual(settings.unstable_config.features, unstable, name);
  assert.deepEqual([settings.ca_stores, settings.ca_data], [null, null], name);
  assert.equal(settings.otel_config.tracing_enabled, false, name);
  // Its file would lie where every user of the machine may write.
  assert.equal(settings.code_cache_key, null, name);
}

/** A folder that goes when it is disposed of. */
async function tempDir(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await Deno.makeTempDir({ prefix: "ghub-compile-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

const namesIn = async (dir: string) =>
  (await Array.fromAsync(Deno.readDir(dir))).map(({ name }) => name).sort();

/** Runs `deno task build` with a base; its output goes to `out`, temporary files to `tmp`. */
async function build(dir: string, base: string, args: readonly string[]): Promise<Run> {
  await Promise.all(["out", "tmp"].map((name) => Deno.mkdir(`${dir}/${name}`)));
  const script = ["run", "-A", "--quiet", `${REPOSITORY}scripts/build.ts`];
  return await run(Deno.execPath(), [...script, "--out", `${dir}/out`, ...args], {
    env: { ...toolEnv(), ...STEERING, TMPDIR: `${dir}/tmp`, DENORT_BIN: base },
  });
}

Deno.test("A1: the three programs build with a base, and nothing else is left", async () => {
  await using dir = await tempDir();
  await Deno.writeFile(`${dir.path}/base`, standInBase(Deno.build.target));
  const { code, stdout, stderr } = await build(dir.path, `${dir.path}/base`, []);
  assert.equal(code, 0, stderr);
  assert.doesNotMatch(stdout, /self-extracting/);
  assert.deepEqual(await namesIn(`${dir.path}/out`), ["gclient", "ghub", "gserver"]);
  assert.deepEqual(await namesIn(`${dir.path}/tmp`), []);
  for (const { name, flags } of PROGRAMS) {
    const file = await Deno.readFile(`${dir.path}/out/${name}`);
    assertSettings(name, flags, settingsOf(file));
  }
});

Deno.test("A1: each program has its permissions and flags, on each target", async (t) => {
  const bundle = new TextEncoder().encode("console.log(1);\n");
  for (const target of TARGETS) {
    await t.step(target, async () => {
      await using dir = await tempDir();
      await Deno.writeFile(`${dir.path}/base`, standInBase(target));
      const env = { ...STEERING, DENORT_BIN: `${dir.path}/base` };
      for (const program of PROGRAMS) {
        const made = await compile(program, { bundle, target, dir: dir.path, env });
        assert.ok("path" in made, "why" in made ? made.why : "");
        assertSettings(program.name, program.flags, settingsOf(await Deno.readFile(made.path)));
      }
    });
  }
});

Deno.test({
  name: "A1: where deno compile fails, the other form is written, and the reason is one line",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using dir = await tempDir();
    const { code, stdout, stderr } = await build(dir.path, "/nowhere/denort", ["gclient"]);
    assert.equal(code, 0, stderr);
    const [first = "", ...rest] = stdout.trim().split("\n");
    assert.match(
      first,
      /^Writing self-extracting executables, which behave the same \(deno compile: .+\)$/,
    );
    assert.match(rest.join("\n"), /^Wrote \S+\/gclient \(\d+\.\d MB\)$/);
    assert.deepEqual(await namesIn(`${dir.path}/out`), ["gclient"]);
    assert.deepEqual(await namesIn(`${dir.path}/tmp`), []);
  },
});

Deno.test("A1: a compile that fails leaves nothing and tells why", async () => {
  await using dir = await tempDir();
  const program = { name: "tiny", entry: "unused", flags: ["--no-such-flag"] };
  const bundle = new TextEncoder().encode("console.log(1);\n");
  const result = await compile(program, { bundle, target: Deno.build.target, dir: dir.path });
  assert.match("why" in result ? result.why : "", /no-such-flag/);
  assert.deepEqual(await namesIn(dir.path), []);
});

Deno.test("reasonOf finds the one line that tells", async (t) => {
  const failed = { success: false, timedOut: false, stderr: "" };
  const table: [name: string, result: Partial<typeof failed>, reason: RegExp][] = [
    ["a network that is silent", { timedOut: true }, /^it took longer than 60 s$/],
    [
      "no network",
      {
        stderr:
          "error: Writing …\n\nCaused by:\n    0: Setting up base binary.\n    1: dns error\n",
      },
      /^its base runtime cannot be fetched$/,
    ],
    [
      "a stack that overflows",
      {
        stderr:
          "\nthread 'tokio-runtime-worker' (7) has overflowed its stack\nfatal runtime error\n",
      },
      /^thread 'tokio-runtime-worker' \(7\) has overflowed its stack$/,
    ],
    [
      "a file that is no base",
      {
        stderr: "error: Writing …\n\nCaused by:\n    0: Writing binary bytes\n" +
          "    1: Invalid object: Not an ELF file\n\nStack backtrace:\n   0: <unknown>\n",
      },
      /^Invalid object: Not an ELF file$/,
    ],
    [
      "a flag",
      { stderr: "error: unexpected argument '--x' found\n\nUsage: …\n" },
      /^unexpected arg/,
    ],
    ["silence", {}, /^it failed without a word$/],
  ];
  for (const [name, result, reason] of table) {
    await t.step(name, () => assert.match(compileReason({ ...failed, ...result }), reason));
  }
});
