import assert from "node:assert/strict";
import { startWorkers } from "./worker_group.ts";

const FRAIL = new URL("./testing/frail_worker.ts", import.meta.url).href;

const start = (hostname = "127.0.0.1", { kind = "", stepMs = 60_000 } = {}) =>
  startWorkers({
    count: 2,
    module: `${FRAIL}${kind}`,
    stepMs,
    hub: { tunnelListen: { hostname, port: 0 }, callListen: { hostname, port: 0 } },
    log: {},
  });

Deno.test("a worker that dies ends the hub, which says which one it was, and why", async () => {
  const hub = await start();
  assert.equal(hub.isReady, true);
  const draining = hub.drain().catch((error) => error);
  await assert.rejects(hub.closed, /Worker [12] has ended: .*no more ink/);
  assert.match((await draining).message, /Worker [12] has ended/);
  await hub[Symbol.asyncDispose]();
});

Deno.test("workers that cannot start say why", async () => {
  await assert.rejects(start("no such host"), /Cannot listen \(1\)/);
});

Deno.test("workers share the ports that the first one has found", async () => {
  const hub = await start();
  assert.deepEqual([hub.tunnelAddress, hub.callAddress], ["ws://127.0.0.1:7/ws", "127.0.0.1:7"]);
  hub.close();
  await hub.closed;
});

Deno.test("a worker that ends without a word ends the hub as well", async () => {
  const hub = await start(undefined, { kind: "?quiet" });
  const draining = hub.drain().catch((error) => error);
  await assert.rejects(hub.closed, /Worker [12] has ended: its thread has closed/);
  assert.match((await draining).message, /Worker [12] has ended/);
  await hub[Symbol.asyncDispose]();
});

Deno.test("workers that do not find each other end the start, which says what to do", async () => {
  const started = start(undefined, { kind: "?alone", stepMs: 20 });
  await assert.rejects(
    started,
    /Worker [12] .* after 0.02 s: start the hub again, with fewer --wor/,
  );
});
