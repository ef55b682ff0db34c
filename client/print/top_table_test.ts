import assert from "node:assert/strict";
import { textWidth } from "../../shared/text/width.ts";
import { type TopBoard, topLines, topRows } from "./top_table.ts";

const SERVERS = [
  { name: "服务器-1", state: "ONLINE" as const, callsInFlight: 2, callsPerSecond: 12.34 },
  { name: "edge-2", state: "DRAINING" as const, callsPerSecond: 0.25, hubs: ["hub-a"] },
  {
    ...{ name: "edge-3", state: "OFFLINE" as const, callsPerSecond: undefined },
    lastCloseReason: "\x1b[2J is not obeyed",
  },
];

const BOARD: TopBoard = {
  hub: "hub.example:9090",
  takenAt: new Date(2026, 0, 2, 14, 2, 33),
  intervalMs: 2000,
  servers: SERVERS,
  shown: SERVERS,
  sortedBy: "rate",
  trouble: undefined,
};

Deno.test("topLines() shows sums, and a row for each server", () => {
  assert.deepEqual(topLines(BOARD, { columns: 120, rows: 24, from: 0 }), [
    "14:02:33 every 2s by rate, hub hub.example:9090",
    "1 online, 1 draining, 1 away, 2 calls now, 13 calls/s, 3 in the list",
    "q ends, s sorts, r reverses, a shows all, arrows move",
    "NAME      STATE     HUBS   VERSION  NOW  CALLS/S  RTT  LAST CLOSED BECAUSE",
    "服务器-1  ONLINE    -      -        2    12       -    -",
    "edge-2    DRAINING  hub-a  -        0    0.3      -    -",
    "edge-3    OFFLINE   -      -        0    -        -    \\x1b[2J is not obeyed",
  ]);
});

Deno.test("topLines() fits any terminal", () => {
  const trouble = `error: ${"No connection to the hub. ".repeat(9)}`;
  const fluentdOf = () => "HEALTHY";
  for (const columns of [1, 10, 39, 40, 79, 80, 300]) {
    for (const rows of [1, 3, 5, 24]) {
      const lines = topLines({ ...BOARD, trouble, fluentdOf }, { columns, rows, from: 0 });
      assert.ok(lines.length <= rows, `${rows} rows`);
      for (const line of lines) assert.ok(textWidth(line) <= columns, `${columns}: ${line}`);
    }
  }
  assert.match(topLines({ ...BOARD, fluentdOf }, { columns: 39, rows: 9, from: 1 })[4]!, /^edge-2/);
  assert.deepEqual([topRows(24), topRows(2)], [20, 1]);
});

Deno.test("topLines() tells no rate that is not known, and no server where there is none", () => {
  const board = { ...BOARD, servers: SERVERS.slice(2), shown: [] };
  const [, sums, , none] = topLines(board, { columns: 79, rows: 24, from: 0 });
  assert.equal(sums, "0 online, 1 away, 0 calls now, 0 in the list");
  assert.equal(none, "No server found");
});
