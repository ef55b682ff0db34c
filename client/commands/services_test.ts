import assert from "node:assert/strict";
import { bidi } from "../../shared/grpc/handlers.ts";
import { errorInfo, RpcError } from "../../shared/grpc/rpc_error.ts";
import { peerHost } from "../../shared/grpc_js/implementation.ts";
import { Status } from "../../shared/grpc/status.ts";
import { hubTest, runClient } from "../testing/fake_hub.ts";
import { startDescribed, startServer } from "../testing/fake_server.ts";

hubTest("gclient list and describe show what reflection tells", async (hub, t) => {
  const run = (...args: string[]) => runClient([...args, "-s", hub.address]);
  await t.step("list", async () => {
    const { code, out, err } = await run("list", "edge-1");
    assert.deepEqual([code, err], [0, ""]);
    assert.deepEqual(out.trim().split("\n"), [
      "echo.v1.Echo",
      "fluentd.v1.Fluentd",
      "ghub.v1.Hub",
      "grpc.reflection.v1.ServerReflection",
      "grpc.reflection.v1alpha.ServerReflection",
    ]);
  });
  const table: [symbol: string, out: string][] = [
    [
      "fluentd.v1.Fluentd",
      `service fluentd.v1.Fluentd {
  rpc Start(fluentd.v1.StartRequest) returns (fluentd.v1.StartResponse) {
    option idempotency_level = IDEMPOTENT;
  }
  rpc Stop(fluentd.v1.StopRequest) returns (fluentd.v1.StopResponse) {
    option idempotency_level = IDEMPOTENT;
  }
  rpc Restart(fluentd.v1.RestartRequest) returns (fluentd.v1.RestartResponse);
  rpc GetStatus(fluentd.v1.GetStatusRequest) returns (fluentd.v1.GetStatusResponse) {
    option idempotency_level = NO_SIDE_EFFECTS;
  }
}
`,
    ],
    [
      "fluentd.v1.RestartRequest",
      `message fluentd.v1.RestartRequest {
  fluentd.v1.RestartRequest.Mode mode = 1;
  bool only_if_running = 2;
  optional bool validate_first = 3;
  google.protobuf.Duration wait = 4;
  google.protobuf.Duration min_healthy = 5;
  string request_id = 6;
  string reason = 7;
  bool accept_loss = 8;

  enum Mode {
    STOP_START = 0;
    ZERO_DOWNTIME = 1;
  }
}
`,
    ],
    [
      "fluentd.v1.RestartRequest.Mode",
      `enum fluentd.v1.RestartRequest.Mode {
  STOP_START = 0;
  ZERO_DOWNTIME = 1;
}
`,
    ],
  ];
  for (const [symbol, expected] of table) {
    await t.step(`describe ${symbol}`, async () => {
      const { code, out, err } = await run("describe", symbol, "edge-1");
      assert.deepEqual([code, err, out], [0, "", expected]);
    });
  }
  await t.step("describe shows maps, lists, streams and oneofs", async () => {
    const server = (await run("describe", "ghub.v1.Server")).out;
    assert.match(server, /^ {2}map<string, string> labels = \d+;$/m);
    assert.match((await run("describe", "ghub.v1.Hub")).out, /returns \(stream ghub\.v1\.Activity/);
    const request = "grpc.reflection.v1.ServerReflectionRequest";
    assert.match((await run("describe", request)).out, /^ {2}oneof \w+ \{\n {4}string file_by/m);
  });
  const wrong: [args: string[], err: RegExp][] = [
    [
      ["describe", "fluentd.v1.Fluend", "edge-1"],
      /edge-1 does not know.*\nhint: Did you mean fluentd\.v1\.Fluentd\?/,
    ],
    [
      ["describe", "nothing.like.It"],
      /The hub at .* does not know.*\nhint: It has echo\.v1\.Echo,/,
    ],
    [["call", "fluentd.v1.Fluentd/Begin"], /has no method "Begin"\nhint: It has Start, Stop/],
    [["call", "fluentd.v1.StartRequest/Start"], /has no method "Start"\nhint: It is no service/],
    [["call", "Start/"], /is not a method\nhint: Write package\.Service\/Method/],
    [["call", "fluentd.v1.Fluentd/Start", ""], /is not a server's name/],
  ];
  for (const [args, words] of wrong) {
    await t.step(args.join(" "), async () => {
      const { code, out, err } = await run(...args);
      assert.match(err, words);
      assert.deepEqual([code, out], [2, ""]);
    });
  }
});

hubTest("describe takes the end of a name that only one service or method has", async (hub) => {
  const run = async (...words: string[]) => {
    const { code, out, err } = await runClient(["describe", ...words, "-s", hub.address]);
    assert.equal(code, 0, err);
    return out;
  };
  const whole = await run("echo.v1.Echo/ServerStream", "a");
  assert.match(whole, /^rpc ServerStream\(/m);
  for (const end of ["Echo/ServerStream", "Echo.ServerStream", "ServerStream"]) {
    assert.equal(await run(end, "a"), whole);
  }
  assert.match(await run("Echo", "a"), /^service echo\.v1\.Echo \{$/m);
  const { code, err } = await runClient(["describe", "Nothing", "a", "-s", hub.address]);
  assert.equal(code, 2);
  assert.match(err, /^error: a does not know "Nothing"\nhint: /);
});

hubTest("gclient call speaks with any method, in each format", async (hub, t) => {
  const call = (method: string, ...args: string[]) =>
    runClient(["call", method, "edge-1", "-s", hub.address, ...args]);
  const stop = "fluentd.v1.Fluentd/Stop";
  const requests: [name: string, text: string][] = [
    ["JSON", '{"wait":"60s","flushFirst":true}'],
    ["YAML", "wait: 60s\nflush_first: true\n"],
    ["XML", "<StopRequest><wait>60s</wait><flushFirst>true</flushFirst></StopRequest>"],
  ];
  for (const [name, text] of requests) {
    await t.step(name, async () => {
      const { code, out, err } = await call(stop, "-d", text, "--set", "reason=why");
      assert.deepEqual([code, err], [0, ""]);
      assert.deepEqual(JSON.parse(out), { status: "SUCCESS" });
      const { request, metadata } = hub.calls.pop()!;
      const { wait, ...rest } = request as { wait: object };
      assert.deepEqual({ ...wait }, { seconds: 60 });
      assert.deepEqual(rest, { flushFirst: true, reason: "why" });
      assert.equal(metadata["x-hub-server"], "edge-1");
    });
  }
  await t.step("answers in each form are those of the command of its own", async () => {
    hub.script.status = {
      state: {
        health: "HEALTHY",
        restartsTotal: 7,
        supervisor: { pid: 12, startedAt: { seconds: 1_700_000_000 }, uptime: { seconds: 3 } },
      },
    };
    for (const format of ["json", "prettyjson", "yaml", "xml"]) {
      const own = await runClient([
        "fluentd",
        "status",
        "edge-1",
        "-n",
        "-o",
        format,
        "-s",
        hub.address,
      ]);
      const any = await call("fluentd.v1.Fluentd/GetStatus", "-n", "-o", format);
      assert.deepEqual([any.code, any.out], [0, own.out], format);
    }
  });
  await t.step("-p shows what its own command would, but for better values", async () => {
    const own = JSON.parse((await runClient(["fluentd", "stop", "-p"])).out);
    const any = JSON.parse((await call(stop, "-p")).out);
    assert.deepEqual(Object.keys(any), Object.keys(own));
  });
  await t.step("streams both ways", async () => {
    const server = await call("echo.v1.Echo/ServerStream", "-d", '{"count":3}');
    assert.deepEqual(server.out.trim().split("\n").map((line) => JSON.parse(line).index ?? 0), [
      0,
      1,
      2,
    ]);
    const client = await call("echo.v1.Echo/ClientStream", "-d", '{"data":"AAAA"} {"data":"AA=="}');
    assert.deepEqual(JSON.parse(client.out), { received: 2, receivedBytes: "4" });
    const bidi = await call("echo.v1.Echo/Bidi", "-d", '[{"data":"AAAA"},{"data":"AA=="}]');
    assert.equal(bidi.out.trim().split("\n").length, 2);
  });
  await t.step("--envelope", async () => {
    const { code, out } = await call(stop, "-n", "--envelope", "-o", "json");
    const { status, response, trailers } = JSON.parse(out);
    assert.deepEqual([code, status, response], [0, { code: 0 }, { status: "SUCCESS" }]);
    assert.equal(trailers["x-hub-hop"], "server");
  });
  await t.step("an error with its details", async () => {
    const details = [errorInfo("UNIT_MASKED", "fluentd")];
    hub.script.fail = () => ({
      error: new RpcError(Status.FAILED_PRECONDITION, "no", { details }),
    });
    const { code, err } = await call(stop, "-n");
    assert.equal(code, 73);
    assert.match(
      err,
      /^error: fluentd\.v1\.Fluentd\/Stop on edge-1: FAILED_PRECONDITION: no\n {2}reason: UNIT_MASKED/,
    );
  });
});

Deno.test("a server that has but the older reflection is asked by that", async () => {
  await using server = await startServer((server) =>
    peerHost(server).addService("grpc.reflection.v1alpha.ServerReflection", {
      ServerReflectionInfo: bidi<object, object>(async function* (requests) {
        for await (const _ of requests) {
          yield { listServicesResponse: { service: [{ name: "b.B" }, { name: "a.A" }] } };
        }
      }),
    })
  );
  const { code, out } = await runClient(["list", "-s", server.address]);
  assert.deepEqual([code, out], [0, "a.A\nb.B\n"]);
});

Deno.test("E7: a description with holes is filled with Google's files, or refused", async (t) => {
  const duration = ".google.protobuf.Duration";
  const table: [dependency: string, typeName: string, code: number, err: RegExp][] = [
    ["google/protobuf/duration.proto", duration, 0, /^$/],
    // An import that is not there, and whose types nobody needs: it carried options.
    ["acme/options.proto", duration, 0, /^$/],
    [
      "b.proto",
      ".b.Missing",
      1,
      /^error: Cannot describe "a\.A": the type "b\.Missing" is not given, nor is the file "b\.proto"\n$/,
    ],
  ];
  for (const [dependency, typeName, code, err] of table) {
    await t.step(`${dependency} ${typeName}`, async () => {
      await using server = await startDescribed([{
        name: "a.proto",
        package: "a",
        dependency: [dependency],
        syntax: "proto3",
        messageType: [{
          name: "A",
          field: [{ name: "wait", number: 1, type: 11, label: 1, typeName }],
        }],
      }]);
      const ran = await runClient(["describe", "a.A", "-s", server.address]);
      assert.match(ran.err, err);
      assert.equal(ran.code, code);
      if (code === 0) {
        assert.equal(ran.out, "message a.A {\n  google.protobuf.Duration wait = 1;\n}\n");
      }
    });
  }
});

Deno.test("a server without reflection is said to have none", async () => {
  await using server = await startServer(() => {});
  for (const args of [["list"], ["describe", "a.A"], ["call", "a.A/B", "-n"]]) {
    const { code, out, err } = await runClient([...args, "-s", server.address]);
    assert.deepEqual([code, out], [64 + Status.UNIMPLEMENTED, ""]);
    assert.match(
      err,
      /^error: reflection: UNIMPLEMENTED: .*\nhint: .*there is no reflection there/,
    );
  }
});

hubTest("a stream has no time limit, unless one is given", async (hub, t) => {
  const call = (method: string, ...args: string[]) =>
    runClient(["call", `echo.v1.Echo/${method}`, "-v", "-s", hub.address, "-d", "{}", ...args]);
  const deadlines = ({ err }: { err: string }) =>
    err.split("\n").filter((line) => line.startsWith("> /echo"));
  for (const method of ["ServerStream", "ClientStream", "Bidi"]) {
    await t.step(method, async () => {
      assert.match(deadlines(await call(method))[0]!, /without deadline$/);
    });
  }
  await t.step("Unary", async () => {
    assert.match(deadlines(await call("Unary"))[0]!, /deadline \d+ ms$/);
  });
  await t.step("--timeout", async () => {
    assert.match(deadlines(await call("Bidi", "--timeout", "9s"))[0]!, /deadline \d+ ms$/);
  });
});
