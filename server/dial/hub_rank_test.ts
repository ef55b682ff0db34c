import assert from "node:assert/strict";
import { rankHubs } from "./hub_rank.ts";

const hubs = ["a", "b", "c"].map((name) => ({ key: `wss://${name}.example:8080/ws` }));
const order = (server: string, given = hubs) =>
  rankHubs(server, given).map(({ key }) => key.slice("wss://".length, "wss://".length + 1)).join(
    "",
  );

Deno.test("rankHubs() gives each server its own order, which stays the same", () => {
  // Written down: after an update of gserver nobody may move.
  const table: [server: string, order: string][] = [
    ["edge-1", "cab"],
    ["edge-2", "abc"],
    ["edge-3", "cab"],
    ["edge-4", "abc"],
    ["edge-5", "bac"],
  ];
  for (const [server, expected] of table) {
    assert.equal(order(server), expected);
    assert.equal(order(server, hubs.toReversed()), expected);
  }
});

Deno.test("rankHubs() spreads servers over hubs within a few percent", () => {
  const servers = Array.from({ length: 3000 }, (_, i) => `edge-${i}`);
  const first = { a: 0, b: 0, c: 0 };
  for (const server of servers) first[order(server)[0] as "a"]++;
  for (const [hub, count] of Object.entries(first)) {
    assert.ok(Math.abs(count - 1000) < 100, `${hub} is the best of ${count}`);
  }
});

Deno.test("rankHubs() moves only the servers of a hub that goes", () => {
  const without = hubs.filter(({ key }) => !key.includes("//b."));
  for (let i = 0; i < 300; i++) {
    const server = `edge-${i}`;
    assert.equal(order(server, without), order(server).replace("b", ""));
  }
});
