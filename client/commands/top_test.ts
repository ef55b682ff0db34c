import assert from "node:assert/strict";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import { FROM_HUB, hubTest, runClient } from "../testing/fake_hub.ts";
import { MAX_FLUENTD_QUESTIONS } from "../call/fluentd_states.ts";
import { TopList } from "./top_list.ts";

/** Each look finds ten more calls of `a`. */
function countingServers() {
  let looks = 0;
  return () => ({
    servers: [
      { name: "a", state: "ONLINE" as const, callsTotal: ++looks * 10, labels: { env: "prod" } },
      { name: "b", state: "OFFLINE" as const, callsTotal: 3, lastCloseReason: "gone" },
      { name: "c", state: "ONLINE" as const, callsTotal: 3, callsInFlight: 2 },
    ],
  });
}

hubTest("top --once looks twice, and prints one table or one object", async (hub) => {
  hub.script.servers = countingServers();
  const line = ["top", "--once", "--interval", "500ms", "-s", hub.address];
  const { code, out, err } = await runClient(line);
  assert.deepEqual([code, err], [0, ""]);
  assert.match(out, /^NAME +STATE +VERSION +NOW +CALLS\/S +RTT +LAST CLOSED BECAUSE\na +ONLINE /);
  assert.deepEqual(out.trimEnd().split("\n").map((row) => row[0]), ["N", "a", "c"]);
  assert.deepEqual([hub.calls.length, hub.connections()], [2, 1]);
  const json = await runClient([...line, "--all", "-o", "json", "-l", "env=prod"]);
  const { servers, hubsSilent } = JSON.parse(json.out);
  assert.equal(json.out.split("\n").length, 2);
  assert.partialDeepStrictEqual(hub.calls.at(-1)!.request, { selector: "env=prod" });
  assert.deepEqual(hubsSilent, []);
  assert.equal(servers.length, 1);
  assert.partialDeepStrictEqual(servers[0], { name: "a", state: "ONLINE", callsInFlight: 0 });
  // Ten calls in half a second, or in more.
  assert.ok(servers[0].callsPerSecond > 0 && servers[0].callsPerSecond < 21);
});

hubTest("top --fluentd asks the servers that are here, and shows what they say", async (hub) => {
  hub.script.servers = countingServers();
  const away = new RpcError(Status.PERMISSION_DENIED, "You may not");
  hub.script.fail = (server) => server === "c" ? { error: away, trailers: FROM_HUB } : undefined;
  const args = ["--once", "--all", "--fluentd", "--interval", "500ms", "-s", hub.address];
  const { code, out } = await runClient(["top", "--sort-by", "name", ...args]);
  assert.equal(code, 0);
  assert.match(out, /^a .* HEALTHY/m);
  assert.match(out, /^b +OFFLINE .* gone$/m);
  assert.match(out, /^c .* PERMISSION_DENIED/m);
  const asked = hub.calls.filter(({ method }) => method === "GetStatus");
  assert.deepEqual(asked.map(({ metadata }) => metadata["x-hub-server"]).sort(), ["a", "c"]);
});

hubTest("top --fluentd asks a few servers at a time", async (hub) => {
  const servers = Array.from(
    { length: 25 },
    (_, i) => ({ name: `s${i}`, state: "ONLINE" as const }),
  );
  hub.script.servers = { servers };
  let [now, most] = [0, 0];
  hub.script.before = async () => {
    most = Math.max(most, ++now);
    await new Promise((resolve) => setTimeout(resolve));
    now--;
  };
  const args = ["--once", "--fluentd", "--interval", "500ms", "-s", hub.address];
  const { out } = await runClient(["top", ...args]);
  assert.equal(out.match(/ HEALTHY/g)?.length, 25);
  assert.ok(most <= MAX_FLUENTD_QUESTIONS, `${most} at once`);
});

hubTest("top says what it needs, and what it cannot do", async (hub) => {
  const table: [args: string[], options: Parameters<typeof runClient>[1], says: RegExp][] = [
    [[], {}, /A live table needs a terminal .*\nhint: One table: "gclient top --once"/],
    [[], { terminal: true, env: { TERM: "dumb" } }, /A live table needs a terminal/],
    [["-o", "json"], { terminal: true }, /-o needs --once/],
    [["-v"], { terminal: true }, /-v needs --once/],
    [["--interval", "1ms"], { terminal: true }, /--interval is at least 500ms/],
    [["--once", "-l", "env in"], {}, /hint: Write KEY=VALUE/],
    [["--sort-by", "colour"], {}, /Choose from rate, now, name/],
  ];
  for (const [args, options, says] of table) {
    const { code, out, err } = await runClient(["top", "-s", hub.address, ...args], options);
    assert.deepEqual([code, out], [2, ""], args.join(" "));
    assert.match(err, says);
  }
  assert.equal(hub.calls.length, 0);
  const watched = await runClient(["watch", "top"]);
  assert.equal(watched.code, 2);
  assert.match(watched.err, /gclient top goes on by itself\nhint: Write "gclient top"/);
});

hubTest("top ends with the hub's error when there is nothing to show yet", async (hub) => {
  hub.script.fail = () => ({ error: new RpcError(Status.UNAVAILABLE, "Not now") });
  const { code, err } = await runClient(["top", "-s", hub.address], { terminal: true });
  assert.equal(code, 78);
  assert.match(err, /^error: top: UNAVAILABLE: Not now$/m);
});

Deno.test("TopList sorts and moves as its keys say", () => {
  const list = new TopList({ sortBy: "now", all: false });
  const names = ["a", "b", "c", "d"];
  list.take({
    servers: names.map((name, i) => ({
      ...{ name, callsInFlight: i % 2, version: `0.${9 - i}` },
      state: name === "d" ? "OFFLINE" as const : "ONLINE" as const,
    })),
  });
  const shown = () => list.shown.map(({ name }) => name).join("");
  const press = (...keys: string[]) => keys.forEach((key) => list.press(key, 2));
  assert.deepEqual([shown(), list.sortedBy], ["bac", "now"], "alike in the order of their names");
  press("a");
  assert.equal(shown(), "bdac");
  press("s", "s", "s");
  assert.deepEqual([shown(), list.sortedBy], ["dcba", "version"]);
  press("r");
  assert.deepEqual([shown(), list.sortedBy], ["abcd", "version, reversed"]);
  const from = (...keys: string[]) => {
    press(...keys);
    return list.from(2);
  };
  assert.deepEqual(
    [from("\x1b[B"), from("\x1bOB"), from("j"), from("k"), from("g"), from(" "), from("\x1b[5~")],
    [1, 2, 2, 1, 0, 2, 0],
  );
  assert.equal(from("\x1b[F"), 2);
  list.take({ servers: [{ name: "a" }] });
  assert.equal(list.from(2), 0, "fewer servers than were moved over");
  press("x", "\x1b[17~");
  assert.equal(shown(), "a");
});
