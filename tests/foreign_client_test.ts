/**
 * A gRPC client and a server that are not grpc-js: Debian's grpcio for /usr/bin/python3, through the
 * hub.
 *
 * @module
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { Status } from "../shared/grpc/status.ts";
import { denoStream } from "../shared/grpc_client/byte_stream.ts";
import { Channel } from "../shared/grpc_client/channel.ts";
import { EchoClient, type Headers } from "./support/echo_client.ts";
import { Process, source } from "./support/process.ts";
import { PATIENCE_MS } from "./support/until.ts";
import { World } from "./support/world.ts";

const PYTHON = "/usr/bin/python3";
const SCRIPT = fileURLToPath(new URL("./support/foreign_client.py", import.meta.url));
const SERVER = fileURLToPath(new URL("./support/foreign_server.py", import.meta.url));

/** Whether the client is here. Where CI asks for it, its absence is a failure. */
function hasClient(): boolean {
  try {
    const { success } = new Deno.Command(PYTHON, { args: ["-c", "import grpc"] }).outputSync();
    if (success) return true;
  } catch {
    // No python3 either.
  }
  const message = `${PYTHON} has no module grpc: apt-get install python3-grpcio`;
  if (Deno.env.get("CI") === "true") throw new Error(`${message} (CI=true)`);
  console.warn(`\n*** ${message}. Tests of a foreign client are IGNORED.\n`);
  return false;
}

/** What the script prints when all is as it should be. */
const EXPECTED = {
  unary: "hello",
  initial: "there and back",
  trailer: [0, 1, 255],
  server_stream: ["x", "x", "x", "x", "x"],
  client_stream: "99",
  bidi_in_order: true,
  "8_mib": true,
  gzip: 80_000,
  error: ["FAILED_PRECONDITION", "größer"],
  deadline: ["DEADLINE_EXCEEDED", ""],
  cancel: "CANCELLED",
  unknown: "UNIMPLEMENTED",
};

async function run(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const { code, stdout, stderr } = await Process.output(PYTHON, [SCRIPT, ...args], { env });
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

Deno.test({
  name: "grpcio calls through the hub",
  ignore: !hasClient(),
  fn: async (t) => {
    await using world = await World.start({ servers: ["edge-1", "edge-2"] });

    await t.step("routed by metadata", async () => {
      assert.deepEqual(
        await run([world.callAddress, "x-hub-server=edge-1"]),
        { ...EXPECTED, hop: "server" },
      );
    });

    await t.step("by http_proxy", async () => {
      const proxy = `http://${world.callAddress}`;
      assert.deepEqual(
        await run(["dns:///edge-2:443"], { http_proxy: proxy, no_proxy: "" }),
        { ...EXPECTED, hop: null },
      );
    });

    await t.step("to an upstream, by metadata", async () => {
      const address = await world.startUpstream();
      await world.startServer({ name: "edge-3", expose: { echo: address } });
      assert.deepEqual(
        await run([world.callAddress, "x-hub-server=edge-3/echo"]),
        { ...EXPECTED, hop: "server" },
      );
    });
  },
});

Deno.test({
  name: "grpcio calls the server of this project",
  ignore: !hasClient(),
  fn: async () => {
    await using echo = Process.deno("echo", source("tests/support/own_echo_server.ts"));
    const [, address = ""] = await echo.line(/^echo ready address=(\S+)$/);
    assert.deepEqual(await run([address]), { ...EXPECTED, hop: null });
  },
});

Deno.test({
  name: "the client of this project calls grpcio",
  ignore: !hasClient(),
  fn: async (t) => {
    await using server = Process.start("grpcio", PYTHON, [SERVER]);
    const [, address = ""] = await server.line(/^ready (\S+)$/);
    const { hostname, port } = new URL(`tcp://${address}`);
    const socket = await Deno.connect({ hostname, port: Number(port) });
    await using channel = new Channel(denoStream(socket), { authority: address });
    const call = async (method: string, words: readonly string[], timeoutMs = PATIENCE_MS) => {
      const call = channel.call({ path: `/test.Any/${method}`, timeoutMs });
      const sending = (async () => {
        for (const word of words) await call.send(new TextEncoder().encode(word));
        await call.endSending();
      })();
      const got: string[] = [];
      for await (const bytes of call.messages()) got.push(new TextDecoder().decode(bytes));
      await sending;
      return { call, got, error: (await call.ended).error };
    };
    const big = "x".repeat(3 << 20);
    const table: [method: string, words: string[], got: string[]][] = [
      ["One", ["hello"], ["hello"]],
      ["One", [""], [""]],
      ["One", [big], [big]],
      ["Gzip", [big], [big]],
      ["ServerStream", ["x"], ["x", "x", "x", "x", "x"]],
      ["ClientStream", ["a", "b", "c"], ["abc"]],
      ["Bidi", ["a", "b", "c"], ["a", "b", "c"]],
    ];
    for (const [method, words, expected] of table) {
      await t.step(`${method} of ${words.join().length} bytes`, async () => {
        const { got, error } = await call(method, words);
        assert.equal(error, undefined);
        assert.ok(got.join() === expected.join());
      });
    }
    await t.step("metadata, both ways", async () => {
      assert.deepEqual((await call("One", ["x"])).call.headers?.get("echo-text"), [
        "there and back",
      ]);
      const { call: failed, error } = await call("Fail", ["x"]);
      assert.deepEqual([error?.code, error?.message], [Status.FAILED_PRECONDITION, "größer"]);
      assert.deepEqual(failed.trailers?.get("trail-some-bin"), [Uint8Array.of(0, 1, 255)]);
    });
    await t.step("a deadline", async () => {
      const { error } = await call("Hang", ["x"], 300);
      assert.equal(error?.code, Status.DEADLINE_EXCEEDED);
      await call("Go", [""]);
    });
  },
});

Deno.test({
  name: "B6: a grpcio server behind --expose keeps everybody's calls when one has 9 KB of metadata",
  ignore: !hasClient(),
  fn: async () => {
    await using upstream = Process.start("grpcio", PYTHON, [SERVER]);
    const [, address = ""] = await upstream.line(/^ready (\S+)$/);
    await using world = await World.start({
      servers: [{ name: "edge-1", expose: { core: address } }],
    });
    using client = new EchoClient(world.callAddress);
    const to = (more: Headers = {}) => ({ metadata: { "x-hub-server": "edge-1/core", ...more } });
    // An answer says that the upstream has announced its limits.
    assert.equal((await client.unknown("/test.Any/One", to())).code, Status.OK);
    const held = client.unknown("/test.Any/Hold", to());
    const large = await client.unknown("/test.Any/One", to({ "x-large": "v".repeat(9000) }));
    assert.equal(large.code, Status.RESOURCE_EXHAUSTED);
    assert.match(large.details, /takes 8192; nothing was delivered/);
    assert.deepEqual(large.trailers.get("x-hub-hop"), ["hub"]);
    assert.deepEqual(large.trailers.get("x-hub-forwarded"), ["0"]);
    const near = await client.unknown("/test.Any/One", to({ "x-large": "v".repeat(7000) }));
    assert.equal(near.code, Status.OK, near.details);
    assert.equal((await client.unknown("/test.Any/Go", to())).code, Status.OK);
    assert.equal((await held).code, Status.OK, "the call that was under way");
  },
});
