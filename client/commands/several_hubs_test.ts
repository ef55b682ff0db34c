/** `-s a:9090,b:9090`: the next hub is asked when one does not take the call, and never otherwise. */
import assert from "node:assert/strict";
import { errorInfo, RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import { type FakeHub, FROM_HUB, LOST, runClient, startFakeHub } from "../testing/fake_hub.ts";
import { deadPort } from "../../tests/support/dead_port.ts";

function hubsTest(
  name: string,
  run: (a: FakeHub, b: FakeHub, t: Deno.TestContext) => Promise<void>,
) {
  Deno.test(name, async (t) => {
    await using a = await startFakeHub();
    await using b = await startFakeHub();
    await run(a, b, t);
  });
}

const start = (hubs: string, ...args: string[]) =>
  runClient(["fluentd", "start", "edge-1", "-n", "-s", hubs, ...args]);
const away = (reason: string) =>
  new RpcError(reason === "SERVER_OFFLINE" ? Status.UNAVAILABLE : Status.NOT_FOUND, "not here", {
    details: [errorInfo(reason, "ghub", {})],
  });

hubsTest("the second hub takes what the first one certainly did not deliver", async (a, b, t) => {
  using nobody = await deadPort();
  const dead = nobody.address;
  const both = `${a.address},${b.address}`;
  await t.step("it cannot be reached", async () => {
    const { code, out, err } = await start(`${dead},${b.address}`, "-o", "json");
    assert.equal(code, 0, err);
    assert.match(out, /SUCCESS/);
    assert.match(err, new RegExp(`^warning: ${dead}: Cannot connect: .*; asking ${b.address}\n$`));
  });
  for (const reason of ["SERVER_OFFLINE", "SERVER_NOT_FOUND"]) {
    await t.step(`${reason} at the first one is no news`, async () => {
      a.script.fail = () => ({ error: away(reason), trailers: FROM_HUB });
      const { code, err } = await start(both);
      assert.deepEqual([code, err], [0, ""]);
    });
  }
  await t.step("the flag repeated, the environment", async () => {
    const repeated = await runClient(
      ["fluentd", "start", "edge-1", "-n", "-s", a.address, "-s", b.address],
    );
    assert.equal(repeated.code, 0);
    const env = { GCLIENT_SERVER_ADDR: both };
    assert.equal((await runClient(["fluentd", "start", "edge-1", "-n"], { env })).code, 0);
  });
  assert.equal(b.calls.length, 5);
});

hubsTest("a call whose fate is unknown is never repeated at another hub", async (a, b, t) => {
  const table: [what: string, error: RpcError, trailers: Record<string, string>][] = [
    ["the hub lost the tunnel", new RpcError(Status.UNAVAILABLE, "lost"), LOST],
    ["the connection broke", new RpcError(Status.UNAVAILABLE, "reset"), {}],
    ["a bad token", new RpcError(Status.UNAUTHENTICATED, "no"), FROM_HUB],
  ];
  for (const [what, error, trailers] of table) {
    await t.step(what, async () => {
      a.script.fail = () => ({ error, trailers });
      const { code } = await start(`${a.address},${b.address}`);
      assert.equal(code, 64 + error.code);
    });
  }
  assert.equal(b.calls.length, 0);
});

hubsTest("an error names the hub that answered, and why the others did not", async (a, b, t) => {
  using nobody = await deadPort();
  using nobodyElse = await deadPort();
  const [dead, other] = [nobody.address, nobodyElse.address];
  await t.step("none can be reached: one line per hub", async () => {
    const { code, err } = await start(`${dead},${other}`, "-q");
    assert.equal(code, 64 + Status.UNAVAILABLE);
    assert.match(
      err,
      new RegExp(
        `^error: fluentd.start on edge-1: UNAVAILABLE: None of 2 hubs can be reached\n` +
          `  ${dead}: Cannot connect: .*\n  ${other}: Cannot connect: .*\n  hop: client → hub\n` +
          "  The call was not delivered: nothing was done\nhint: ",
      ),
    );
  });
  await t.step("what a hub said counts more", async () => {
    a.script.fail = () => ({ error: away("SERVER_OFFLINE"), trailers: FROM_HUB });
    const { err } = await start(`${a.address},${dead}`, "-q");
    assert.match(err, /^error: fluentd.start on edge-1: UNAVAILABLE: not here\n/);
    assert.match(err, new RegExp(`\n  ${dead}: Cannot connect: .*\n`));
    assert.match(err, new RegExp(`hop: hub    hub: ${a.address}\n`));
  });
  await t.step("as a document", async () => {
    const { err } = await start(`${dead},${a.address}`, "-q", "-o", "json");
    const { hub, missedHubs } = JSON.parse(err);
    assert.equal(hub, a.address);
    assert.match(missedHubs[0], new RegExp(`^${dead}: Cannot connect`));
  });
  const forbidden = new RpcError(Status.PERMISSION_DENIED, "no");
  for (const args of [["wait", "edge-1"], ["fluentd", "status", "--all", "-q"]]) {
    await t.step(`of what ${args.join(" ")} asks by itself`, async () => {
      a.script.fail = () => ({ error: forbidden, trailers: FROM_HUB });
      const { code, err } = await runClient([...args, "-s", `${dead},${a.address}`]);
      assert.equal(code, 64 + Status.PERMISSION_DENIED, err);
      assert.match(err, new RegExp(`hop: hub    hub: ${a.address}\n`));
      assert.match(err, new RegExp(`\n  ${dead}: Cannot connect: .*\n`));
    });
  }
  assert.equal(b.calls.length, 0);
});

hubsTest("a server that is waited for may come to any of the hubs", async (a, b) => {
  let asked = 0;
  a.script.fail = () => ({ error: away("SERVER_OFFLINE"), trailers: FROM_HUB });
  b.script.fail = () =>
    ++asked < 3 ? { error: away("SERVER_OFFLINE"), trailers: FROM_HUB } : undefined;
  const { code, err } = await start(`${a.address},${b.address}`, "--wait-for-server", "60s");
  assert.equal(code, 0, err);
  assert.deepEqual(
    [a, b].map(({ calls }) => calls.map(({ metadata }) => metadata["x-hub-wait"])),
    [[undefined, "5000ms", "5000ms"], [undefined, "5000ms", "5000ms"]],
  );
});

hubsTest("hub servers makes one list of all hubs, and says who was silent", async (a, b, t) => {
  using nobody = await deadPort();
  const dead = nobody.address;
  a.script.servers = {
    servers: [
      { name: "edge-1", state: "ONLINE", instance: "one", callsTotal: 2 },
      { name: "edge-2", state: "OFFLINE", lastSeen: { seconds: 1000 } },
      { name: "edge-3", state: "ONLINE", instance: "three" },
    ],
  };
  b.script.servers = {
    servers: [
      { name: "edge-1", state: "ONLINE", instance: "one", callsTotal: 3 },
      { name: "edge-2", state: "ONLINE", instance: "two" },
      { name: "edge-3", state: "ONLINE", instance: "its clone" },
    ],
  };
  const list = (...args: string[]) =>
    runClient(["hub", "servers", "-n", "-s", `${a.address},${b.address},${dead}`, ...args]);
  const [first, second] = [a.address, b.address].sort();
  await t.step("as a document", async () => {
    const { out, err } = await list("-o", "json");
    const { servers, hubsSilent } = JSON.parse(out);
    assert.deepEqual(
      servers.map(({ name, state, hubs, callsTotal }: Record<string, unknown>) =>
        [name, state, hubs, callsTotal].filter((value) => value !== undefined)
      ),
      [
        ["edge-1", "ONLINE", [first, second], "5"],
        ["edge-2", "ONLINE", [b.address]],
        ["edge-3", "ONLINE", [first, second]],
      ],
    );
    assert.deepEqual(hubsSilent, [dead]);
    assert.match(err, new RegExp(`warning: ${dead}: Cannot connect`));
    assert.match(err, /warning: Two machines have the name "edge-3"/);
  });
  await t.step("as a table", async () => {
    const { out } = await list("-o", "table", "-q");
    assert.equal(out, "");
    const table = (await list("-o", "table")).out;
    assert.match(table, /^NAME {4}STATE {3}HUBS /);
    assert.match(table, new RegExp(`\nedge-2  ONLINE  ${b.address} `));
  });
  await t.step("none answers", async () => {
    const { code, err } = await runClient([
      "hub",
      "servers",
      "-n",
      "-q",
      "-s",
      `${dead},localhost:${nobody.port}`,
    ]);
    assert.equal(code, 64 + Status.UNAVAILABLE, err);
  });
});

hubsTest(
  "many servers over several hubs: each is found where it is, a dead hub is told once",
  async (a, b) => {
    using nobody = await deadPort();
    const isAway = (names: string[]): FakeHub["script"]["fail"] => (server) =>
      names.includes(server) ? { error: away("SERVER_OFFLINE"), trailers: FROM_HUB } : undefined;
    a.script.fail = isAway(["edge-2"]);
    b.script.fail = isAway(["edge-1"]);
    const hubs = `${nobody.address},${a.address},${b.address}`;
    const { code, out, err } = await runClient(
      ["fluentd", "status", "edge-1", "edge-2", "edge-3", "-n", "-s", hubs],
    );
    assert.equal(code, 0, err);
    const servers = out.trimEnd().split("\n").map((line) => JSON.parse(line).server);
    assert.deepEqual(servers.sort(), ["edge-1", "edge-2", "edge-3"]);
    assert.equal(err.match(/Cannot connect/g)?.length, 1);
    assert.deepEqual([a.connections(), b.connections()], [1, 1]);
  },
);
