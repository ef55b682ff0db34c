/**
 * The executables that `deno task build` writes: the README's commands, as they stand, in a folder
 * that starts empty.
 */
import assert from "node:assert/strict";
import { COVERAGE } from "./support/documented.ts";
import { hasTool, run } from "./support/executable.ts";
import { Process, REPOSITORY, toolEnv } from "./support/process.ts";

const FLUENTD_CONFIG = `<source>
  @type sample
  tag a
</source>
<match a>
  @type null
</match>
`;

/** Ports that the README's lines name. A hub that runs here already must not be disturbed. */
function portsAreFree(): boolean {
  try {
    for (const port of [8080, 9090]) Deno.listen({ port }).close();
    return true;
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    console.warn("SKIPPED: the quick start, for port 8080 or 9090 is taken");
    return false;
  }
}

async function script(path: string, text: string): Promise<void> {
  await Deno.writeTextFile(path, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
}

/** What each task of deno.json runs, from whichever folder. */
async function taskCommands(): Promise<Record<string, string>> {
  const { tasks } = JSON.parse(await Deno.readTextFile(`${REPOSITORY}deno.json`));
  return Object.fromEntries(
    Object.entries<{ command: string }>(tasks).map(([name, { command }]) => [
      name,
      command.replace(/^deno /, `exec '${Deno.execPath()}' `)
        .replace(/ ((?:scripts|bench|hub|server|client)\/\S+)/, ` '${REPOSITORY}$1'`),
    ]),
  );
}

/** A folder with what the commands find in PATH and in the environment. */
async function prepare(dir: string): Promise<Record<string, string>> {
  await Deno.mkdir(`${dir}/bin`);
  // As the real npx does, but with the Deno that runs this, and without leaving the folder.
  await script(
    `${dir}/bin/npx`,
    `[ "$1 $2 $3" = "-y deno@${Deno.version.deno} task" ] || exit 99
name=$4; shift 4
case $name in
${
      Object.entries(await taskCommands()).map(([name, command]) => `${name}) ${command} "$@" ;;\n`)
        .join("")
    }*) exit 99 ;;
esac`,
  );
  await Deno.writeTextFile(`${dir}/fluent.conf`, FLUENTD_CONFIG);
  const standIn = `${dir}/bin/stand-in-for-fluentd`;
  await script(
    standIn,
    `exec '${Deno.execPath()}' run -A --quiet '${REPOSITORY}scripts/demo/stand_in.ts' "$@"`,
  );
  const hasFluentd = await hasTool("fluentd");
  if (Deno.env.get("GHUB_REQUIRE_FLUENTD")) assert.ok(hasFluentd, "fluentd is required");
  return {
    ...toolEnv(),
    PATH: `${dir}/bin:${Deno.env.get("PATH")}`,
    HOME: dir,
    XDG_CACHE_HOME: `${dir}/cache`,
    XDG_STATE_HOME: `${dir}/state`,
    GSERVER_STATE_DIR: `${dir}/state/gserver`,
    GSERVER_FLUENTD_MANAGER: "spawn",
    GSERVER_FLUENTD_CONFIG: `${dir}/fluent.conf`,
    GSERVER_FLUENTD_COMMAND: hasFluentd ? "fluentd" : standIn,
  };
}

Deno.test({
  name: "the README's commands work as they stand",
  ignore: !portsAreFree(),
  fn: async (t) => {
    const dir = await Deno.makeTempDir();
    const env = await prepare(dir);
    const background: Process[] = [];
    try {
      for (const [command, coverage] of Object.entries(COVERAGE)) {
        if (!("run" in coverage)) continue;
        const passed = await t.step(command, async () => {
          if (coverage.run === "beside the others") {
            const words = ["-c", `exec ${command}`];
            const program = Process.start(command, "/bin/sh", words, { env, cwd: dir });
            background.push(program);
            await program.line(coverage.ready);
            return;
          }
          const result = await run("/bin/sh", ["-c", `cd '${dir}' && ${command}`], { env });
          const told = `${result.stdout}\n${result.stderr}`;
          assert.equal(result.code, 0, told);
          if (coverage.shows !== undefined) assert.match(result.stdout, coverage.shows, told);
        });
        if (!passed) break; // what follows would only fail too
      }
      await t.step("the programs end when they are asked to", async () => {
        for (const program of background.toReversed()) {
          assert.deepEqual(await program.stop(), { code: 0, signal: null }, program.stderr);
        }
      });
      await t.step("each says its version and helps without anything around it", async () => {
        for (const name of ["ghub", "gserver", "gclient"]) {
          const bare = { PATH: env["PATH"]!, XDG_CACHE_HOME: env["XDG_CACHE_HOME"]! };
          const version = await run(`${dir}/${name}`, ["--version"], { env: bare });
          assert.match(version.stdout, /^(\w+ )?\d+\.\d+\.\d+\n$/, version.stderr);
          const help = await run(`${dir}/${name}`, ["--help"], { env: bare });
          assert.match(help.stdout, new RegExp(`^Usage: ${name} `), help.stderr);
          const wrong = await run(`${dir}/${name}`, ["--no-such-flag"], { env: bare });
          assert.equal(wrong.code, 2, wrong.stderr);
        }
      });
    } finally {
      await Promise.all(background.map((program) => program.stop()));
      await Deno.remove(dir, { recursive: true });
    }
  },
});

Deno.test("build says what it cannot do", async (t) => {
  const dir = await Deno.makeTempDir();
  const build = ["run", "-A", "--quiet", `${REPOSITORY}scripts/build.ts`, "--out", dir];
  const cases: [name: string, args: string[], code: number, message: RegExp][] = [
    ["an unknown program", ["gagent"], 2, /no program "gagent": expected ghub, gserver, gclient/],
    ["an unknown flag", ["--traget", "x"], 2, /--traget/],
    [
      "a system without sh",
      [
        "--self-extracting",
        "--target",
        "x86_64-pc-windows-msvc",
      ],
      1,
      /Cannot build for x86_64-pc-windows-msvc: .*DENORT_BIN/,
    ],
    [
      "another system without its deno",
      [
        "--self-extracting",
        "--target",
        "aarch64-apple-darwin",
      ],
      1,
      /Cannot build for aarch64-apple-darwin on .*--deno FILE/,
    ],
  ];
  try {
    for (const [name, args, code, message] of cases) {
      await t.step(name, async () => {
        const result = await run(Deno.execPath(), [...build, ...args]);
        assert.equal(result.code, code, result.stderr);
        assert.match(result.stderr, message);
      });
    }
    assert.deepEqual(await Array.fromAsync(Deno.readDir(dir)), []);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
