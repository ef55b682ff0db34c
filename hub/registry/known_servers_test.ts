import { configure, type LogRecord, reset } from "@logtape/logtape";
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { FakeTunnel } from "../testing/fake_tunnel.ts";
import { KNOWN_SERVERS_FILE, KnownServers, type KnownServersOptions } from "./known_servers.ts";
import { Registry } from "./registry.ts";

async function inFolder(test: (dir: string) => Promise<void> | void): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "ghub-known-" });
  try {
    await test(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** A registry with its memory, as a hub that has just started. */
function start(dir: string, options: KnownServersOptions = {}) {
  const known = KnownServers.open(dir, options);
  assert.ok(known !== undefined);
  const registry = new Registry({ departures: known.departures });
  registry.onChange((event) => known.onChange(event, registry));
  return { known, registry };
}

/** Lets promises of what was closed do their work. */
const settled = () => new Promise((resolve) => setTimeout(resolve));

Deno.test("KnownServers remembers who left, and that generations go on", () =>
  inFolder(async (dir) => {
    const first = start(dir);
    const generation = first.registry.nextGeneration("edge-1");
    const tunnel = new FakeTunnel("edge-1", generation);
    first.registry.add(tunnel);
    tunnel.close({ reason: "No byte for 15 s", by: "network" });
    await settled();
    const [left] = first.registry.away();
    first.known[Symbol.dispose]();

    const second = start(dir);
    const [remembered] = second.registry.away();
    assert.deepEqual(remembered?.info, left?.info);
    assert.equal(remembered?.reason, "No byte for 15 s");
    assert.equal(remembered?.lastSeenMs, Math.round(left?.lastSeenMs ?? 0));
    assert.ok(second.registry.has("edge-1"));
    assert.ok(second.registry.nextGeneration("edge-1") > generation);
    second.known[Symbol.dispose]();
  }));

Deno.test("KnownServers: who was here when the hub was killed was last seen when it last lived", () =>
  inFolder((dir) => {
    let nowMs = Date.now();
    const first = start(dir, { now: () => nowMs });
    first.registry.add(new FakeTunnel("edge-1", 1));
    first.known.flush();
    nowMs += 3_600_000;
    first.known.flush();
    // Not disposed of: killed.
    const second = start(dir);
    const [remembered] = second.registry.away();
    assert.equal(remembered?.reason, "The hub ended");
    assert.equal(remembered?.lastSeenMs, nowMs);
    second.known[Symbol.dispose]();
    first.known[Symbol.dispose]();
  }));

Deno.test("KnownServers keeps no more than its bound: the latest", () =>
  inFolder(async (dir) => {
    const first = start(dir);
    for (let i = 0; i < 30; i++) {
      const tunnel = new FakeTunnel(`edge-${i}`, 1);
      first.registry.add(tunnel);
      tunnel.close({ reason: `${i}`, by: "server" });
      await settled();
    }
    first.known[Symbol.dispose]();
    const second = start(dir, { max: 10 });
    assert.equal(second.registry.away().length, 10);
    second.known[Symbol.dispose]();
  }));

Deno.test("KnownServers writes what only its owner may read", () =>
  inFolder((dir) => {
    const { known, registry } = start(dir);
    registry.add(new FakeTunnel("edge-1", 1));
    const modes = [...Deno.readDirSync(dir)].map(({ name }) => [
      name,
      (Deno.statSync(`${dir}/${name}`).mode ?? 0) & 0o777,
    ]);
    assert.deepEqual(modes.filter(([, mode]) => mode !== 0o600), []);
    assert.ok(modes.length > 0);
    known[Symbol.dispose]();
  }));

Deno.test("KnownServers puts a damaged file aside, and begins anew", async (t) => {
  const damaged: [what: string, bytes: Uint8Array][] = [
    ["other content", new TextEncoder().encode("not a database ".repeat(1000))],
    ["half a page", crypto.getRandomValues(new Uint8Array(700))],
  ];
  for (const [what, bytes] of damaged) {
    await t.step(what, () =>
      inFolder((dir) => {
        const path = `${dir}/${KNOWN_SERVERS_FILE}`;
        Deno.writeFileSync(path, bytes);
        const { known, registry } = start(dir);
        registry.add(new FakeTunnel("edge-1", 1));
        known[Symbol.dispose]();
        assert.deepEqual(Deno.readFileSync(`${path}.broken`), bytes);
        const again = start(dir);
        assert.equal(again.registry.away().length, 1);
        again.known[Symbol.dispose]();
      }));
  }
});

Deno.test("KnownServers says why it cannot write, and does when it can", () =>
  inFolder(async (dir) => {
    const records: LogRecord[] = [];
    await configure({
      sinks: { records: (record) => records.push(record) },
      loggers: [
        { category: ["hub", "known"], sinks: ["records"] },
        { category: ["logtape", "meta"], sinks: [] },
      ],
    });
    try {
      const first = start(dir);
      // A full disk ends the transaction in this way too.
      using other = new DatabaseSync(`${dir}/${KNOWN_SERVERS_FILE}`);
      other.exec(`CREATE TRIGGER full BEFORE INSERT ON server BEGIN
        SELECT RAISE(ROLLBACK, 'no room');
      END`);
      first.registry.add(new FakeTunnel("edge-1", 1));
      assert.match(String(records[0]?.properties["error"]), /no room/);
      other.exec("DROP TRIGGER full");
      first.registry.add(new FakeTunnel("edge-2", 1));
      first.known[Symbol.dispose]();
    } finally {
      await reset();
    }
    const second = start(dir);
    assert.deepEqual(second.registry.away().map(({ info: { name } }) => name), [
      "edge-1",
      "edge-2",
    ]);
    second.known[Symbol.dispose]();
  }));

Deno.test("KnownServers: a file that cannot be is no reason not to start", () => {
  assert.equal(KnownServers.open("/dev/null"), undefined);
});

Deno.test("B8: one owner of many names has nobody else's forgotten, also over a restart", () =>
  inFolder((dir) => {
    let nowMs = 1_000;
    const first = start(dir, { max: 20, now: () => nowMs });
    const leave = (name: string, owner: string) => {
      const tunnel = Object.assign(new FakeTunnel(name, 1), { owner });
      const stats = tunnel.stats();
      tunnel.stats = () => ({ ...stats, lastSeenMs: nowMs++ });
      first.registry.add(tunnel)[Symbol.dispose]();
    };
    for (let i = 0; i < 5; i++) leave(`site-${i}`, `site-${i}`);
    for (let i = 0; i < 3_000; i++) leave(`edge-${i}`, "edge-*");
    first.known[Symbol.dispose]();
    const second = start(dir, { max: 20 });
    const names = second.registry.away().map(({ info }) => info.name);
    assert.equal(names.length, 20);
    assert.equal(names.filter((name) => name.startsWith("site-")).length, 5);
    assert.ok(names.includes("edge-2999"));
    second.known[Symbol.dispose]();
  }));

Deno.test("KnownServers reads the file of version 0.1.0, which knows no owners", () =>
  inFolder((dir) => {
    const first = start(dir);
    first.registry.add(new FakeTunnel("edge-1", 1))[Symbol.dispose]();
    first.known[Symbol.dispose]();
    const db = new DatabaseSync(`${dir}/${KNOWN_SERVERS_FILE}`);
    db.exec("ALTER TABLE server DROP COLUMN owner");
    db.close();
    const second = start(dir);
    assert.deepEqual(second.registry.away().map(({ info }) => info.name), ["edge-1"]);
    second.known[Symbol.dispose]();
  }));
