/**
 * Upstreams behind `--expose` as they are in the field: a gRPC server of others (python3-grpcio), which
 * ends connections by age and idleness, restarts, listens on a unix socket, wants a token, and takes
 * little metadata.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Status } from "../shared/grpc/status.ts";
import { EchoClient } from "./support/echo_client.ts";
import { grpcio } from "./support/foreign_programs.ts";
import { Process, REPOSITORY } from "./support/process.ts";
import { handshakePath } from "./support/raw_path.ts";
import { World } from "./support/world.ts";

const PYTHON = "/usr/bin/python3";

const ignore = grpcio.isMissing;

/** Starts the upstream; port 0 is any. */
async function startUpstream(port: string, ...options: string[]) {
  const file = `${REPOSITORY}tests/support/foreign_upstream.py`;
  const process = Process.start("upstream", PYTHON, [file, port, ...options]);
  const [, bound = ""] = await process.line(/^upstream ready port=(\d+)$/);
  return { process, port: bound, [Symbol.asyncDispose]: () => process[Symbol.asyncDispose]() };
}

const ROUTE = { "x-hub-server": "edge-1/payments" };

async function exposing(address: string, args: readonly string[] = []) {
  const world = await World.start({ servers: [] });
  const edge = await world.startServer({
    name: "edge-1",
    program: "gserver",
    expose: { payments: address },
    args,
  });
  using client = new EchoClient(world.callAddress, { metadata: ROUTE });
  const { code, details } = await client.unary({}, { metadata: { "x-hub-wait": "4m" } });
  assert.equal(code, Status.OK, `${details}\n${edge.stderr}`);
  return { world, edge, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() };
}

/** Warnings and errors of a server about its upstream. */
function complaints({ stderr }: Process): string[] {
  return stderr.split("\n").filter((line) => /WARN|ERROR/.test(line) && line.includes("payments"));
}

Deno.test({
  name: "C6: an upstream that ends connections by age costs no call, and no warning",
  ignore,
  async fn() {
    await using upstream = await startUpstream("0", "grpc.max_connection_age_ms=1000");
    await using setting = await exposing(`127.0.0.1:${upstream.port}`);
    const { world, edge } = setting;
    using client = new EchoClient(world.callAddress, { metadata: ROUTE });
    const peers = new Set<string>();
    const failed: string[] = [];
    let calls = 0;
    // Until it has happened several times, and to enough calls.
    while (peers.size < 5 || calls < 300) {
      const outcomes = await Promise.all([1, 2, 3].map(() => client.unary({})));
      for (const { code, details, trailers } of outcomes) {
        calls++;
        if (code !== Status.OK) failed.push(details);
        peers.add(String(trailers.get("x-got-peer")[0]));
      }
    }
    assert.deepEqual(failed, [], `of ${calls} calls`);
    assert.deepEqual(complaints(edge), []);
  },
});

Deno.test({
  name: "C6: an upstream that ends idle connections is there for the next call",
  ignore,
  async fn() {
    // Longer than a busy machine needs from the line to the call: else the next end is under way again.
    await using upstream = await startUpstream("0", "grpc.max_connection_idle_ms=1500");
    await using setting = await exposing(`127.0.0.1:${upstream.port}`);
    const { world, edge } = setting;
    using client = new EchoClient(world.callAddress, { metadata: ROUTE });
    const peers = new Set<string>();
    const failed: string[] = [];
    // Each call comes when a connection has just been ended by its idleness, and another one made.
    for (let calls = 0; calls < 5; calls++) {
      const { code, details, trailers } = await client.unary({});
      if (code !== Status.OK) failed.push(details);
      peers.add(String(trailers.get("x-got-peer")[0]));
      await edge.line(/^gserver ready server=edge-1\/payments /);
    }
    assert.ok(peers.size >= 4, [...peers].join());
    assert.deepEqual(failed, []);
    assert.deepEqual(complaints(edge), []);
  },
});

Deno.test({
  name: "C6: an upstream that restarts is back, and away until then",
  ignore,
  async fn() {
    const first = await startUpstream("0");
    await using setting = await exposing(`127.0.0.1:${first.port}`);
    const { world, edge } = setting;
    using client = new EchoClient(world.callAddress, { metadata: ROUTE });
    assert.equal((await client.unary({})).code, Status.OK);
    await first.process.kill();
    await edge.says(/Cannot reach upstream "payments"/);
    const away = await client.unary({});
    assert.deepEqual([away.code, away.trailers.get("x-hub-forwarded")], [
      Status.UNAVAILABLE,
      ["0"],
    ]);
    await using _second = await startUpstream(first.port);
    const { code } = await client.unary({}, { metadata: { "x-hub-wait": "4m" } });
    assert.equal(code, Status.OK);
    assert.equal(complaints(edge).filter((line) => line.includes("Cannot reach")).length, 1);
  },
});

Deno.test({
  name:
    "E5: an upstream on a unix socket, E6: with a token of its own, C7: gets no name that a caller wrote",
  ignore,
  async fn(t) {
    const dir = await Deno.makeTempDir();
    const socket = `unix:${dir}/up.sock`;
    await Deno.writeTextFile(`${dir}/token`, "s3cret-of-upstream\n", { mode: 0o600 });
    const process = Process.start("upstream", PYTHON, [
      `${REPOSITORY}tests/support/foreign_upstream.py`,
      socket,
    ]);
    await process.line(/^upstream ready/);
    await using _upstream = process;
    await using setting = await exposing(socket, [
      "--upstream-token-file",
      `payments=${dir}/token`,
    ]);
    const { world, edge } = setting;
    const forged = { "x-hub-operator": "root", "x-hub-voucher": "e30.e30.e30" };
    const got = async (client: EchoClient, metadata: Record<string, string>) => {
      const { code, details, trailers } = await client.unary({}, { metadata });
      assert.equal(code, Status.OK, details);
      return [trailers.get("x-got-operator")[0], trailers.get("x-got-authorization")[0]];
    };
    using routed = new EchoClient(world.callAddress, { metadata: ROUTE });
    const own = await got(routed, {});
    assert.notEqual(own[0], "root");
    assert.equal(own[1], "Bearer s3cret-of-upstream");
    await t.step("routed", async () => assert.deepEqual(await got(routed, forged), own));
    await t.step("raw, by the JSON handshake", async () => {
      await using path = await handshakePath(world.callAddress, "edge-1/payments");
      using opened = await path.client();
      assert.deepEqual(await got(opened, forged), own);
      const mine = { ...forged, authorization: "Bearer mine" };
      assert.deepEqual(await got(opened, mine), [own[0], "Bearer mine"]);
    });
    await t.step("raw, by CONNECT", async () => {
      using client = new EchoClient(world.callAddress, {
        channel: { "grpc.http_connect_target": "dns:payments.edge-1:443" },
      });
      assert.deepEqual(await got(client, forged), own);
    });
    assert.ok(!edge.stderr.includes("s3cret"));
    await Deno.remove(dir, { recursive: true });
  },
});

Deno.test({
  name: "B6: a grpcio server behind --expose keeps everybody's calls when one has 9 KB of metadata",
  ignore,
  fn: async () => {
    await using upstream = await grpcio.serve("grpc.max_metadata_size=8192");
    await using world = await World.start({
      servers: [{ name: "edge-1", program: "gserver", expose: { core: upstream.address } }],
    });
    const route = { "x-hub-server": "edge-1/core" };
    using client = new EchoClient(world.callAddress, { metadata: route });
    const sized = (length: number) =>
      client.unary({}, { metadata: { "x-large": "v".repeat(length) } });
    // An answer says that the upstream has announced its limits.
    assert.equal((await sized(1)).code, Status.OK);
    const held = client.bidi();
    held.call.write({ headersFirst: true });
    await held.headers;
    const large = await sized(9000);
    assert.equal(large.code, Status.RESOURCE_EXHAUSTED);
    assert.match(large.details, /takes 8192; nothing was delivered/);
    assert.deepEqual(large.trailers.get("x-hub-hop"), ["hub"]);
    assert.deepEqual(large.trailers.get("x-hub-forwarded"), ["0"]);
    const near = await sized(7000);
    assert.equal(near.code, Status.OK, near.details);
    held.call.end();
    assert.equal((await held.outcome).code, Status.OK, "the call that was under way");
  },
});
