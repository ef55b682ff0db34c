import assert from "node:assert/strict";
import { meetDialler } from "./peer_handshake.ts";
import { PortWay } from "./port_way.ts";

const hub = (number: number) => ({
  name: `worker-${number}`,
  session: `life-${number}`,
  version: "1",
  protocol: 1,
});

/** Two workers, of which the first one can dial the second one. */
function ways(): { one: PortWay; two: PortWay } & Disposable {
  const two = new PortWay(() => {});
  const one = new PortWay((address, port) => {
    assert.equal(address, "worker-2");
    two.listener.put(port);
  });
  return {
    one,
    two,
    [Symbol.dispose]() {
      one.listener.close();
      two.listener.close();
    },
  };
}

Deno.test("PortWay: a worker that dials another one gets a link to it", async () => {
  using both = ways();
  const { signal } = new AbortController();
  const dialled = both.one.dialler.dial("worker-2", { self: hub(1), session: "life-2", signal });
  const conn = await both.two.listener.accept();
  const met = await meetDialler(conn, { ...both.two.proof, self: hub(2) });
  assert.equal(met.hub.name, "worker-1");
  const { link } = await dialled;
  assert.deepEqual([link.hub, link.isOpen], ["worker-2", true]);
  conn.close();
  link.run(new Uint8Array());
  assert.equal(await link.closed, "The other hub closed the connection");
});

Deno.test("PortWay: a dial ends with its signal", async () => {
  using both = ways();
  const ending = new AbortController();
  const { signal } = ending;
  const dialled = both.one.dialler.dial("worker-2", { self: hub(1), session: "life-2", signal });
  const conn = await both.two.listener.accept();
  ending.abort(new Error("The hub goes away"));
  await assert.rejects(dialled, /The hub goes away/);
  conn.close();
});

Deno.test("PortWay: a listener that is closed takes nothing, and ends who waits", async () => {
  using both = ways();
  const waiting = both.two.listener.accept();
  both.two.listener.close();
  await assert.rejects(waiting, Deno.errors.BadResource);
  await assert.rejects(both.two.listener.accept(), Deno.errors.BadResource);
});
