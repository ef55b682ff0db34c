import assert from "node:assert/strict";
import { cleanEnv, commandLine, source } from "../tests/support/process.ts";
import { TestHub } from "./testing/hub.ts";

interface Gserver extends AsyncDisposable {
  readonly process: Deno.ChildProcess;
  /** The next line on stdout. */
  line(): Promise<string | undefined>;
}

async function spawn(hub: TestHub, ...args: string[]): Promise<Gserver> {
  const stateDir = await Deno.makeTempDir();
  const [command, ...words] = commandLine(source("server/main.ts"));
  const process = new Deno.Command(command, {
    args: [
      ...words,
      ...["serve", "edge-1", "--hub-uri", hub.uri.href, "--state-dir", stateDir],
      ...["--fluentd-manager", "spawn", ...args],
    ],
    clearEnv: true,
    env: cleanEnv(),
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  return {
    process,
    async line() {
      for (;;) {
        const end = text.indexOf("\n");
        if (end >= 0) {
          const line = text.slice(0, end);
          text = text.slice(end + 1);
          return line;
        }
        const { value, done } = await reader.read();
        if (done) return undefined;
        text += value;
      }
    },
    async [Symbol.asyncDispose]() {
      try {
        process.kill("SIGKILL");
      } catch {
        // It has ended.
      }
      await process.status;
      await reader.cancel();
      await Deno.remove(stateDir, { recursive: true });
    },
  };
}

Deno.test("gserver prints a line each time it is registered, and ends with 0", async () => {
  await using hub = await TestHub.start();
  await using gserver = await spawn(hub);
  const ready = `gserver ready server=edge-1 hub=${hub.uri.href}`;
  assert.equal(await gserver.line(), ready);
  hub.cut();
  assert.equal(await gserver.line(), ready);
  gserver.process.kill("SIGTERM");
  const { code, signal } = await gserver.process.status;
  assert.deepEqual([code, signal], [0, null]);
});

Deno.test("gserver lets a call end after SIGTERM, and exits at once after a second one", async () => {
  await using hub = await TestHub.start();
  await using gserver = await spawn(hub);
  const tunnel = await hub.tunnel();
  // A raw connection is a call that lasts as long as we want.
  const call = tunnel.open("/ghub.v1.Tunnel/Connect");
  await new Promise((resolve) => call.once("response", resolve));
  gserver.process.kill("SIGTERM");
  await tunnel.goaway;
  assert.equal(tunnel.socket.readyState, tunnel.socket.OPEN);
  gserver.process.kill("SIGTERM");
  assert.equal((await gserver.process.status).code, 143);
});
