/**
 * Names that are fought for, kept, lost and remembered: rows 2, 3, 4, 5, 8 and 20 of
 * docs/reliability.md.
 */
import assert from "node:assert/strict";
import { Status } from "../../shared/grpc/status.ts";
import { EchoClient } from "../support/echo_client.ts";
import { hopOf, listed, openFiles, reached, reasonOf, untilState } from "../support/facts.ts";
import { FaultyLink } from "../support/faulty_link.ts";
import { RawTunnel } from "../support/raw_tunnel.ts";
import { until } from "../support/until.ts";
import { World } from "../support/world.ts";

/** Tunnels that say nothing stay, however long the machine takes. */
const PATIENT = ["--ping-interval", "1m", "--dead-after", "10m"];

Deno.test("row 2, a stale registration does not keep its rightful owner out", async () => {
  await using world = await World.start({ servers: [], hubArgs: PATIENT });
  const { host } = new URL(world.tunnelUri);
  await using link = await FaultyLink.to(host);
  using stale = await RawTunnel.open(`ws://${link.address}/ws`, { name: "edge-1" });
  assert.equal(stale.status, 101);
  link.blackHole("up", "down");
  // The hub still believes in the old tunnel.
  const before = await untilState(world, "edge-1", "ONLINE");
  await world.startServer("edge-1");
  await reached(world, "edge-1");
  const after = await listed(world, "edge-1");
  assert.ok(Number(after?.generation) > Number(before.generation));
});

Deno.test("row 3, the late close of an old session does not touch the new one", async () => {
  await using world = await World.start({ servers: [] });
  const { host } = new URL(world.tunnelUri);
  await using link = await FaultyLink.to(host);
  const old = await RawTunnel.open(`ws://${link.address}/ws`, { name: "edge-1" });
  link.blackHole("down"); // It does not hear that it was displaced.
  await world.startServer("edge-1");
  const before = await listed(world, "edge-1");
  old[Symbol.dispose]();
  link.cut();
  await until("the old session's connection to close", () => old.socket.closed);
  await reached(world, "edge-1");
  const after = await listed(world, "edge-1");
  assert.deepEqual([after?.state, after?.tunnelId], ["ONLINE", before?.tunnelId]);
});

Deno.test("row 4, nobody waits for an old session that never closes", async () => {
  await using world = await World.start({ servers: [] });
  using first = await RawTunnel.open(world.tunnelUri, { name: "edge-1", deaf: true });
  const before = openFiles(world.hub.pid);
  // The same instance each time, so that this is no fight. None of them reads or closes.
  const instance = crypto.randomUUID();
  const tunnels: RawTunnel[] = [];
  for (let i = 0; i < 30; i++) {
    const tunnel = await RawTunnel.open(world.tunnelUri, { name: "edge-1", instance, deaf: true });
    assert.equal(tunnel.status, 101, tunnel.answer);
    tunnels.push(tunnel);
  }
  await until(
    "the hub to have let go of all but the last",
    () => openFiles(world.hub.pid) <= before,
  );
  for (const tunnel of tunnels) tunnel[Symbol.dispose]();
  assert.equal(first.status, 101);
});

Deno.test("row 5, two machines of one name: reported, and the third turn is refused", async () => {
  await using world = await World.start({ servers: [], hubArgs: PATIENT });
  const [a, b] = [crypto.randomUUID(), crypto.randomUUID()];
  const tunnels: RawTunnel[] = [];
  const open = async (instance: string) => {
    const tunnel = await RawTunnel.open(world.tunnelUri, { name: "clone", instance });
    tunnels.push(tunnel);
    return tunnel;
  };
  const statuses: number[] = [];
  for (const instance of [a, b, a, b, a]) statuses.push((await open(instance)).status);
  assert.deepEqual(statuses, [101, 101, 101, 101, 409]);
  const refused = tunnels.at(-1);
  assert.equal(refused?.retryAfterS, 60);
  assert.match(
    refused?.answer ?? "",
    /another living instance at 127\.0\.0\.1:\d+ holds this name/,
  );
  await world.hub.says(/Server "clone" is there twice/);
  assert.equal((await listed(world, "clone"))?.instance, b);
  // Until the other one is gone.
  tunnels[3]?.[Symbol.dispose]();
  await untilState(world, "clone", "OFFLINE");
  assert.equal((await open(a)).status, 101);
  assert.equal((await listed(world, "clone"))?.flaps, 2);
  for (const tunnel of tunnels) tunnel[Symbol.dispose]();
  // Shown also while it is away, and after a restart of the hub.
  await untilState(world, "clone", "OFFLINE");
  await world.hub.stop();
  await world.startHub();
  const away = await listed(world, "clone");
  assert.deepEqual([away?.state, away?.flaps], ["OFFLINE", 2]);
  assert.match(away?.lastCloseReason ?? "", /connection/);
  assert.ok(away?.lastSeen?.nanos === undefined || away.lastSeen.nanos % 1_000_000 === 0);
});

Deno.test("row 8, a wrong credential is retried slowly and said loudly, and is never the end", async () => {
  await using world = await World.start({ servers: [] });
  const tokenFile = `${world.dir}/wrong.token`;
  await Deno.writeTextFile(tokenFile, "w".repeat(40), { mode: 0o600 });
  const server = world.spawnServer({ name: "edge-1", args: ["--token-file", tokenFile] });
  const [, seconds = ""] = await until(
    "the server to say what is wrong",
    () => /next try in ([\d.]+) s/.exec(server.stderr) ?? undefined,
  );
  assert.ok(Number(seconds) >= 54, `next try in ${seconds} s`);
  assert.match(server.stderr, /error|ERR/i);
  assert.deepEqual(await server.stop(), { code: 0, signal: null });
});

Deno.test("row 20, a restarted hub knows who is away, and never had a ghost", async (t) => {
  await using world = await World.start({ servers: ["stays", "leaves"] });
  using client = new EchoClient(world.callAddress);
  const call = (server: string) => client.unary({}, { metadata: { "x-hub-server": server } });
  const { generation = 0 } = await untilState(world, "leaves", "ONLINE");

  const away = async (reason: RegExp) => {
    const outcome = await until("the hub to answer", async () => {
      const outcome = await call("leaves");
      return reasonOf(outcome) !== "" && outcome;
    });
    assert.equal(outcome.code, Status.UNAVAILABLE);
    assert.equal(hopOf(outcome), "hub 0");
    assert.equal(reasonOf(outcome), "SERVER_OFFLINE");
    assert.match(outcome.details, /"leaves" is away, last seen 20\d\d-\d\d-\d\dT/);
    assert.match(outcome.details, reason);
    assert.equal((await listed(world, "leaves"))?.state, "OFFLINE");
  };

  await t.step("after SIGKILL, with the server gone in the meantime", async () => {
    await world.hub.kill();
    await world.server("leaves").kill();
    await world.startHub();
    await away(/The hub ended/);
    await reached(world, "stays");
  });

  await t.step("after SIGTERM", async () => {
    await world.hub.stop();
    await world.startHub();
    await away(/The hub ended/);
  });

  await t.step("generations go on over all of it", async () => {
    await world.startServer("leaves");
    const again = await untilState(world, "leaves", "ONLINE");
    assert.ok(Number(again.generation) > Number(generation));
  });

  await t.step("with a memory that is damaged it starts, and learns anew", async () => {
    await world.hub.kill();
    // Or it would come back by itself.
    await world.server("leaves").kill();
    await Deno.writeFile(
      `${world.dir}/hub/servers.db`,
      crypto.getRandomValues(new Uint8Array(8192)),
    );
    await world.startHub();
    await world.hub.says(/servers\.db is damaged and was renamed/);
    // Not "stays": after so many restarts it waits for longer than a test does.
    await world.startServer("new");
    await reached(world, "new");
    assert.equal((await call("leaves")).code, Status.NOT_FOUND);
  });
});
