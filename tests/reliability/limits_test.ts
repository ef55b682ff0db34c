/**
 * Limits, one hub, several who want too much: who is refused is told so, and that nothing happened.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type net from "node:net";
import { Status } from "../../shared/grpc/status.ts";
import { ok } from "../call_suite/expect.ts";
import type { Outcome } from "../support/echo_client.ts";
import { hopOf, listed, reasonOf } from "../support/facts.ts";
import { dialTcp } from "../support/path.ts";
import { callOnce } from "../support/typed_client.ts";
import { until } from "../support/until.ts";
import { World } from "../support/world.ts";

function assertRefused(outcome: Outcome, reason: string, message: RegExp): void {
  assert.equal(outcome.code, Status.RESOURCE_EXHAUSTED);
  assert.match(outcome.details, message);
  assert.deepEqual([hopOf(outcome), reasonOf(outcome)], ["hub 0", reason]);
}

Deno.test("calls over the limit of an operator or a server are refused, until others have ended", async (t) => {
  const table: [flag: string, message: RegExp][] = [
    ["--max-calls-per-operator", /^Operator "[^"]+" has 5 calls in flight, the limit; nothing was/],
    ["--max-calls-per-server", /^Server "edge-1" has 5 calls in flight, the limit; nothing was/],
  ];
  for (const [flag, message] of table) {
    await t.step(flag, async () => {
      await using world = await World.start({ hubArgs: [flag, "5"] });
      using client = world.path("edge-1").client();
      await until(
        "Welcome to be over",
        async () => ((await listed(world, "edge-1"))?.callsInFlight ?? 0) === 0,
      );
      const stop = new AbortController();
      const held = Array.from(
        { length: 5 },
        () => client.serverStream({ headersFirst: true, hang: true }, { signal: stop.signal }),
      );
      // An operator who looks at the hub is one of its callers as well.
      await Promise.all(
        held.map(({ call }) => new Promise((resolve) => call.once("metadata", resolve))),
      );
      assertRefused(await client.unary({}), "TOO_MANY_CALLS", message);
      stop.abort();
      await Promise.all(held.map(({ outcome }) => outcome));
      await until("room for a call", async () => (await client.unary({})).code === Status.OK);
    });
  }
});

Deno.test("a hub at its limit of memory refuses calls, can be looked at, and recovers", async () => {
  await using world = await World.start({ hubArgs: ["--max-memory", "128MiB"] });
  using client = world.path("edge-1").client();
  ok(await client.unary({}));
  const preface = Buffer.concat([
    Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
  ]);
  const sockets: net.Socket[] = [];
  for (let i = 0; i < 10; i++) {
    const some = Array.from({ length: 100 }, () => dialTcp(world.callAddress));
    for (const socket of await Promise.all(some)) {
      socket.on("error", () => {}).resume().write(preface);
      sockets.push(socket);
    }
  }
  const refused = await until("calls to be refused", async () => {
    const outcome = await client.unary({});
    return outcome.code !== Status.OK && outcome;
  });
  assertRefused(refused, "HUB_OUT_OF_MEMORY", /^The hub is at its limit of 128 MiB of memory/);
  const list = await callOnce(world.callAddress, ["ghub.v1.Hub", "ListServers"], {});
  assert.equal(list.code, Status.OK);
  for (const socket of sockets) socket.destroy();
  await until("calls to be taken again", async () => (await client.unary({})).code === Status.OK);
  assert.match(world.hub.stderr, /Calls are refused: \d+ of 134217728 bytes are in use/);
});
