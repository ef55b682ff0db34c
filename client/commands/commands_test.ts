import assert from "node:assert/strict";
import { errorInfo, retryInfo, RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status, type StatusCode } from "../../shared/grpc/status.ts";
import { type FakeHub, runClient, type Script, startFakeHub } from "../fake_hub.ts";

const FROM_HUB = { "x-hub-hop": "hub", "x-hub-forwarded": "0" };
const LOST = { "x-hub-hop": "hub", "x-hub-forwarded": "1" };

/** A test that has a hub of its own. */
function hubTest(name: string, run: (hub: FakeHub, t: Deno.TestContext) => Promise<void>): void {
  Deno.test(name, async (t) => {
    await using hub = await startFakeHub();
    await run(hub, t);
  });
}

hubTest("fluentd start sends the request, the server's name and the deadline", async (hub) => {
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
  assert.ok(call?.timeoutMs! > 70_000 && call?.timeoutMs! <= 75_000, String(call?.timeoutMs));
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
      assert.equal((await runClient([...args, "-n", "-s", hub.address])).code, 0);
      const { timeoutMs } = hub.calls.pop()!;
      assert.ok(timeoutMs! <= limitMs && timeoutMs! > limitMs - 5000, String(timeoutMs));
    });
  }
  await t.step("--timeout 0 is none", async () => {
    await runClient(["fluentd", "status", "-n", "--timeout", "0", "-s", hub.address]);
    assert.equal(hub.calls.pop()!.timeoutMs, undefined);
  });
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

hubTest("every status has its exit code", async (hub, t) => {
  for (const [name, code] of Object.entries(Status)) {
    if (code === Status.OK) continue;
    await t.step(name, async () => {
      hub.script.fail = () => ({ error: new RpcError(code as StatusCode, "no") });
      const ran = await runClient(["fluentd", "status", "-n", "-s", hub.address]);
      assert.equal(ran.code, 64 + code);
      assert.match(ran.err, new RegExp(`^error: fluentd\\.status: ${name}: no\\n`));
      assert.equal(ran.out, "");
    });
  }
});

hubTest("an error says who made it, what is known, and what to do", async (hub, t) => {
  const table: [name: string, fail: ReturnType<Script["fail"]>, err: string][] = [
    [
      "the server says no",
      {
        error: new RpcError(Status.FAILED_PRECONDITION, "Unit is masked", {
          details: [
            errorInfo("UNIT_MASKED", "fluentd"),
            {
              type: "google.rpc.PreconditionFailure",
              value: { violations: [{ type: "UNIT", subject: "fluentd.service" }] },
            },
          ],
        }),
      },
      `error: fluentd.start on edge: FAILED_PRECONDITION: Unit is masked
  reason: UNIT_MASKED (domain fluentd)    hop: server
  1) google.rpc.PreconditionFailure {"violations":[{"type":"UNIT","subject":"fluentd.service"}]}
`,
    ],
    [
      "the hub does not know it",
      {
        error: new RpcError(Status.NOT_FOUND, 'Server "edge" was never here', {
          details: [
            errorInfo("SERVER_NOT_FOUND", "ghub", { server: "edge", nearest: "edge-1,edge-2" }),
          ],
        }),
        trailers: FROM_HUB,
      },
      `error: fluentd.start on edge: NOT_FOUND: Server "edge" was never here
  reason: SERVER_NOT_FOUND (domain ghub)    hop: hub
  The call was not delivered: nothing was done
hint: Did you mean edge-1 or edge-2?
`,
    ],
    [
      "the server is away",
      {
        error: new RpcError(Status.UNAVAILABLE, 'Server "edge" is away', {
          details: [errorInfo("SERVER_OFFLINE", "ghub", {}), retryInfo(5000)],
        }),
        trailers: FROM_HUB,
      },
      `error: fluentd.start on edge: UNAVAILABLE: Server "edge" is away
  reason: SERVER_OFFLINE (domain ghub)    hop: hub
  1) google.rpc.RetryInfo {"retryDelay":"5s"}
  The call was not delivered: nothing was done
hint: --wait-for-server 1m waits until it is back
`,
    ],
    [
      "the tunnel was lost in the middle",
      { error: new RpcError(Status.UNAVAILABLE, "The tunnel was lost"), trailers: LOST },
      `error: fluentd.start on edge: UNAVAILABLE: The tunnel was lost
  hop: hub → server
  The outcome is unknown: it may have been carried out
hint: See what is true now: gclient fluentd status edge
`,
    ],
    [
      "no token",
      { error: new RpcError(Status.UNAUTHENTICATED, "No token"), trailers: FROM_HUB },
      `error: fluentd.start on edge: UNAUTHENTICATED: No token
  hop: hub
  The call was not delivered: nothing was done
hint: --token-file FILE or GCLIENT_TOKEN gives the operator token; the hub shows it at its start
`,
    ],
    [
      "a message that would move the cursor",
      { error: new RpcError(Status.ABORTED, "a\nerror: forged \x1b[2J") },
      `error: fluentd.start on edge: ABORTED: a\\nerror: forged \\x1b[2J
  hop: server
`,
    ],
  ];
  for (const [name, fail, err] of table) {
    await t.step(name, async () => {
      hub.script.fail = () => fail;
      const ran = await runClient(["fluentd", "start", "edge", "-n", "-s", hub.address]);
      assert.equal(ran.err, err);
    });
  }
});

hubTest("with -o the error is a Status in that form", async (hub, t) => {
  hub.script.fail = () => ({
    error: new RpcError(Status.NOT_FOUND, "no", { details: [errorInfo("R", "d")] }),
  });
  const run = (format: string) =>
    runClient(["fluentd", "stop", "-n", "-s", hub.address, "-o", format]);
  await t.step("json", async () => {
    const { code, err } = await run("json");
    assert.equal(code, 69);
    assert.deepEqual(JSON.parse(err), {
      code: 5,
      message: "no",
      details: [{ "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: "R", domain: "d" }],
    });
  });
  await t.step("yaml", async () => assert.match((await run("yaml")).err, /^---\ncode: 5\n/));
  await t.step("xml", async () => assert.match((await run("xml")).err, /<Status>\s*<code>5</));
});

hubTest("a deadline in the middle leaves the outcome unknown", async (hub, t) => {
  hub.script.before = (signal) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    signal.addEventListener("abort", () => resolve(), { once: true });
    return promise;
  };
  const table: [command: string, err: RegExp][] = [
    ["stop", /DEADLINE_EXCEEDED[^]*outcome is unknown[^]*hint: .*gclient fluentd status/],
    ["status", /DEADLINE_EXCEEDED[^]*hint: --timeout gives it more time/],
  ];
  for (const [command, err] of table) {
    await t.step(command, async () => {
      const ran = await runClient([
        "fluentd",
        command,
        "-n",
        "-s",
        hub.address,
        "--timeout",
        "200ms",
      ]);
      assert.equal(ran.code, 68);
      assert.match(ran.err, err);
    });
  }
});

hubTest("--retry repeats what was not delivered and nothing else", async (hub, t) => {
  const soon = { details: [retryInfo(1)] };
  const table: [
    name: string,
    command: string,
    error: RpcError,
    trailers: Record<string, string>,
    calls: number,
  ][] = [
    ["not delivered", "restart", new RpcError(Status.UNAVAILABLE, "away", soon), FROM_HUB, 3],
    ["perhaps delivered", "restart", new RpcError(Status.UNAVAILABLE, "lost", soon), LOST, 1],
    [
      "perhaps, but changes nothing",
      "status",
      new RpcError(Status.UNAVAILABLE, "lost", soon),
      LOST,
      3,
    ],
    ["refused", "restart", new RpcError(Status.NOT_FOUND, "no", soon), FROM_HUB, 1],
  ];
  for (const [name, command, error, trailers, calls] of table) {
    await t.step(name, async () => {
      hub.calls.length = 0;
      hub.script.fail = () => ({ error, trailers });
      const ran = await runClient(["fluentd", command, "-n", "-s", hub.address, "--retry", "2"]);
      assert.equal(ran.code, 64 + error.code);
      assert.equal(hub.calls.length, calls);
    });
  }
  await t.step("until it works", async () => {
    let tries = 0;
    hub.script.fail = () =>
      tries++ < 2
        ? { error: new RpcError(Status.UNAVAILABLE, "away", soon), trailers: FROM_HUB }
        : undefined;
    const ran = await runClient(["fluentd", "start", "-n", "-s", hub.address, "--retry", "5"]);
    assert.equal(ran.code, 0);
    assert.equal(ran.err.match(/warning: away; trying again in 1 ms/g)?.length, 2);
  });
});

hubTest("the token comes from file or environment and is never shown", async (hub, t) => {
  const directory = await Deno.makeTempDir();
  try {
    const file = `${directory}/token`;
    await Deno.writeTextFile(file, "s3cret-file\n", { mode: 0o600 });
    const run = (args: string[], env = {}) =>
      runClient(["fluentd", "status", "-n", "-v", "-s", hub.address, ...args], { env });
    await t.step("file over environment", async () => {
      const ran = await run(["--token-file", file], { GCLIENT_TOKEN: "s3cret-env" });
      assert.equal(hub.calls.at(-1)?.metadata["authorization"], "Bearer s3cret-file");
      assert.match(ran.err, /authorization: \(not shown\)/);
      assert.doesNotMatch(ran.err, /s3cret/);
    });
    await t.step("environment", async () => {
      await run([], { GCLIENT_TOKEN: "s3cret-env" });
      assert.equal(hub.calls.at(-1)?.metadata["authorization"], "Bearer s3cret-env");
    });
    await t.step("loose permissions", async () => {
      await Deno.chmod(file, 0o640);
      const ran = await run(["--token-file", file]);
      assert.equal(ran.code, 2);
      assert.match(ran.err, /can be read or written by others\nhint: chmod 600/);
    });
    await t.step("command line", async () => {
      const ran = await run(["-H", "authorization=Bearer s3cret-argv"]);
      assert.equal(ran.code, 2);
      assert.doesNotMatch(ran.err, /s3cret/);
    });
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

hubTest("-H and --wait-for-server become metadata", async (hub) => {
  await runClient([
    ...["fluentd", "status", "-n", "-s", hub.address, "--wait-for-server", "1m"],
    ...["-H", "x-a=1", "-H", "x-b-bin=AAEC"],
  ]);
  const { metadata } = hub.calls[0]!;
  assert.equal(metadata["x-a"], "1");
  assert.deepEqual(new Uint8Array(metadata["x-b-bin"] as Uint8Array), new Uint8Array([0, 1, 2]));
  assert.equal(metadata["x-hub-wait"], "60000ms");
});

hubTest("hub servers lists, by its old name too", async (hub, t) => {
  hub.script.servers = {
    servers: [{
      name: "edge-1",
      state: "ONLINE",
      labels: { site: "ams", env: "prod" },
      connectedAt: { seconds: 1_700_000_000 },
      rtt: { nanos: 12_000_000 },
      callsTotal: 3,
      callsInFlight: 1,
    }],
  };
  await t.step("table", async () => {
    const { out } = await runClient(["hub", "servers", "-n", "-s", hub.address, "-o", "table"]);
    assert.equal(
      out,
      `NAME    STATE   LABELS             VERSION  SINCE                 LAST SEEN  RTT   CALLS
edge-1  ONLINE  env=prod,site=ams  -        2023-11-14T22:13:20Z  -          12ms  3 (1 now)
`,
    );
  });
  await t.step("a terminal gets the table", async () => {
    const args = ["hub", "servers", "-n", "-s", hub.address];
    assert.match((await runClient(args, { terminal: true })).out, /^NAME /);
  });
  await t.step("list-clients, with its options", async () => {
    const args = ["hub", "list-clients", "-n", "-s", hub.address, "-a", "-l", "env=prod"];
    assert.equal((await runClient(args)).code, 0);
    assert.partialDeepStrictEqual(hub.calls.at(-1)?.request, {
      includeOffline: true,
      labels: { env: "prod" },
    });
  });
});

hubTest("hub activity streams until it is cancelled", async (hub) => {
  let cancelled = false;
  hub.script.activity = async function* (signal) {
    yield { seq: 1, kind: "SERVER_REGISTERED", server: "edge-1", time: { seconds: 1_700_000_000 } };
    yield { seq: 2, kind: "CALL_ENDED", server: "edge-1", method: "/a.B/C", status: 5 };
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    cancelled = true;
  };
  const controller = new AbortController();
  let lines = 0;
  const { out } = await runClient([
    "hub",
    "activity-feed",
    "edge-1",
    "-n",
    "-s",
    hub.address,
    "-o",
    "table",
  ], {
    signal: controller.signal,
    onOut: () => {
      if (++lines === 2) controller.abort(new Error("enough"));
    },
  });
  assert.equal(
    out,
    "2023-11-14T22:13:20Z  SERVER_REGISTERED  edge-1\nCALL_ENDED         edge-1  /a.B/C  NOT_FOUND\n",
  );
  assert.partialDeepStrictEqual(hub.calls[0]?.request, { servers: ["edge-1"] });
  while (!cancelled) await new Promise((resolve) => setTimeout(resolve, 1));
});

hubTest("responses come in each form", async (hub, t) => {
  hub.script.start = { status: "NOCHANGE", elapsed: { seconds: 1, nanos: 500_000_000 } };
  const table: [args: string[], out: RegExp][] = [
    [[], /^{"status":"NOCHANGE","elapsed":"1\.500s"}\n$/],
    [["-o", "prettyjson"], /^{\n {2}"status": "NOCHANGE",\n {2}"elapsed": "1\.500s"\n}\n$/],
    [["-o", "yaml"], /^---\nstatus: NOCHANGE\nelapsed: 1\.500s\n$/],
    [
      ["-o", "xml"],
      /^<\?xml.*\?>\n<StartResponse>\s*<status>NOCHANGE<\/status>\s*<elapsed>1\.500s</,
    ],
    [["-o", "table"], /^status {2}NOCHANGE\ntook {4}1\.5s\n$/],
    [["-q"], /^$/],
  ];
  for (const [args, out] of table) {
    await t.step(args.join(" ") || "json by default", async () => {
      const ran = await runClient(["fluentd", "start", "-n", "-s", hub.address, ...args]);
      assert.match(ran.out, out);
    });
  }
});

hubTest("--envelope holds all of a call, in each form", async (hub, t) => {
  const run = (...args: string[]) =>
    runClient(["fluentd", "start", "edge-1", "-n", "--envelope", "-s", hub.address, ...args]);
  await t.step("success", async () => {
    const { durationMs, headers, ...envelope } = JSON.parse((await run()).out);
    assert.ok(durationMs > 0);
    assert.equal(headers["x-fake"], "yes");
    assert.deepEqual(envelope.response, { status: "SUCCESS" });
    assert.deepEqual(envelope.server, "edge-1");
    assert.deepEqual(envelope.trailers["x-hub-hop"], "server");
    assert.deepEqual(envelope.status, {});
  });
  await t.step("failure", async () => {
    hub.script.fail = () => ({
      error: new RpcError(Status.ABORTED, "no", { details: [errorInfo("R", "d")] }),
    });
    const { code, out, err } = await run();
    assert.equal(code, 74);
    assert.match(err, /ABORTED: no/);
    const { status, response } = JSON.parse(out);
    assert.deepEqual([status.code, status.message, status.details[0].reason], [10, "no", "R"]);
    assert.equal(response, undefined);
  });
  await t.step(
    "xml",
    async () => assert.match((await run("-o", "xml")).out, /<Envelope>[^]*<key>x-fake</),
  );
  await t.step("table", async () => assert.equal((await run("-o", "table")).code, 2));
});

Deno.test("-p prints a request without calling anybody, and gclient takes it back", async (t) => {
  await using hub = await startFakeHub();
  for (const format of ["json", "yaml", "xml"]) {
    await t.step(format, async () => {
      const sample = await runClient([
        "fluentd",
        "start",
        "-p",
        "--request-format",
        format,
        "-s",
        "nowhere:1",
      ]);
      assert.deepEqual([sample.code, sample.err], [0, ""]);
      assert.equal(sample.out, (await runClient(["fluentd", "start", "-p", "-o", format])).out);
      const ran = await runClient(["fluentd", "start", "-d", sample.out, "-s", hub.address]);
      assert.deepEqual([ran.code, ran.err], [0, ""]);
    });
  }
});

Deno.test("completion knows the names of the hub's servers", async () => {
  await using hub = await startFakeHub();
  hub.script.servers = { servers: [{ name: "edge-1" }, { name: "core-1" }] };
  const { out } = await runClient(["__complete", "fluentd", "start", "-s", hub.address, "e"]);
  assert.equal(out, "edge-1\n");
});

Deno.test("wrong usage ends with exit code 2", async (t) => {
  const table: [args: string, err: RegExp][] = [
    ["fluentd start a b", /Too many arguments/],
    ["fluentd start a*b\u00e9", /is not a server's name/],
    ["fluentd start -d {} -f x.json", /Both -d and -f/],
    ['fluentd start -d {"waits":1}', /waits[^]*hint: A sample: -p/],
    ["fluentd start -d {}{}", /-d holds 2 requests, Start takes one/],
    ["fluentd start -f /nowhere.json", /Cannot read request file/],
    ["fluentd start -n -s localhost", /The port is missing: write localhost:9090/],
    ["fluentd start -n --timeout 5", /write 5s or 5ms/],
    ["fluentd start -n --raw --wait-for-server 1s", /cannot be combined/],
    ["fluentd start -n --set waits=1s", /StartRequest has no field "waits"[^]*wait, minHealthy/],
    ["fluentd start -n --set wait=soon", /wait.*[Dd]uration/],
    ["fluentd start -n --tls-key-file x", /needs --tls-cert-file/],
    ["fluentd start -n --tls-ca-cert-file /nowhere", /Cannot read --tls-ca-cert-file/],
    ["fluentd start -n --retry many", /not a number/],
    ["fluentd start -n -H nonsense", /is not a header/],
    ["hub servers -n -l nonsense", /is not a label/],
    ["hub activity --history 1001", /0 to 1000/],
  ];
  for (const [args, err] of table) {
    await t.step(args, async () => {
      const ran = await runClient(args.split(" "));
      assert.match(ran.err, err);
      assert.deepEqual([ran.code, ran.out], [2, ""]);
    });
  }
});
