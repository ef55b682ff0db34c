import assert from "node:assert/strict";
import { textWidth } from "../../shared/text/width.ts";
import { agoText, durationText, list, sizeText, table, timeText } from "./table.ts";

Deno.test("durationText() uses the unit that people would", async (t) => {
  const rows: [ms: number | undefined, text: string][] = [
    [undefined, ""],
    [0.35, "350µs"],
    [12, "12ms"],
    [999.4, "999ms"],
    [2345, "2.3s"],
    [61_000, "1m1s"],
    [3_660_000, "1h1m"],
    [93_784_000, "1d2h"],
  ];
  for (const [ms, text] of rows) {
    await t.step(String(ms), () => assert.equal(durationText(ms), text));
  }
});

Deno.test("sizeText() uses binary units", async (t) => {
  const rows: [bytes: number | undefined, text: string][] = [
    [undefined, ""],
    [0, "0 B"],
    [1023, "1023 B"],
    [2048, "2.0 KiB"],
    [5 * 2 ** 30, "5.0 GiB"],
    [2 ** 50, "1024.0 TiB"],
  ];
  for (const [bytes, text] of rows) {
    await t.step(String(bytes), () => assert.equal(sizeText(bytes), text));
  }
});

Deno.test("times are told as points and as distances", () => {
  const time = { seconds: 1_700_000_000, nanos: 500_000_000 };
  assert.equal(timeText(time), "2023-11-14T22:13:20Z");
  assert.equal(timeText(undefined), "");
  assert.equal(timeText({ seconds: 1e15 }), "");
  assert.equal(agoText(time, 1_700_000_062_500), "1m2s ago");
  // A clock that is behind the other one.
  assert.equal(agoText(time, 0), "0µs ago");
});

Deno.test("table() aligns columns and lets nothing out of its cell", () => {
  const rows = [["wide cell", ""], ["\x1b[2J\n", "b"]];
  assert.equal(table(["A", "LONG"], rows), "A          LONG\nwide cell  -\n\\x1b[2J\\n  b\n");
});

Deno.test("table() fits the terminal: columns give way in a fixed order", async (t) => {
  const heads = ["NAME", "STATE", "LABELS", "REASON"];
  const rows = [["edge-1", "ONLINE", "env=prod,site=ams", "-"], ["東京", "OFFLINE", "", "No byte"]];
  const giveWay = ["REASON", "LABELS", "STATE"];
  const table_: [columns: number, expected: string][] = [
    [100, "NAME    STATE    LABELS             REASON"],
    [43, "NAME    STATE    LABELS             REASON"],
    [42, "NAME    STATE    LABELS"],
    [33, "NAME    STATE    LABELS"],
    [24, "NAME    STATE"],
    [15, "NAME    STATE"],
    [14, "NAME"],
    [4, "NAME"],
    [3, "NA…"],
  ];
  for (const [columns, expected] of table_) {
    await t.step(String(columns), () => {
      const lines = table(heads, rows, { columns, giveWay }).split("\n");
      assert.equal(lines[0], expected);
      for (const line of lines) assert.ok(textWidth(line) <= columns, line);
    });
  }
  await t.step("a cell that is cut says so", () => {
    const [, first, second] = table(heads, rows, { columns: 26, giveWay }).split("\n");
    assert.equal(first, "edge-1  ONLINE   env=prod…");
    assert.equal(second, "東京    OFFLINE  -");
  });
});

Deno.test("list() leaves out what is not there", () => {
  assert.equal(list([["a", "1"], ["long", undefined], ["bb", ""], ["c", "2"]]), "a  1\nc  2\n");
});
