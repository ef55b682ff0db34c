/**
 * Servers that others have written, behind `--expose`, listed, described and called by gclient in all four
 * kinds through a hub: Node's with the official reflection, one of proto2, Go's, and Python's, which has
 * no reflection.
 *
 * @module
 */
import {
  loadPackageDefinition,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerWritableStream,
  type ServiceDefinition,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { ReflectionService } from "@grpc/reflection";
import assert from "node:assert/strict";
import { runClient } from "../client/testing/fake_hub.ts";
import { startServer } from "../client/testing/fake_server.ts";
import { grpcGo, grpcio } from "./support/foreign_programs.ts";
import { REPOSITORY } from "./support/process.ts";
import { World } from "./support/world.ts";

const TALK = `${REPOSITORY}tests/foreign/talk.proto`;
const ECHO = ["--proto", `${REPOSITORY}proto/echo/v1/echo.proto`];

interface Words {
  readonly text: string;
  readonly notes?: readonly string[];
}

type Answer = (error: null, words: Words) => void;

/** Answers with what it hears. */
const TALKER = {
  Say: ({ request }: { readonly request: Words }, answer: Answer) => answer(null, request),
  Repeat(call: ServerWritableStream<Words, Words>) {
    for (let i = 0; i < 2; i++) call.write(call.request);
    call.end();
  },
  Collect(call: ServerReadableStream<Words, Words>, answer: Answer) {
    const notes: string[] = [];
    call.on("data", ({ text }: Words) => notes.push(text));
    call.on("end", () => answer(null, { text: "all", notes }));
  },
  Chat(call: ServerDuplexStream<Words, Words>) {
    call.on("data", (words: Words) => call.write(words));
    call.on("end", () => call.end());
  },
};

/** A Node server of proto2 with the official reflection. */
function startNode() {
  const definition = loadSync(TALK);
  // deno-lint-ignore no-explicit-any -- grpc-js has no types for what it loads
  const { service } = (loadPackageDefinition(definition) as any).acme.v1.Talk;
  return startServer((server) => {
    server.addService(service as ServiceDefinition, TALKER as never);
    new ReflectionService(definition).addToServer(server as never);
  });
}

/** What gclient prints about `edge-1/up`, a server at this address behind `--expose`. */
async function exposed(address: string) {
  const world = await World.start({ servers: [{ name: "edge-1", expose: { up: address } }] });
  const tryTo = (...args: string[]) => runClient([...args, "-s", world.callAddress]);
  const run = async (...args: string[]) => {
    const { code, out, err } = await tryTo(...args);
    assert.deepEqual([code, err], [0, ""], args.join(" "));
    return out;
  };
  return { run, tryTo, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() };
}

type Row = readonly [method: string, data: string, out: string];

const TWO = '{"text":"a"}\n{"text":"b"}\n';
/** Each kind of call of Talk, and what it answers. */
const TALKS: readonly Row[] = [
  ["acme.v1.Talk/Say", '{"text":"a"}', '{"text":"a"}\n'],
  ["acme.v1.Talk/Repeat", '{"text":"a"}', '{"text":"a"}\n{"text":"a"}\n'],
  ["acme.v1.Talk/Collect", TWO, '{"text":"all","notes":["a","b"]}\n'],
  ["acme.v1.Talk/Chat", TWO, TWO],
];
/** Of Echo. */
const ECHOES: readonly Row[] = [
  ["echo.v1.Echo/Unary", '{"data":"QQ=="}', '{"data":"QQ==","received":1,"receivedBytes":"1"}\n'],
  [
    "echo.v1.Echo/ServerStream",
    '{"data":"QQ==","count":2}',
    '{"data":"QQ==","received":1,"receivedBytes":"1"}\n' +
    '{"data":"QQ==","index":1,"received":1,"receivedBytes":"1"}\n',
  ],
  [
    "echo.v1.Echo/ClientStream",
    '{"data":"QQ=="}\n{"data":"Qg=="}\n',
    '{"data":"Qg==","received":2,"receivedBytes":"2"}\n',
  ],
  [
    "echo.v1.Echo/Bidi",
    '{"data":"QQ=="}\n{"data":"Qg=="}\n',
    '{"data":"QQ==","received":1,"receivedBytes":"1"}\n' +
    '{"data":"Qg==","index":1,"received":2,"receivedBytes":"2"}\n',
  ],
];

const TALK_METHODS =
  "acme.v1.Talk/Say\nacme.v1.Talk/Repeat\nacme.v1.Talk/Collect\nacme.v1.Talk/Chat\n";
const WORDS = `message acme.v1.Words {
  required string text = 1;
  optional int32 count = 2 [default = 2];
  repeated string notes = 3;
  optional acme.v1.Words.Mood mood = 4 [default = CALM];

  enum Mood {
    CALM = 1;
    LOUD = 2;
  }
}
`;

/** Makes each call, as a step. */
async function callAll(
  t: Deno.TestContext,
  run: (...args: string[]) => Promise<string>,
  rows: readonly Row[],
  more: readonly string[] = [],
): Promise<void> {
  for (const [method, data, out] of rows) {
    await t.step(`call ${method}`, async () => {
      const args = ["call", method, "edge-1/up", "-d", data, "-o", "json", ...more];
      assert.equal(await run(...args), out);
    });
  }
}

Deno.test("a Node server of proto2 is listed, described and called in all four kinds", async (t) => {
  await using server = await startNode();
  await using world = await exposed(server.address);
  const { run, tryTo } = world;
  await t.step("list", async () => {
    assert.match(await run("list", "edge-1/up"), /^acme\.v1\.Talk$/m);
    assert.equal(await run("list", "edge-1/up", "acme.v1.Talk"), TALK_METHODS);
  });
  await callAll(t, run, TALKS);
  // What Node's reflection tells of proto2 says proto3, and has lost which fields are required.
  await t.step("describe, with required fields and defaults", async () => {
    assert.match(await run("describe", "acme.v1.Words", "edge-1/up"), /^ {2}string text = 1;$/m);
    assert.equal(await run("describe", "acme.v1.Words", "edge-1/up", "--proto", TALK), WORDS);
  });
  await t.step("a required field that is missing is a usage error", async () => {
    const args = ["call", "Talk/Say", "edge-1/up", "-d", '{"count":1}', "--proto", TALK];
    const { code, err } = await tryTo(...args);
    assert.equal(code, 2);
    assert.match(err, /text is missing: it is a required field/);
  });
});

Deno.test({
  name: "a Go server of proto3 and proto2 is listed, described and called in all four kinds",
  ignore: grpcGo.isMissing,
  async fn(t) {
    await using server = await grpcGo.serve();
    await using world = await exposed(server.address);
    const { run, tryTo } = world;
    await t.step("list", async () => {
      const services = ["acme.v1.Talk", "echo.v1.Echo", "grpc.reflection.v1alpha.ServerReflection"];
      const listed = (await run("list", "edge-1/up")).trim().split("\n");
      assert.deepEqual(services.filter((name) => !listed.includes(name)), []);
      assert.equal(await run("list", "edge-1/up", "acme.v1.Talk"), TALK_METHODS);
    });
    await callAll(t, run, [...TALKS, ...ECHOES]);
    await t.step("describe, with required fields and defaults", async () => {
      assert.equal(await run("describe", "acme.v1.Words", "edge-1/up"), WORDS);
      const echo = await run("describe", "echo.v1.Echo", "edge-1/up");
      assert.match(
        echo,
        /^ {2}rpc Bidi\(stream .*EchoRequest\) returns \(stream .*EchoResponse\);$/m,
      );
    });
    await t.step("a required field that is missing is a usage error", async () => {
      const { code, err } = await tryTo("call", "Talk/Say", "edge-1/up", "-d", '{"count":1}');
      assert.equal(code, 2);
      assert.match(err, /text is missing: it is a required field/);
    });
  },
});

Deno.test({
  name: "a Python server without reflection is called in all four kinds by --proto",
  ignore: grpcio.isMissing,
  async fn(t) {
    await using server = await grpcio.serve();
    await using world = await exposed(server.address);
    const { run, tryTo } = world;
    await callAll(t, run, ECHOES, ECHO);
    await t.step("list and describe", async () => {
      assert.equal(await run("list", "edge-1/up", ...ECHO), "echo.v1.Echo\n");
      const described = await run("describe", "echo.v1.Echo/ClientStream", "edge-1/up", ...ECHO);
      assert.match(described, /^\/\/ Answers when the caller.*\nrpc ClientStream\(stream /);
    });
    await t.step("without --proto, the hint names it", async () => {
      const { code, err } = await tryTo("call", "echo.v1.Echo/Unary", "edge-1/up", "-n");
      assert.ok(code > 64);
      assert.match(err, /hint: Describe its services with --proto FILE/);
    });
  },
});
