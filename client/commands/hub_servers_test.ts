import assert from "node:assert/strict";
import { colorStates } from "../print/color.ts";
import { type FakeHub, hubTest, runClient } from "../testing/fake_hub.ts";

function fill(hub: FakeHub): void {
  hub.script.servers = {
    servers: [
      { name: "a", state: "ONLINE", rtt: { nanos: 9_000_000 }, callsTotal: 1, version: "1.0.0" },
      {
        ...{ name: "b", state: "OFFLINE", lastCloseReason: "gone", instance: "5f0c8f0e" },
        labels: { env: "prod" },
      },
      { name: "c", state: "ONLINE", rtt: { nanos: 1_000_000 }, callsTotal: 5 },
    ],
  };
}

hubTest(
  "hub servers NAME shows all that the hub knows of it, also when it is away",
  async (hub) => {
    fill(hub);
    const args = ["hub", "servers", "-n", "-s", hub.address];
    const { code, out } = await runClient([...args, "b", "-o", "table"]);
    assert.equal(code, 0);
    assert.match(out, /^name +b\nstate +OFFLINE\nlabels +env=prod\n/);
    assert.match(out, /^last closed because +gone$/m);
    assert.match(out, /^instance +5f0c8f0e$/m);
    assert.partialDeepStrictEqual(hub.calls.at(-1)?.request, { includeOffline: true });
    const json = await runClient([...args, "a", "c", "-o", "json"]);
    assert.deepEqual(
      JSON.parse(json.out).servers.map(({ name }: { name: string }) => name),
      ["a", "c"],
    );
    const missing = await runClient([...args, "a", "x", "-o", "name"]);
    assert.deepEqual([missing.code, missing.out], [7, "a\n"]);
    assert.match(missing.err, /^error: hub\.servers: The hub does not know "x"\n$/);
  },
);

hubTest("hub servers: names alone, no heads, another order", async (hub) => {
  fill(hub);
  const list = (...args: string[]) =>
    runClient(["hub", "servers", "-n", "-s", hub.address, ...args]);
  assert.equal((await list("-o", "name")).out, "a\nb\nc\n");
  const rows = (await list("-o", "table", "--no-headers")).out.trimEnd().split("\n");
  assert.deepEqual(rows.map((row) => row.split(/ +/)[0]), ["a", "b", "c"]);
  const orders = { rtt: "cab", calls: "cab", version: "abc", state: "bac", name: "abc" };
  for (const [column, order] of Object.entries(orders)) {
    const { out } = await list("--sort-by", column, "-o", "name");
    assert.equal(out.replaceAll("\n", ""), order, column);
  }
  const { code, err } = await list("--sort-by", "colour");
  assert.equal(code, 2);
  assert.match(err, /hint: Choose from name, state, version/);
  const whoami = ["fluentd", "status", "-n", "-s", hub.address, "-o", "name"];
  const none = await runClient(whoami);
  assert.equal(none.code, 2);
  assert.match(none.err, /what fluentd\.status answers has no names/);
});

hubTest("states have colours where they are wanted", async (hub) => {
  fill(hub);
  const list = async (...args: string[]) =>
    (await runClient(["hub", "servers", "-n", "-s", hub.address, "-o", "table", ...args])).out;
  assert.equal((await list()).includes("\x1b"), false);
  const colored = await list("--color", "always");
  assert.ok(colored.includes("a     \x1b[32mONLINE\x1b[39m  "), colored);
  assert.ok(colored.includes("\x1b[31mOFFLINE\x1b[39m"), colored);
  assert.equal(colored.includes("\x1b[0m"), false);
});

Deno.test("colorStates() colours a state that is a word of its own, once a line", () => {
  const red = (word: string) => `\x1b[31m${word}\x1b[39m`;
  const table: [text: string, colored: string][] = [
    ["health  STOPPED\n", `health  ${red("STOPPED")}\n`],
    ["before  STOPPED (pid 7)", `before  ${red("STOPPED")} (pid 7)`],
    ["a  OFFLINE  it was OFFLINE  ONLINE", `a  ${red("OFFLINE")}  it was OFFLINE  ONLINE`],
    ["log: it FAILED", "log: it FAILED"],
    ["name  offline", "name  offline"],
  ];
  for (const [text, colored] of table) assert.equal(colorStates(text), colored);
});
