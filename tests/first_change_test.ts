/**
 * docs/first_change.md, step by step, in a copy of the sources: the command passes, fails with the
 * first change, and passes again with the second one.
 */
import assert from "node:assert/strict";
import { dirname } from "node:path";
import { REPOSITORY } from "./support/process.ts";

/** What the command needs. */
const PARTS = ["deno.json", "deno.lock", "client", "shared", "scripts", "tests/support"];

const page = Deno.readTextFileSync(`${REPOSITORY}docs/first_change.md`);
const [command = ""] = /^npx -y deno@\S+ task test .*$/m.exec(page) ?? [];
const changes = [...page.matchAll(/^```diff\n([^]*?)^```$/gm)].map(([, diff = ""]) => diff);

function copy(from: string, to: string): void {
  if (Deno.statSync(from).isFile) return Deno.copyFileSync(from, to);
  Deno.mkdirSync(to, { recursive: true });
  for (const { name } of Deno.readDirSync(from)) copy(`${from}/${name}`, `${to}/${name}`);
}

interface Ran {
  readonly ok: boolean;
  readonly text: string;
}

async function run(program: string, args: string[], cwd: string, input = ""): Promise<Ran> {
  const child = new Deno.Command(program, {
    args,
    cwd,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1", GIT_CEILING_DIRECTORIES: dirname(cwd) },
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { success, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { ok: success, text: decoder.decode(stdout) + decoder.decode(stderr) };
}

Deno.test("docs/first_change.md leads from a clone to a failing test and to a green one", async () => {
  const dir = await Deno.makeTempDir({ prefix: "ghub-first-change-" });
  try {
    Deno.mkdirSync(`${dir}/tests`);
    for (const part of PARTS) copy(`${REPOSITORY}${part}`, `${dir}/${part}`);
    const [, paths = ""] = /task test (.*)/.exec(command)!;
    const test = () =>
      run(Deno.execPath(), ["run", "-A", "scripts/run_tests.ts", ...paths.split(" ")], dir);
    const change = async (diff: string) => {
      // It looks for the lines, not for their numbers: they move with every change above.
      const { ok, text } = await run("git", ["apply", "-"], dir, diff);
      assert.ok(ok, text);
    };
    const [aTest, theFix, ...more] = changes;
    assert.deepEqual(more, []);
    const before = await test();
    assert.ok(before.ok, before.text);
    await change(aTest!);
    const failing = await test();
    assert.ok(!failing.ok, failing.text);
    const [, missing = ""] = /shows the line that is missing:\s`(.*)`/.exec(page)!;
    assert.ok(failing.text.includes(missing), failing.text);
    await change(theFix!);
    const after = await test();
    assert.ok(after.ok, after.text);
    const changed = [...page.matchAll(/^\+\+\+ b\/(.*)$/gm)].map(([, path = ""]) => path);
    const formatted = await run(Deno.execPath(), ["fmt", "--check", ...changed], dir);
    assert.ok(formatted.ok, formatted.text);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
