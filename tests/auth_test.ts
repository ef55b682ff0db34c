/**
 * Who gets in: from this machine anybody, from elsewhere only with the right token.
 *
 * @module
 */
import assert from "node:assert/strict";
import { networkInterfaces } from "node:os";
import { Status, statusName } from "../shared/grpc/status.ts";
import { EchoClient, type Headers } from "./support/echo_client.ts";
import { connectTo, shakeHands } from "./support/raw_path.ts";
import { callOnce, listServers } from "./support/typed_client.ts";
import { upgrade } from "./support/upgrade.ts";
import { World } from "./support/world.ts";

/** An address of this machine that is not loopback: calls to it come from it. */
function elsewhere(): string | undefined {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return addresses.find(({ family, internal }) => family === "IPv4" && !internal)?.address;
}

interface Tokens {
  readonly join: string;
  readonly operator: string;
}

async function readTokens(world: World): Promise<Tokens> {
  const read = async (name: string) => (await Deno.readTextFile(`${world.dir}/hub/${name}`)).trim();
  return { join: await read("join.token"), operator: await read("operator.token") };
}

const bearer = (token: string): Headers => ({ authorization: `Bearer ${token}` });

/** Status of a call of the hub's own service and of one that is forwarded. */
async function codes(world: World, metadata: Headers): Promise<string[]> {
  const own = await callOnce(world.callAddress, ["ghub.v1.Hub", "ListServers"], {}, { metadata });
  using client = new EchoClient(world.callAddress, { metadata });
  const forwarded = await client.unary({}, { metadata: { "x-hub-server": "edge-1" } });
  for (const { code, trailers } of [own, forwarded]) {
    if (code !== Status.OK) assert.deepEqual(trailers.get("x-hub-forwarded"), ["0"]);
  }
  return [own.code, forwarded.code].map(statusName);
}

/** What is asked with which credential, and what comes of it: the same for each way in. */
function callTable(tokens: Tokens, without: string): [what: string, Headers, code: string][] {
  return [
    ["nothing", {}, without],
    ["the operator token", bearer(tokens.operator), "OK"],
    ["the join token", bearer(tokens.join), "PERMISSION_DENIED"],
    ["a wrong token", bearer("wrong"), "UNAUTHENTICATED"],
    ["no bearer", { authorization: "Basic b3A6eA==" }, "UNAUTHENTICATED"],
  ];
}

function tunnelTable(tokens: Tokens, without: number): [what: string, Headers, status: number][] {
  return [
    ["nothing", {}, without],
    ["the join token", bearer(tokens.join), 101],
    ["the operator token", bearer(tokens.operator), 403],
    ["a wrong token", bearer("wrong"), 401],
  ];
}

/** The audit goes to stderr, like the log. */
function assertNoSecrets(world: World, tokens: Tokens): void {
  for (const token of [tokens.join, tokens.operator]) {
    assert.ok(!world.hub.stderr.includes(token), "a token is in what the hub writes");
  }
}

Deno.test("from this machine nobody needs a token, and a wrong one is still refused", async (t) => {
  await using world = await World.start();
  const tokens = await readTokens(world);

  await t.step("the tokens are for their owner's eyes, and differ", async () => {
    for (const name of ["join.token", "operator.token"]) {
      const { mode } = await Deno.stat(`${world.dir}/hub/${name}`);
      assert.equal((mode ?? 0) & 0o777, 0o600, name);
    }
    assert.notEqual(tokens.join, tokens.operator);
    assert.ok(Math.min(tokens.join.length, tokens.operator.length) >= 32);
  });
  for (const [what, metadata, code] of callTable(tokens, "OK")) {
    await t.step(`a call with ${what}: ${code}`, async () => {
      assert.deepEqual(await codes(world, metadata), [code, code]);
    });
  }
  for (const [what, headers, status] of tunnelTable(tokens, 101)) {
    await t.step(`a tunnel with ${what}: ${status}`, async () => {
      assert.equal(await upgrade(world.tunnelUri, { name: "x", ...headers }), status);
    });
  }
  for (const header of ["x-forwarded-for", "forwarded"]) {
    await t.step(`what ${header} brings is not of this machine`, async () => {
      const forwarded = { [header]: header === "forwarded" ? "for=203.0.113.7" : "203.0.113.7" };
      assert.deepEqual(await codes(world, forwarded), ["UNAUTHENTICATED", "UNAUTHENTICATED"]);
      assert.deepEqual(
        await codes(world, { ...forwarded, ...bearer(tokens.operator) }),
        ["OK", "OK"],
      );
      assert.equal(await upgrade(world.tunnelUri, { name: "x", ...forwarded }), 401);
    });
  }
  await t.step("a restarted hub has the same tokens", async () => {
    await world.hub.stop();
    await world.startHub();
    assert.deepEqual(await readTokens(world), tokens);
  });
  assertNoSecrets(world, tokens);
});

Deno.test({
  name: "from elsewhere the right token is needed",
  ignore: elsewhere() === undefined,
  fn: async (t) => {
    const address = `${elsewhere()}:0`;
    await using world = await World.start({
      servers: [],
      callListen: address,
      tunnelListen: address,
      hubArgs: ["--allow-plaintext-calls", "--audit-log", "stderr"],
    });
    const tokens = await readTokens(world);
    const token = (value: string) => ({ GSERVER_TOKEN: value });

    await t.step("a server without the token never gets in, and says why", async () => {
      await using server = world.spawnServer({ name: "edge-1" });
      await server.says(/need a token \(--token-file\)/);
      assert.deepEqual(server.lines, []);
      await server.stop();
    });
    await t.step("a server with the operator token neither", async () => {
      await using server = world.spawnServer({ name: "edge-1", env: token(tokens.operator) });
      await server.says(/Wrong kind of token: servers need the join token/);
      assert.ok(!server.stderr.includes(tokens.operator));
      await server.stop();
    });
    await t.step("a server with the join token gets in", async () => {
      const server = await world.startServer({ name: "edge-1", env: token(tokens.join) });
      assert.ok(!server.stderr.includes(tokens.join));
    });
    for (const [what, metadata, code] of callTable(tokens, "UNAUTHENTICATED")) {
      await t.step(`a call with ${what}: ${code}`, async () => {
        assert.deepEqual(await codes(world, metadata), [code, code]);
      });
    }
    for (const [what, headers, status] of tunnelTable(tokens, 401)) {
      await t.step(`a tunnel with ${what}: ${status}`, async () => {
        assert.equal(await upgrade(world.tunnelUri, { name: "x", ...headers }), status);
      });
    }
    await t.step("a JSON handshake", async () => {
      const table: [request: object, code: string | undefined][] = [
        [{}, "UNAUTHENTICATED"],
        [{ token: tokens.join }, "PERMISSION_DENIED"],
        [{ token: tokens.operator }, undefined],
      ];
      for (const [request, code] of table) {
        const { socket, answer } = await shakeHands(world.callAddress, {
          server: "edge-1",
          ...request,
        });
        socket.destroy();
        assert.equal(answer.code, code);
        if (code !== undefined) assert.equal(answer.servers, undefined, "names are for operators");
      }
    });
    await t.step("CONNECT", async () => {
      const table: [headers: Record<string, string>, status: number][] = [
        [{}, 407],
        [{ "proxy-authorization": `Bearer ${tokens.operator}` }, 200],
        [{ "proxy-authorization": `Basic ${btoa(`op:${tokens.operator}`)}` }, 200],
        [{ "proxy-authorization": `Basic ${btoa(`op:${tokens.join}`)}` }, 403],
      ];
      for (const [headers, expected] of table) {
        const { socket, status } = await connectTo(world.callAddress, "edge-1:443", headers);
        socket.destroy();
        assert.equal(status, expected);
      }
    });
    await t.step("gclient", async () => {
      const refused = await world.gclient(["hub", "servers"]);
      assert.equal(refused.code, 64 + Status.UNAUTHENTICATED);
      assert.match(refused.stderr, /--token-file/);
      const file = `${world.dir}/hub/operator.token`;
      const served = await world.gclient(["hub", "servers", "--token-file", file, "-o", "json"]);
      assert.equal(served.code, 0, served.stderr);
      assert.match(served.stdout, /edge-1/);
      assert.ok(!`${served.stdout}${served.stderr}`.includes(tokens.operator));
    });
    await t.step("the hub's token does not reach the server", async () => {
      using client = new EchoClient(world.callAddress, { metadata: bearer(tokens.operator) });
      const metadata = { "x-hub-server": "edge-1", "x-echo-id": "secret" };
      assert.equal((await client.unary({}, { metadata })).code, Status.OK);
      const report = await client.unary({}, {
        metadata: { "x-hub-server": "edge-1", "x-echo-report": "secret" },
      });
      const seen = new TextDecoder().decode(report.responses[0]?.data);
      assert.match(seen, /"method"/);
      assert.ok(!seen.includes(tokens.operator));
    });
    assertNoSecrets(world, tokens);
  },
});

Deno.test("a name's list is the operators' alone", async () => {
  await using world = await World.start();
  assert.equal((await listServers(world.callAddress)).size, 1);
  const { code, response } = await callOnce(
    world.callAddress,
    ["ghub.v1.Hub", "ListServers"],
    {},
    { metadata: { "x-forwarded-for": "203.0.113.7" } },
  );
  assert.deepEqual([code, response], [Status.UNAUTHENTICATED, undefined]);
});
