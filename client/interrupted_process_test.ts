/**
 * Ctrl-C and SIGTERM, as a real process gets them.
 *
 * @module
 */
import assert from "node:assert/strict";
import { retryInfo, RpcError } from "../shared/grpc/rpc_error.ts";
import { Status } from "../shared/grpc/status.ts";
import { cleanEnv, commandLine, source } from "../tests/support/process.ts";
import { within } from "../tests/support/until.ts";
import { LOST, startFakeHub } from "./testing/fake_hub.ts";

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs gclient, and ends it by a signal as soon as `when` has come. */
async function interrupt(
  args: readonly string[],
  { when, signal }: { readonly when: Promise<unknown>; readonly signal: Deno.Signal },
): Promise<Ended> {
  const [command, ...words] = commandLine(source("client/main.ts"));
  const child = new Deno.Command(command, {
    args: [...words, ...args],
    clearEnv: true,
    env: cleanEnv(),
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = child.output();
  await within("the call", when).catch((error) => {
    child.kill("SIGKILL");
    throw error;
  });
  child.kill(signal);
  const { code, stdout, stderr } = await within("the end of gclient", output);
  const decoder = new TextDecoder();
  return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
}

Deno.test("C10: a signal during a change tells what is known, and how to ask", async (t) => {
  await using hub = await startFakeHub();
  const during = async (args: readonly string[], signal: Deno.Signal) => {
    const began = Promise.withResolvers<void>();
    hub.script.before = (ended) => {
      began.resolve();
      return new Promise((resolve) => ended.addEventListener("abort", () => resolve()));
    };
    return await interrupt([...args, "-s", hub.address], { when: began.promise, signal });
  };
  for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
    await t.step(signal, async () => {
      const ended = await during(["fluentd", "restart", "edge-1", "-n"], signal);
      assert.deepEqual(ended, {
        code,
        out: "",
        err: `error: fluentd.restart on edge-1: CANCELLED: Got ${signal}
  The outcome is unknown: it may have been carried out
hint: See what is true now: gclient fluentd status edge-1 -s ${hub.address}
`,
      });
    });
  }
  await t.step("with the request id that it has", async () => {
    const args = ["fluentd", "stop", "edge-1", "-n", "--set", "requestId=mine"];
    const { code, err } = await during(args, "SIGINT");
    assert.equal(code, 130);
    assert.match(err, /With --set requestId=mine it is done once at most, and says how it went\n/);
  });
  await t.step("a call of another service has no such command", async () => {
    const { code, err } = await during(["call", "fluentd.v1.Fluentd/Stop", "-n"], "SIGINT");
    assert.equal(code, 130);
    assert.match(
      err,
      /outcome is unknown[^]*hint: See what is true now: gclient fluentd status -s [\d.:]+\n$/,
    );
  });
  await t.step("a call that only asks has nothing to tell", async () => {
    const ended = await during(["fluentd", "status", "edge-1"], "SIGINT");
    assert.deepEqual(ended, { code: 130, out: "", err: "" });
  });
  await t.step("between two tries, of which the first may have been carried out", async () => {
    const failed = Promise.withResolvers<void>();
    hub.script.before = () => Promise.resolve();
    hub.script.fail = () => {
      failed.resolve();
      return {
        error: new RpcError(Status.UNAVAILABLE, "lost", { details: [retryInfo(3_600_000)] }),
        trailers: LOST,
      };
    };
    const args = ["fluentd", "stop", "edge-1", "-n", "--retry", "3", "--timeout", "24h"];
    const { code, err } = await interrupt([...args, "-s", hub.address], {
      when: failed.promise,
      signal: "SIGINT",
    });
    assert.equal(code, 130);
    assert.match(
      err,
      /The outcome is unknown: it may have been carried out\. With --set requestId=/,
    );
  });
});

Deno.test("C10: a signal before there is a connection tells that nothing was delivered", async () => {
  // Takes the connection, and never answers the TLS handshake.
  using listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const accepted = listener.accept();
  const address = `127.0.0.1:${listener.addr.port}`;
  const ended = await interrupt(
    ["fluentd", "stop", "edge-1", "-n", "-s", address, "--tls", "--connect-timeout", "10m"],
    { when: accepted, signal: "SIGINT" },
  );
  (await accepted).close();
  assert.equal(ended.code, 130);
  assert.equal(
    ended.err,
    `error: fluentd.stop on edge-1: CANCELLED: Got SIGINT
  hop: client → hub
  The call was not delivered: nothing was done
`,
  );
});
