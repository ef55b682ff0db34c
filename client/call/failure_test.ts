import assert from "node:assert/strict";
import { errorInfo, retryInfo, RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status, type StatusCode } from "../../shared/grpc/status.ts";
import { FROM_HUB, hubTest, LOST, runClient, type Script } from "../testing/fake_hub.ts";

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

hubTest("an error tells the call's id, by which the hub's audit has it", async (hub) => {
  hub.script.fail = () => ({
    error: new RpcError(Status.UNAVAILABLE, "no"),
    trailers: { ...LOST, "x-hub-call-id": "5f0c9a1e-42" },
  });
  const args = ["fluentd", "stop", "edge", "-d", "{}", "-s", hub.address];
  const { err } = await runClient(args);
  assert.match(err, /^ {2}hop: hub → server {4}call id: 5f0c9a1e-42$/m);
  for (const [format, told] of [["json", '"callId":"5f0c9a1e-42"'], ["yaml", "callId: "]]) {
    assert.ok((await runClient([...args, "-o", format!])).err.includes(told!));
  }
});

hubTest("an error says who made it, what is known, and what to do", async (hub, t) => {
  const flags = `-s ${hub.address}`;
  const fromHub = (code: StatusCode, reason: string, metadata: Record<string, string>) => ({
    error: new RpcError(code, "no", { details: [errorInfo(reason, "ghub", metadata)] }),
    trailers: FROM_HUB,
  });
  const notNamed = (servers: string, away: string) =>
    fromHub(Status.INVALID_ARGUMENT, "SERVER_NOT_NAMED", { servers, away });
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
      "the hub has shut the server out: to wait for it does not help",
      fromHub(Status.UNAVAILABLE, "SERVER_OFFLINE", {
        reason: 'The hub no longer lets "edge" in: Wrong token',
      }),
      `error: fluentd.start on edge: UNAVAILABLE: no
  reason: SERVER_OFFLINE (domain ghub)    hop: hub
  The call was not delivered: nothing was done
hint: Give it a credential that the hub accepts, such as a token by "ghub enroll edge" there
`,
    ],
    [
      "none is named: the first one that is online, at the same hub",
      notNamed("edge-1,edge-2,edge-3", "edge-1"),
      `error: fluentd.start on edge: INVALID_ARGUMENT: no
  reason: SERVER_NOT_NAMED (domain ghub)    hop: hub
  The call was not delivered: nothing was done
hint: Name the server: gclient fluentd start edge-2 ${flags}
`,
    ],
    [
      "none is named, and none is registered: no name is made up",
      notNamed("", ""),
      `error: fluentd.start on edge: INVALID_ARGUMENT: no
  reason: SERVER_NOT_NAMED (domain ghub)    hop: hub
  The call was not delivered: nothing was done
hint: Start a server that dials this hub: gserver serve NAME --hub-uri wss://HUB/ws
`,
    ],
    [
      "a server's token",
      fromHub(Status.PERMISSION_DENIED, "CREDENTIAL_NOT_FOR_THIS", {}),
      `error: fluentd.start on edge: PERMISSION_DENIED: no
  reason: CREDENTIAL_NOT_FOR_THIS (domain ghub)    hop: hub
  The call was not delivered: nothing was done
hint: Give an operator's token: operator.token in the hub's state folder, or one of its auth file
`,
    ],
    [
      "the tunnel was lost in the middle",
      { error: new RpcError(Status.UNAVAILABLE, "The tunnel was lost"), trailers: LOST },
      `error: fluentd.start on edge: UNAVAILABLE: The tunnel was lost
  hop: hub → server
  The outcome is unknown: it may have been carried out
hint: See what is true now: gclient fluentd status edge ${flags}
`,
    ],
    [
      "no token",
      { error: new RpcError(Status.UNAUTHENTICATED, "No token"), trailers: FROM_HUB },
      `error: fluentd.start on edge: UNAUTHENTICATED: No token
  hop: hub
  The call was not delivered: nothing was done
hint: --token-file FILE or GCLIENT_TOKEN gives your token, --tls-cert-file your certificate: the administrator of the hub knows which of them it accepts
`,
    ],
    [
      "a server without this service",
      { error: new RpcError(Status.UNIMPLEMENTED, "The server does not implement it") },
      `error: fluentd.start on edge: UNIMPLEMENTED: The server does not implement it
  hop: server
hint: See what it offers: gclient list edge ${flags}
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
      status: "NOT_FOUND",
      call: "fluentd.stop",
      hop: "server",
      delivery: "answered",
    });
  });
  await t.step("yaml", async () => assert.match((await run("yaml")).err, /^---\ncode: 5\n/));
  await t.step("xml", async () => assert.match((await run("xml")).err, /<Status>\s*<code>5</));
  await t.step("with all that the text says", async () => {
    hub.script.fail = () => ({ error: new RpcError(Status.UNAVAILABLE, "lost"), trailers: LOST });
    const args = ["fluentd", "stop", "edge", "-n", "-s", hub.address, "-o", "json"];
    const { err } = await runClient([...args, "--set", "requestId=mine"]);
    assert.deepEqual(JSON.parse(err), {
      code: 14,
      message: "lost",
      status: "UNAVAILABLE",
      call: "fluentd.stop",
      server: "edge",
      hop: "hub → server",
      delivery: "unknown",
      hint: `See what is true now: gclient fluentd status edge -s ${hub.address}`,
      requestId: "mine",
    });
    // The same of a call whose types came by reflection.
    const call = ["call", "fluentd.v1.Fluentd/Stop", "edge", "-n", "-s", hub.address, "-o", "json"];
    assert.partialDeepStrictEqual(JSON.parse((await runClient(call)).err), {
      code: 14,
      call: "fluentd.v1.Fluentd/Stop",
      delivery: "unknown",
    });
    hub.script.fail = () => ({ error: new RpcError(Status.NOT_FOUND, "no"), trailers: FROM_HUB });
    const { delivery, hop } = JSON.parse((await runClient(args)).err);
    assert.deepEqual([delivery, hop], ["not-delivered", "hub"]);
  });
});

hubTest("a deadline in the middle leaves the outcome unknown", async (hub) => {
  // It never answers: at the deadline gRPC itself ends the call.
  hub.script.before = () => new Promise(() => {});
  const table: [command: string, err: RegExp][] = [
    ["stop", /DEADLINE_EXCEEDED[^]*outcome is unknown[^]*hint: .*gclient fluentd status/],
    [
      "status",
      /DEADLINE_EXCEEDED: Deadline exceeded after [\d.]+s\n[^]*hint: --timeout gives it more time/,
    ],
  ];
  // Long enough to connect on a slow machine, so both at once.
  await Promise.all(table.map(async ([command, err]) => {
    const args = ["fluentd", command, "-n", "-s", hub.address, "--timeout", "6s"];
    const ran = await runClient(args);
    assert.match(ran.err, err);
    assert.equal(ran.code, 68);
  }));
  assert.equal(hub.calls.length, table.length, "each was in the middle");
});

hubTest("F9: a hint about a credential fits a hub with an auth file", async (hub) => {
  const error = new RpcError(Status.UNAUTHENTICATED, "A credential is needed", {
    details: [errorInfo("CREDENTIAL_MISSING", "ghub")],
  });
  hub.script.fail = () => ({ error, trailers: FROM_HUB });
  const { err } = await runClient(["fluentd", "status", "-n", "-s", hub.address]);
  assert.match(err, /\nhint: --token-file FILE or GCLIENT_TOKEN gives your token, --tls-cert-file/);
  // With an auth file the hub has no such token, and shows none at its start.
  assert.doesNotMatch(err, /operator token|join token|at its start/);
});
