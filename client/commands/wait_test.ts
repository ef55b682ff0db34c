import assert from "node:assert/strict";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import { deadPort } from "../../tests/support/dead_port.ts";
import { FROM_HUB, hubTest, runClient } from "../testing/fake_hub.ts";

/** Lets the time of a wait run out; again with more, where a busy machine had no answer in that. */
async function late(line: readonly string[], answered: RegExp) {
  let ran = await runClient([...line, "--timeout", "1s"]);
  for (let s = 4; s < 100 && !answered.test(ran.err); s *= 4) {
    ran = await runClient([...line, "--timeout", `${s}s`]);
  }
  return ran;
}

hubTest("wait ends as soon as it is so, and asks on one connection", async (hub) => {
  let asked = 0;
  hub.script.servers = () => ({
    servers: [{ name: "a", state: ++asked > 1 ? "ONLINE" : "OFFLINE" }],
  });
  const { code, out, err } = await runClient(["wait", "a", "-s", hub.address]);
  assert.deepEqual([code, out, err, asked, hub.connections()], [0, "", "", 2, 1]);
  assert.equal(
    (await runClient(["wait", "a", "b", "--for", "online", "-s", hub.address, "--timeout", "1s"]))
      .code,
    68,
  );
});

hubTest("wait --for offline: also one that the hub does not know", async (hub) => {
  hub.script.servers = {
    servers: [{ name: "a", state: "OFFLINE" }, { name: "b", state: "ONLINE" }],
  };
  const wait = (...args: string[]) => ["wait", ...args, "--for", "offline", "-s", hub.address];
  assert.equal((await runClient(wait("a", "never"))).code, 0);
  const { code, err } = await late(wait("a", "b"), /ONLINE/);
  assert.deepEqual([code, err], [68, "error: wait: not offline in time: b (ONLINE)\n"]);
});

hubTest("wait asks the hub once for all servers, and not for each", async (hub) => {
  hub.script.servers = {
    servers: [{ name: "a", state: "ONLINE" }, { name: "b", state: "ONLINE" }],
  };
  assert.equal((await runClient(["wait", "a", "b", "-s", hub.address])).code, 0);
  assert.equal(hub.calls.length, 1);
});

hubTest("wait --for offline does not take a hub that is silent for an answer", async (hub) => {
  using nobody = await deadPort();
  hub.script.servers = { servers: [{ name: "a", state: "OFFLINE" }] };
  const hubs = `${hub.address},${nobody.address}`;
  const why = `no answer from ${nobody.address}`;
  const line = ["wait", "a", "b", "--for", "offline", "-s", hubs];
  const { code, err } = await late(line, new RegExp(why));
  assert.equal(code, 68, err);
  assert.match(err, new RegExp(`not offline in time: a \\(${why}\\), b \\(${why}\\)\n$`));
});

hubTest("wait --for healthy asks the server's Fluentd, and lets pass what passes", async (hub) => {
  let asked = 0;
  const away = new RpcError(Status.UNAVAILABLE, 'Server "a" is away');
  hub.script.fail = () => ++asked === 1 ? { error: away, trailers: FROM_HUB } : undefined;
  const args = ["wait", "a", "--for", "healthy", "-s", hub.address];
  assert.equal((await runClient(args)).code, 0);
  assert.equal(hub.calls.at(-1)?.metadata["x-hub-server"], "a");
  hub.script.status = { state: { health: "DEGRADED" } };
  const { err } = await late(args, /DEGRADED/);
  assert.match(err, /not healthy in time: a \(DEGRADED\)/);
});

hubTest("wait does not wait for what is forbidden", async (hub) => {
  hub.script.fail = () => ({
    error: new RpcError(Status.PERMISSION_DENIED, "You may not"),
    trailers: FROM_HUB,
  });
  const { code, err } = await runClient(["wait", "a", "-s", hub.address]);
  assert.equal(code, 71);
  assert.match(err, /^error: wait: PERMISSION_DENIED: You may not$/m);
});

hubTest("watch runs a command until it is ended, and not one that is none", async (hub) => {
  hub.script.servers = { servers: [{ name: "a" }] };
  const end = new AbortController();
  let count = 0;
  const line = ["watch", "--interval", "100ms", "hub", "servers", "-n", "-s", hub.address];
  const { out } = await runClient([...line, "-o", "name"], {
    signal: end.signal,
    onOut: () => void (++count === 3 && end.abort(new Error("enough"))),
  });
  assert.equal(out, "a\na\na\n");
  const wrong = await runClient(["watch", "hub", "nothing"]);
  assert.equal(wrong.code, 2);
  assert.match(wrong.err, /Unknown command "nothing"/);
  assert.equal((await runClient(["watch"])).code, 2);
  assert.match((await runClient(["watch", "--help"])).out, /Usage: gclient watch/);
  assert.match((await runClient(["__complete", "watch", "hub", "serv"])).out, /^servers\t/);
});
