/**
 * Descriptions as foreign servers give them: Node's own reflection, older ones, and odd ones.
 *
 * @module
 */
import {
  loadPackageDefinition,
  type sendUnaryData,
  type ServerUnaryCall,
  type ServiceDefinition,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { ReflectionService } from "@grpc/reflection";
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import protobuf from "protobufjs";
import { bidi, unary } from "../../shared/grpc/handlers.ts";
import { encodeStatus, RpcError } from "../../shared/grpc/rpc_error.ts";
import { adapted, peerHost } from "../../shared/grpc_js/implementation.ts";
import { Status, type StatusName } from "../../shared/grpc/status.ts";
import { runClient } from "../testing/fake_hub.ts";
import { startDescribed, startServer } from "../testing/fake_server.ts";

const CLOCK = `
  syntax = "proto3";
  package acme.v1;
  import "google/protobuf/timestamp.proto";
  import "google/protobuf/any.proto";
  message Ask { map<string, string> labels = 1; }
  message Reply {
    google.protobuf.Timestamp at = 1;
    map<string, string> labels = 2;
    optional int32 zone_offset = 3;
    oneof choice { string text = 4; google.protobuf.Any other = 5; }
  }
  service Clock { rpc Now(Ask) returns (Reply); }
`;

Deno.test("E7: a Node server with the official reflection is listed, described and called", async (t) => {
  const file = await Deno.makeTempFile({ suffix: ".proto" });
  await Deno.writeTextFile(file, CLOCK);
  const definition = loadSync(file);
  await Deno.remove(file);
  // deno-lint-ignore no-explicit-any -- grpc-js has no types for what it loads
  const { service } = (loadPackageDefinition(definition) as any).acme.v1.Clock;
  const reflection = new ReflectionService(definition);
  await using server = await startServer((server) => {
    server.addService(service as ServiceDefinition, {
      Now: (call: ServerUnaryCall<{ labels: unknown }, object>, done: sendUnaryData<object>) =>
        done(null, { at: { seconds: 1_700_000_000 }, labels: call.request.labels, zoneOffset: 0 }),
    });
    reflection.addToServer(server as never);
  });
  const run = (...args: string[]) => runClient([...args, "-s", server.address]);
  await t.step("list", async () => {
    const { code, out } = await run("list");
    assert.equal(code, 0);
    assert.match(out, /^acme\.v1\.Clock$/m);
  });
  await t.step("describe", async () => {
    const { code, out, err } = await run("describe", "acme.v1.Reply");
    assert.deepEqual([code, err], [0, ""]);
    assert.match(out, /^ {2}google\.protobuf\.Timestamp at = 1;$/m);
  });
  for (const format of ["json", "yaml", "xml"]) {
    await t.step(`call in ${format}`, async () => {
      const args = ["call", "acme.v1.Clock/Now", "-d", '{"labels":{"env":"prod"}}', "-o", format];
      const { code, out, err } = await run(...args);
      assert.deepEqual([code, err], [0, ""]);
      assert.match(out, /2023-11-14T22:13:20Z/);
      assert.match(out, /prod/);
    });
  }
  await t.step("call with an envelope", async () => {
    const { code, out } = await run("call", "acme.v1.Clock/Now", "-n", "--envelope");
    assert.equal(code, 0);
    assert.equal(JSON.parse(out).response.at, "2023-11-14T22:13:20Z");
  });
});

Deno.test("E7: the older reflection is asked whatever says that the newer one is not there", async (t) => {
  const table: [code: StatusName, listed: boolean][] = [
    ["UNIMPLEMENTED", true],
    ["UNKNOWN", true],
    ["NOT_FOUND", true],
    ["PERMISSION_DENIED", true],
    ["UNAUTHENTICATED", false],
    ["UNAVAILABLE", false],
    ["RESOURCE_EXHAUSTED", false],
  ];
  for (const [name, listed] of table) {
    await t.step(name, async () => {
      await using server = await startServer((server) => {
        const refuse = bidi<object, object>(() => {
          throw new RpcError(Status[name], "no such service");
        });
        peerHost(server).addService("grpc.reflection.v1.ServerReflection", {
          ServerReflectionInfo: refuse,
        });
        peerHost(server).addService("grpc.reflection.v1alpha.ServerReflection", {
          ServerReflectionInfo: bidi<object, object>(async function* (requests) {
            for await (const _ of requests) {
              yield { listServicesResponse: { service: [{ name: "a.A" }] } };
            }
          }),
        });
      });
      const { code, out } = await runClient(["list", "-s", server.address]);
      assert.deepEqual([code, out], listed ? [0, "a.A\n"] : [64 + Status[name], ""]);
    });
  }
  await t.step("when both are refused, the newer one's reason is told", async () => {
    await using server = await startServer((server) =>
      peerHost(server).addService("grpc.reflection.v1.ServerReflection", {
        ServerReflectionInfo: bidi<object, object>(() => {
          throw new RpcError(Status.PERMISSION_DENIED, "not for you");
        }),
      })
    );
    const { code, err } = await runClient(["list", "-s", server.address]);
    assert.equal(code, 64 + Status.PERMISSION_DENIED);
    assert.match(err, /PERMISSION_DENIED: not for you/);
  });
});

/** Field of a message that holds a text. */
const text = (name: string, number: number, more: object = {}) =>
  ({ name, number, type: 9, label: 1, ...more }) as const;

Deno.test("E7: options need not be known, and undeclared imports are found", async (t) => {
  await using server = await startDescribed([
    {
      name: "a.proto",
      package: "a",
      dependency: ["acme/options.proto", "google/api/annotations.proto"],
      syntax: "proto3",
      messageType: [{
        name: "Ask",
        field: [{ name: "b", number: 1, type: 11, label: 1, typeName: ".b.B" }],
      }],
      // Extends what nobody hands out.
      extension: [text("owner", 50001, { extendee: ".google.protobuf.MethodOptions" })],
      service: [{
        name: "A",
        method: [{ name: "Do", inputType: ".a.Ask", outputType: ".google.protobuf.Empty" }],
      }],
    },
    { name: "b.proto", package: "b", syntax: "proto3", messageType: [{ name: "B" }] },
  ]);
  const table: [symbol: string, out: RegExp][] = [
    ["a.A", /rpc Do\(a\.Ask\) returns \(google\.protobuf\.Empty\);/],
    ["a.Ask", /b\.B b = 1;/],
  ];
  for (const [symbol, out] of table) {
    await t.step(symbol, async () => {
      const ran = await runClient(["describe", symbol, "-s", server.address]);
      assert.deepEqual([ran.code, ran.err], [0, ""]);
      assert.match(ran.out, out);
    });
  }
});

Deno.test("E7: details of an error are decoded by what reflection told", async (t) => {
  const problem = new protobuf.Type("Problem").add(new protobuf.Field("what", 1, "string"));
  new protobuf.Root().define("acme.v1").add(problem);
  const details = [
    { type: "acme.v1.Problem", value: problem.encode({ what: "no ink" }).finish() },
    { type: "acme.v1.Unknown", value: new Uint8Array([8, 1]) },
  ];
  await using server = await startDescribed([{
    name: "acme.proto",
    package: "acme.v1",
    syntax: "proto3",
    messageType: [
      { name: "Ask" },
      { name: "Problem", field: [text("what", 1)] },
    ],
    service: [{
      name: "Printer",
      method: [{ name: "Print", inputType: ".acme.v1.Ask", outputType: ".acme.v1.Ask" }],
    }],
  }], (server) => {
    const path = "/acme.v1.Printer/Print";
    const bytes = { serialize: (b: Uint8Array) => Buffer.from(b), parse: (b: Uint8Array) => b };
    server.addService({
      Print: {
        path,
        requestStream: false,
        responseStream: false,
        requestSerialize: bytes.serialize,
        requestDeserialize: bytes.parse,
        responseSerialize: bytes.serialize,
        responseDeserialize: bytes.parse,
      },
    }, {
      Print: adapted(unary<Uint8Array, Uint8Array>((_, { trailers }) => {
        const status = encodeStatus({ code: Status.INTERNAL, message: "out of ink", details });
        trailers.add("grpc-status-details-bin", status);
        throw new RpcError(Status.INTERNAL, "out of ink");
      })),
    });
  });
  const call = (...args: string[]) =>
    runClient(["call", "acme.v1.Printer/Print", "-n", "-s", server.address, ...args]);
  await t.step("in text", async () => {
    const { err } = await call();
    assert.match(err, /^ {2}1\) acme\.v1\.Problem \{"what":"no ink"\}$/m);
    assert.match(err, /^ {2}2\) acme\.v1\.Unknown CAE= \(base64: its type is not known here\)$/m);
  });
  await t.step("with -o json", async () => {
    const { err } = await call("-o", "json");
    assert.deepEqual(JSON.parse(err).details, [
      { "@type": "type.googleapis.com/acme.v1.Problem", what: "no ink" },
      { "@type": "type.googleapis.com/acme.v1.Unknown", "@bytes": "CAE=" },
    ]);
  });
});
