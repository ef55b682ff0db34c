/**
 * `deno task demo`, as a newcomer runs it: with a real Fluentd where there is one, with the stand-in, and
 * stopped half-way.
 */
import assert from "node:assert/strict";
import { BUNDLES_VARIABLE } from "../scripts/run_tests/bundle_of.ts";
import { Process, REPOSITORY } from "./support/process.ts";

const DEMO = ["run", "-A", "--quiet", `${REPOSITORY}scripts/demo.ts`];

async function foldersIn(dir: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(dir))).map(({ name }) => name);
}

async function processesWith(text: string): Promise<string[]> {
  const { stdout } = await new Deno.Command("ps", { args: ["-A", "-ww", "-o", "args="] }).output();
  return new TextDecoder().decode(stdout).split("\n").filter((line) => line.includes(`${text}/`));
}

/** Where the runner has made bundles, the demo starts its programs from them. */
function fromBundles(): Record<string, string> {
  const folder = Deno.env.get(BUNDLES_VARIABLE);
  return folder === undefined ? {} : { [BUNDLES_VARIABLE]: folder };
}

/** @param more Set in addition to its environment. By itself it starts its programs from their sources. */
async function play(args: readonly string[], more: Record<string, string> = {}): Promise<string> {
  const tmp = await Deno.makeTempDir();
  try {
    const env = { TMPDIR: tmp, NO_COLOR: "1", ...more };
    const demo = Process.deno("demo", [...DEMO, ...args], { env });
    const exit = await demo.exit;
    const output = demo.lines.join("\n");
    assert.deepEqual(exit, { code: 0, signal: null }, `${output}\n${demo.stderr}`);
    assert.deepEqual(await foldersIn(tmp), []);
    assert.deepEqual(await processesWith(tmp), []);
    return output;
  } finally {
    await Deno.remove(tmp, { recursive: true });
  }
}

Deno.test("the demo shows each format and true outcomes, and leaves nothing behind", async () => {
  const output = await play([]);
  for (const sign of ["SUCCESS", "NOCHANGE", "HEALTHY", "FAILED", "exit code 3", "exit code 73"]) {
    assert.ok(output.includes(sign), `${sign} in:\n${output}`);
  }
  assert.ok(!output.includes("✗"), output);
});

Deno.test("the demo says so when a stand-in takes Fluentd's place", async () => {
  assert.match(await play(["--stand-in"], fromBundles()), /stand-in/);
});

Deno.test("the demo of three hubs: one dies, one drains, the call goes through", async () => {
  const output = await play(["--hubs", "3"], fromBundles());
  for (
    const sign of [
      "one server, with tunnels at 2 hubs",
      "the call goes through another hub",
      "the call goes through the hub that is left",
      "its server has come back",
    ]
  ) {
    assert.ok(output.includes(`✓ ${sign}`), `${sign} in:\n${output}`);
  }
  assert.ok(!output.includes("✗"), output);
});

Deno.test("the demo cleans up when it is stopped half-way, and says so by its exit code", async (t) => {
  for (const [signal, code] of [["SIGTERM", 143], ["SIGINT", 130]] as const) {
    await t.step(signal, async () => {
      const tmp = await Deno.makeTempDir();
      try {
        const env = { TMPDIR: tmp, NO_COLOR: "1", ...fromBundles() };
        const demo = Process.deno("demo", [...DEMO, "--stand-in"], { env });
        await demo.line(/NOCHANGE/); // now Fluentd's stand-in runs
        demo.signal(signal);
        assert.deepEqual(await demo.ended(), { code, signal: null });
        assert.deepEqual(await foldersIn(tmp), []);
        assert.deepEqual(await processesWith(tmp), []);
      } finally {
        await Deno.remove(tmp, { recursive: true });
      }
    });
  }
});
