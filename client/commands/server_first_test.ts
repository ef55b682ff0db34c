import assert from "node:assert/strict";
import { hubTest, runClient } from "../testing/fake_hub.ts";
import { symbolFirst } from "./server_first.ts";

Deno.test("symbolFirst() finds the server where it stands before the symbol", () => {
  const table: [words: string, arranged: string][] = [
    ["a.v1.B/C edge-1", "a.v1.B/C edge-1"],
    ["edge-1 a.v1.B/C", "a.v1.B/C edge-1"],
    ["edge-1 a.v1.B/C edge-2", "a.v1.B/C edge-1 edge-2"],
    ["web/payments a.v1.B/C", "a.v1.B/C web/payments"],
    ["web C", "C web"],
    ["C web", "C web"],
    ["edge-1 a.b/c", "a.b/c edge-1"],
    ["a.b/c edge-1", "a.b/c edge-1"],
    // Each could be either.
    ["a.b/c web", "a.b/c web"],
    ["edge-1 *", "* edge-1"],
    ["a.v1.B/C a.v1.B/D", "a.v1.B/C a.v1.B/D"],
    ["a-1 a-2", "a-1 a-2"],
    ["edge-1", "edge-1"],
    ["", ""],
  ];
  for (const [words, arranged] of table) {
    assert.equal(symbolFirst(words.split(" ")).join(" "), arranged);
  }
});

hubTest("call and describe take the server before what is asked of it", async (hub) => {
  const to = ["-s", hub.address];
  const called = async (...words: string[]) => {
    const { code, err } = await runClient(["call", ...words, "-n", ...to]);
    assert.equal(code, 0, err);
    return hub.calls.splice(0).map(({ method, metadata }) => [method, metadata["x-hub-server"]]);
  };
  const status = "fluentd.v1.Fluentd/GetStatus";
  assert.deepEqual(await called("edge-1", status), [["GetStatus", "edge-1"]]);
  assert.deepEqual(await called(status, "edge-1"), [["GetStatus", "edge-1"]]);
  assert.deepEqual((await called("edge-1", status, "edge-2")).filter(([m]) => m === "GetStatus"), [
    ["GetStatus", "edge-1"],
    ["GetStatus", "edge-2"],
  ]);
  const texts = [
    ["edge-1", "fluentd.v1.Fluentd"],
    ["fluentd.v1.Fluentd", "edge-1"],
  ].map(async (words) => (await runClient(["describe", ...words, ...to])).out);
  const [first, second] = await Promise.all(texts);
  assert.match(first!, /^service fluentd\.v1\.Fluentd \{/m);
  assert.equal(first, second);
  const all = [["edge-1"], ["*", "edge-1"], ["edge-1", "*"]]
    .map(async (words) => (await runClient(["describe", ...words, ...to])).out);
  const [one, ...others] = await Promise.all(all);
  assert.match(one!, /^service echo\.v1\.Echo \{[^]*^service fluentd\.v1\.Fluentd \{/m);
  assert.deepEqual(others, [one, one]);
});
