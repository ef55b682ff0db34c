/**
 * Servers that others have written, listed, described and called in all four kinds: Node's with the official
 * reflection and proto2, and Python's, which has no reflection.
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
import { fileURLToPath } from "node:url";
import { Process } from "../tests/support/process.ts";
import { runClient } from "./testing/fake_hub.ts";
import { startServer } from "./testing/fake_server.ts";

const PYTHON = "/usr/bin/python3";
const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const TALK = here("./testing/foreign/talk.proto");

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

Deno.test("a Node server of proto2 is listed, described and called in all four kinds", async (t) => {
  const definition = loadSync(TALK);
  // deno-lint-ignore no-explicit-any -- grpc-js has no types for what it loads
  const { service } = (loadPackageDefinition(definition) as any).acme.v1.Talk;
  await using server = await startServer((server) => {
    server.addService(service as ServiceDefinition, TALKER as never);
    new ReflectionService(definition).addToServer(server as never);
  });
  const run = async (...args: string[]) => {
    const { code, out, err } = await runClient([...args, "-s", server.address]);
    assert.deepEqual([code, err], [0, ""]);
    return out;
  };
  await t.step("list", async () => {
    assert.match(await run("list", "node-1"), /^acme\.v1\.Talk$/m);
    assert.equal(
      await run("list", "node-1", "acme.v1.Talk"),
      "acme.v1.Talk/Say\nacme.v1.Talk/Repeat\nacme.v1.Talk/Collect\nacme.v1.Talk/Chat\n",
    );
  });
  const both = '{"text":"a"}\n{"text":"b"}\n';
  const table: [method: string, data: string, out: string][] = [
    ["Say", '{"text":"a"}', '{"text":"a"}\n'],
    ["Repeat", '{"text":"a"}', '{"text":"a"}\n{"text":"a"}\n'],
    ["Collect", both, '{"text":"all","notes":["a","b"]}\n'],
    ["Chat", both, both],
  ];
  for (const [method, data, out] of table) {
    await t.step(`call ${method}`, async () => {
      assert.equal(await run("call", `Talk/${method}`, "node-1", "-d", data, "-o", "json"), out);
    });
  }
  // What Node's reflection tells of proto2 says proto3, and has lost which fields are required.
  await t.step("describe, with required fields and defaults", async () => {
    assert.equal(
      await run("describe", "acme.v1.Words", "node-1", "--proto", TALK),
      `message acme.v1.Words {
  required string text = 1;
  optional int32 count = 2 [default = 2];
  repeated string notes = 3;
  optional acme.v1.Words.Mood mood = 4 [default = CALM];

  enum Mood {
    CALM = 1;
    LOUD = 2;
  }
}
`,
    );
  });
  await t.step("a required field that is missing is a usage error", async () => {
    const args = ["call", "Talk/Say", "node-1", "-d", '{"count":1}', "-s", server.address];
    const { code, err } = await runClient([...args, "--proto", TALK]);
    assert.equal(code, 2);
    assert.match(err, /text is missing: it is a required field/);
  });
});

/** Is Debian's grpcio here? */
function hasGrpcio(): boolean {
  try {
    return new Deno.Command(PYTHON, { args: ["-c", "import grpc"] }).outputSync().success;
  } catch {
    return false;
  }
}

const isHere = hasGrpcio();
if (!isHere) console.warn(`SKIPPED: ${PYTHON} has no module grpc (python3-grpcio)`);

Deno.test({
  name: "a Python server without reflection is called in all four kinds by --proto",
  ignore: !isHere,
  async fn(t) {
    await using server = Process.start("grpcio", PYTHON, [
      here("../tests/support/foreign_server.py"),
    ]);
    const [, address = ""] = await server.line(/^ready (\S+)$/);
    const proto = ["--proto", here("./testing/foreign/any.proto")];
    const both = '{"words":["a"]}\n{"words":["b"]}\n';
    const table: [method: string, data: string, out: string][] = [
      ["One", '{"words":["a"]}', '{"words":["a"]}\n'],
      ["ServerStream", '{"words":["a"]}', '{"words":["a"]}\n'.repeat(5)],
      ["ClientStream", both, '{"words":["a","b"]}\n'],
      ["Bidi", both, both],
    ];
    for (const [method, data, out] of table) {
      await t.step(`call ${method}`, async () => {
        const args = ["call", `test.Any/${method}`, "py-1", "-d", data, "-o", "json", ...proto];
        const ran = await runClient([...args, "-s", address]);
        assert.deepEqual([ran.code, ran.err], [0, ""]);
        assert.equal(ran.out, out);
      });
    }
    await t.step("list and describe", async () => {
      const list = await runClient(["list", "py-1", ...proto, "-s", address]);
      assert.deepEqual([list.code, list.out], [0, "test.Any\n"]);
      const { out } = await runClient(["describe", "test.Any/ClientStream", ...proto]);
      assert.match(out, /^\/\/ All requests.*\nrpc ClientStream\(stream test\.Words\)/);
    });
    await t.step("without --proto, the hint names it", async () => {
      const { code, err } = await runClient(["call", "test.Any/One", "py-1", "-n", "-s", address]);
      assert.ok(code > 64);
      assert.match(err, /hint: Describe its services with --proto FILE/);
    });
  },
});
