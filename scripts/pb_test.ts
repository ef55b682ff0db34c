import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

const PB = fileURLToPath(new URL("pb.ts", import.meta.url));
const decoder = new TextDecoder();

/** Runs it in a folder without a `proto/`: it must not get as far as looking for one. */
async function pb(...args: string[]) {
  const cwd = await Deno.makeTempDir();
  try {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", PB, ...args],
      cwd,
    }).output();
    return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
  } finally {
    await Deno.remove(cwd, { recursive: true });
  }
}

Deno.test("deno task pb writes nothing when it is asked for help", async () => {
  const { code, out } = await pb("--help");
  assert.equal(code, 0);
  assert.match(out, /^Usage: deno task pb/);
});

Deno.test("deno task pb writes nothing when it does not know a flag", async () => {
  const { code, err } = await pb("--chekc");
  assert.equal(code, 2);
  assert.match(err, /error: Unknown option "--chekc"/);
});
