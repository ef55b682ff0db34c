import assert from "node:assert/strict";
import { hubTest, runClient, type Script } from "../testing/fake_hub.ts";

hubTest("fluentd start sends the request, the server's name and the deadline", async (hub) => {
  const beganMs = performance.now();
  const { code, out, err } = await runClient(
    [
      "fluentd",
      "start",
      "edge-1",
      "-s",
      hub.address,
      "-d",
      '{"reason":"why"}',
      "--set",
      "wait=60s",
    ],
  );
  assert.deepEqual([code, err], [0, ""]);
  assert.deepEqual(JSON.parse(out), { status: "SUCCESS" });
  const [call] = hub.calls;
  assert.equal(call?.metadata["x-hub-server"], "edge-1");
  assert.partialDeepStrictEqual(call?.request, { reason: "why", wait: { seconds: 60 } });
  // 60 s of the request and 15 s for the way.
  assertDeadline(call?.timeoutMs, { limitMs: 75_000, tookMs: performance.now() - beganMs });
});

/** That a call had its whole time, less what it took to get there on a machine that may be slow. */
function assertDeadline(
  timeoutMs: number | undefined,
  { limitMs, tookMs }: { readonly limitMs: number; readonly tookMs: number },
): void {
  const lessMs = limitMs - (timeoutMs ?? NaN);
  assert.ok(lessMs >= 0 && lessMs <= tookMs + 1000, `${timeoutMs} of ${limitMs} after ${tookMs}`);
}

hubTest("G15: --accept-loss is asked of the server, and without it nothing is", async (hub) => {
  for (const verb of ["stop", "restart"]) {
    for (const flags of [[], ["--accept-loss"]]) {
      const { err } = await runClient(["fluentd", verb, "a", "-n", "-s", hub.address, ...flags]);
      assert.equal(err.includes("Unknown"), false, err);
      const request = hub.calls.pop()!.request as { acceptLoss?: boolean };
      assert.equal(request.acceptLoss ?? false, flags.length > 0);
    }
  }
});

hubTest("G15: a table shows each warning", async (hub) => {
  const warnings = [{ code: "NO_SOURCE", message: "It has no <source>" }];
  hub.script.status = { state: { health: "HEALTHY", warnings } };
  const { out } = await runClient(["fluentd", "status", "a", "-s", hub.address, "-o", "table"]);
  assert.match(out, /warning +NO_SOURCE: It has no <source>/);
});

hubTest("each command has a deadline that its server's wait fits into", async (hub, t) => {
  const table: [args: string[], limitMs: number][] = [
    [["fluentd", "start"], 45_000],
    [["fluentd", "stop"], 165_000],
    [["fluentd", "restart"], 195_000],
    [["fluentd", "status"], 10_000],
    [["hub", "servers"], 10_000],
    [["fluentd", "start", "--wait-for-server", "30s"], 75_000],
    [["fluentd", "start", "--timeout", "20s"], 20_000],
  ];
  for (const [args, limitMs] of table) {
    await t.step(args.join(" "), async () => {
      const beganMs = performance.now();
      assert.equal((await runClient([...args, "-n", "-s", hub.address])).code, 0);
      const { timeoutMs } = hub.calls.pop()!;
      assertDeadline(timeoutMs, { limitMs, tookMs: performance.now() - beganMs });
    });
  }
  await t.step("--timeout 0 is none", async () => {
    await runClient(["fluentd", "status", "-n", "--timeout", "0", "-s", hub.address]);
    assert.equal(hub.calls.pop()!.timeoutMs, undefined);
  });
});

hubTest("F15: a change that failed says so first, and of a stack shows little", async (hub) => {
  const stack = Array.from({ length: 20 }, (_, i) => `  [error]: #0 gems/${i}.rb:1:in 'start'`);
  const logTail = ["[error]: #0 Address already in use", ...stack, "[error]: Worker 0 exited"];
  const failure = { reason: "CRASH_LOOP", message: "It died 3 times", logTail };
  Object.assign(hub.script, { start: { status: "FAILED", failure } });
  const args = ["fluentd", "start", "a", "-n", "-s", hub.address, "-o"];
  const { all, code } = await runClient([...args, "table"]);
  assert.equal(code, 3);
  const [first, ...lines] = all.trimEnd().split("\n");
  assert.equal(first, "error: fluentd.start on a: FAILED: CRASH_LOOP: It died 3 times");
  assert.deepEqual(lines.slice(lines.indexOf("log:") + 1), [
    "  [error]: #0 Address already in use",
    ...stack.slice(0, 3).map((line) => `  ${line}`),
    "    … 17 more lines of stack, which -o yaml shows",
    "  [error]: Worker 0 exited",
  ]);
  const yaml = await runClient([...args, "yaml"]);
  for (const line of stack) assert.ok(yaml.out.includes(line.slice(2)), line);
});

hubTest("the exit code tells the outcome", async (hub, t) => {
  const failure = {
    reason: "CRASH_LOOP",
    message: "It died 3 times",
    exitCode: 7,
    logTail: ["bad config"],
  };
  const table: [args: string, script: Partial<Script>, code: number, err: RegExp][] = [
    ["fluentd start a", { start: { status: "SUCCESS" } }, 0, /^$/],
    ["fluentd start a", { start: { status: "NOCHANGE" } }, 0, /^$/],
    ["fluentd start a", { start: {} }, 3, /^error: fluentd\.start on a: UNKNOWN\n$/],
    [
      "fluentd start a",
      { start: { status: "FAILED", failure } },
      3,
      /^error: fluentd\.start on a: FAILED: CRASH_LOOP: It died 3 times \(exit code 7\)\n$/,
    ],
    ["fluentd stop", { stop: { status: "FAILED" } }, 3, /^error: fluentd\.stop: FAILED\n$/],
    ["fluentd stop", { stop: { status: "NOCHANGE" } }, 0, /^$/],
    ["fluentd restart", { restart: { status: "FAILED_STARTED" } }, 3, /FAILED_STARTED/],
    ["fluentd restart", { restart: { status: "FAILED_STOPPED" } }, 3, /FAILED_STOPPED/],
    ["fluentd restart", { restart: { status: "SUCCESS" } }, 0, /^$/],
    ["fluentd status", { status: { state: { health: "STOPPED" } } }, 0, /^$/],
    ["fluentd status --exit-code", { status: { state: { health: "HEALTHY" } } }, 0, /^$/],
    ["fluentd status --exit-code", { status: { state: { health: "DEGRADED" } } }, 0, /^$/],
    ["fluentd status --exit-code", { status: { state: { health: "STOPPED" } } }, 3, /^$/],
    ["fluentd status --exit-code", { status: { state: { health: "CRASH_LOOP" } } }, 3, /^$/],
    ["fluentd status --exit-code", { status: {} }, 4, /^$/],
  ];
  for (const [args, script, code, err] of table) {
    await t.step(`${args} ${JSON.stringify(script)}`, async () => {
      Object.assign(hub.script, script);
      const ran = await runClient([...args.split(" "), "-n", "-s", hub.address]);
      assert.equal(ran.code, code);
      assert.match(ran.err, err);
    });
  }
});

hubTest(
  "F9: an operation was so long ago by the server's clock, whatever the caller's clock says",
  async (hub) => {
    const seconds = Math.floor(Date.now() / 1000) - 10 * 3600;
    hub.script.status = {
      state: {
        health: "HEALTHY",
        lastOperation: { kind: "start", time: { seconds: seconds - 65 } },
      },
      now: { seconds },
    };
    const { out } = await runClient(["fluentd", "status", "-n", "-s", hub.address, "-o", "table"]);
    assert.match(out, /^last operation {2}start under way 1m5s ago$/m);
  },
);

Deno.test("a command that was cut short is completed, and never guessed as one that changes something", async (t) => {
  for (const [word, meant] of [["stat", "status"], ["sta", "start or status"]] as const) {
    await t.step(word, async () => {
      const { code, err } = await runClient(["fluentd", word]);
      assert.equal(code, 2);
      assert.match(err, new RegExp(`hint: Did you mean ${meant}\\? Run "gclient fluentd --help"`));
    });
  }
});
