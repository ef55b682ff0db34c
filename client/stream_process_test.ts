/**
 * Streams through a pipe that stays open, as a real process has them.
 *
 * @module
 */
import assert from "node:assert/strict";
import { cleanEnv, commandLine, source } from "../tests/support/process.ts";
import { within } from "../tests/support/until.ts";
import { startFakeHub } from "./testing/fake_hub.ts";

/** Runs gclient with a pipe that the test writes to. */
async function withGclient(
  args: readonly string[],
  run: (gclient: {
    write(text: string): Promise<void>;
    closeStdin(): Promise<void>;
    /** The next line of stdout. */
    line(): Promise<string | undefined>;
    ended: Promise<{ readonly code: number; readonly err: string }>;
  }) => Promise<void>,
): Promise<void> {
  const [command, ...words] = commandLine(source("client/main.ts"));
  const child = new Deno.Command(command, {
    args: [...words, ...args],
    clearEnv: true,
    env: cleanEnv(),
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const stdin = child.stdin.getWriter();
  const stdout = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const err = new Response(child.stderr).text();
  let rest = "";
  try {
    await run({
      write: (text) => stdin.write(new TextEncoder().encode(text)),
      closeStdin: () => stdin.close(),
      async line() {
        while (!rest.includes("\n")) {
          const { done, value } = await within("a line of gclient", stdout.read());
          if (done) return undefined;
          rest += value;
        }
        const end = rest.indexOf("\n");
        const line = rest.slice(0, end);
        rest = rest.slice(end + 1);
        return line;
      },
      ended: (async () => ({ code: (await child.status).code, err: await err }))(),
    });
  } finally {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await child.status;
    await err;
    await stdout.cancel();
    await stdin.close().catch(() => {});
  }
}

Deno.test("a stream's requests are sent as they are written, and answered before the input ends", async (t) => {
  await using hub = await startFakeHub();
  const call = ["call", "echo.v1.Echo/Bidi", "-s", hub.address, "-o", "json"];
  await t.step("NDJSON", () =>
    withGclient(call, async ({ write, closeStdin, line, ended }) => {
      for (const data of ["YQ==", "Yg=="]) {
        await write(`{"data":"${data}"}\n`);
        assert.equal(await line(), `{"data":"${data}"}`);
      }
      await closeStdin();
      assert.equal(await line(), undefined);
      assert.deepEqual(await within("the end", ended), { code: 0, err: "" });
    }));
  await t.step(
    "a bad one ends the call as cancelled",
    () =>
      withGclient(call, async ({ write, line, ended }) => {
        await write('{"data":"YQ=="}\n');
        assert.equal(await line(), '{"data":"YQ=="}');
        await write('{"data":}\n');
        // Standard input stays open: nobody waits for its end.
        const { code, err } = await within("the end", ended);
        assert.equal(code, 2);
        assert.match(
          err,
          /^error: Request 2 cannot be sent, so the call was cancelled after 1 request: stdin:2:9: /,
        );
      }),
  );
  await t.step(
    "the server's end is the end, whatever the pipe does",
    () =>
      withGclient(call, async ({ write, ended }) => {
        await write('{"failCode":9,"failMessage":"enough"}\n');
        const { code, err } = await within("the end", ended);
        assert.equal(code, 73);
        assert.match(err, /enough/);
      }),
  );
});
