import assert from "node:assert/strict";
import { PATIENCE_MS } from "../../../tests/support/until.ts";
import { TimeoutError } from "../../../shared/async/deadline.ts";
import { run } from "./run.ts";

const { signal } = new AbortController();

Deno.test("run() gives exit code and both streams", async () => {
  const script = 'echo out; echo err >&2; echo "$X" "$1"; exit 3';
  assert.deepEqual(
    await run(["sh", "-c", script, "sh", "a b"], {
      timeoutMs: PATIENCE_MS,
      signal,
      env: { X: "y" },
    }),
    { code: 3, stdout: "out\ny a b\n", stderr: "err\n" },
  );
});

Deno.test("run() keeps the end of too much output", async () => {
  const script = "head -c 3000000 /dev/zero | tr '\\0' x; echo last";
  const { stdout } = await run(["sh", "-c", script], { timeoutMs: PATIENCE_MS, signal });
  assert.ok(stdout.endsWith("xlast\n"));
  assert.ok(stdout.length < 1_000_000, `${stdout.length}`);
});

Deno.test("run() ends what takes too long, even if it will not", async () => {
  const stubborn = "trap '' TERM; while :; do sleep 0.05; done";
  const heir = "sleep 3 & echo $!; wait";
  for (const script of ["exec sleep 60", stubborn, heir]) {
    await assert.rejects(run(["sh", "-c", script], { timeoutMs: 100, signal }), TimeoutError);
  }
});

Deno.test("run() ends with its signal", async () => {
  const controller = new AbortController();
  const running = run(["sleep", "60"], { timeoutMs: PATIENCE_MS, signal: controller.signal });
  controller.abort(new Error("Enough"));
  await assert.rejects(running, /Enough/);
});

Deno.test("run() says that there is no such program", async () => {
  await assert.rejects(run(["/nonexistent/x"], { timeoutMs: 100, signal }), Deno.errors.NotFound);
});
