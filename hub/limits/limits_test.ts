import assert from "node:assert/strict";
import { Status } from "../../shared/grpc/status.ts";
import { Limits } from "./limits.ts";

const AT = { server: "edge-1", callsAtServer: 0 };

Deno.test("Limits counts the calls of each operator, and lets them in again", () => {
  const limits = new Limits({ maxCallsPerOperator: 2 });
  const first = limits.enter("ada", "edge-1");
  limits.enter("ada", "edge-1");
  const refused = limits.refusal("ada", AT);
  assert.equal(refused?.code, Status.RESOURCE_EXHAUSTED);
  assert.match(refused?.message ?? "", /^Operator "ada" has 2 calls in flight, the limit; nothing/);
  assert.equal(limits.refusal("bob", AT), undefined);
  limits.ended(first, "edge-1");
  assert.match(limits.refusal("ada", AT)?.message ?? "", /2 calls/, "its answer is not read");
  limits.leave(first);
  assert.equal(limits.refusal("ada", AT), undefined);
});

Deno.test("Limits has a limit per server", () => {
  const limits = new Limits({ maxCallsPerServer: 3 });
  assert.equal(limits.refusal("ada", { server: "edge-1", callsAtServer: 2 }), undefined);
  const refused = limits.refusal("ada", { server: "edge-1", callsAtServer: 3 });
  assert.match(refused?.message ?? "", /^Server "edge-1" has 3 calls in flight/);
  assert.deepEqual(refused?.details.map(({ type }) => type), [
    "google.rpc.ErrorInfo",
    "google.rpc.RetryInfo",
  ]);
});

Deno.test("Limits sheds load over its budget, until there is room again", () => {
  const limits = new Limits({ maxMemoryBytes: 200 << 20 });
  const tick = (bufferedMiB: number) =>
    limits.tick({ connections: 0, bufferedBytes: bufferedMiB << 20 });
  tick(90);
  assert.equal(limits.shedding, false);
  tick(110);
  assert.equal(limits.shedding, true);
  assert.match(limits.refusal("ada", AT)?.message ?? "", /limit of 200 MiB of memory/);
  tick(90); // Not yet: it would be over again at once.
  assert.equal(limits.shedding, true);
  tick(70);
  assert.equal(limits.refusal("ada", AT), undefined);
});

Deno.test("Limits accounts for calls and connections", () => {
  const limits = new Limits();
  const empty = limits.memoryBytes;
  limits.tick({ connections: 1_000, bufferedBytes: 0 });
  const connected = limits.memoryBytes;
  assert.ok(connected > empty);
  const account = limits.enter("ada", "edge-1");
  assert.ok(limits.memoryBytes > connected);
  limits.ended(account, "edge-1");
  assert.ok(limits.memoryBytes > connected);
  limits.leave(account);
  assert.equal(limits.memoryBytes, connected);
});

Deno.test("Limits leaves a part of a server to who comes after others who took all they could", () => {
  const limits = new Limits({ maxCallsPerServer: 1000 });
  let callsAtServer = 0;
  const takeAll = (operator: string) => {
    let own = 0;
    for (; limits.refusal(operator, { server: "edge-1", callsAtServer }) === undefined; own++) {
      limits.enter(operator, "edge-1");
      callsAtServer++;
    }
    return own;
  };
  assert.deepEqual(["a", "b", "c", "d"].map(takeAll), [750, 188, 47, 12]);
  assert.equal(limits.refusal("e", { server: "edge-1", callsAtServer }), undefined);
  // By a server of which its own limit says that it is full.
  const full = { server: "edge-2", callsAtServer: 40, serverTakes: 40 };
  assert.equal(limits.refusal("e", full), undefined, "who has nothing is not to blame");
});

Deno.test("Limits leaves no server to one operator alone", async (t) => {
  const table: [what: string, serverTakes: number, ending: number, own: number][] = [
    ["the hub's limit", Infinity, 0, 75],
    ["the server's own", 40, 0, 30],
    ["cancelled calls that occupy it count", 40, 10, 20],
    ["one that takes few is not shared", 8, 0, 8],
  ];
  for (const [what, serverTakes, ending, own] of table) {
    await t.step(what, () => {
      const limits = new Limits({ maxCallsPerServer: 100 });
      const at = (calls: number) => {
        return { server: "edge-1", callsAtServer: calls + ending, serverTakes, ending };
      };
      for (let calls = 0; calls < own; calls++) {
        assert.equal(limits.refusal("ada", at(calls)), undefined, `call ${calls}`);
        limits.enter("ada", "edge-1");
        limits.enter("ada", "edge-2"); // Does not count.
      }
      assert.match(
        limits.refusal("ada", at(own))?.message ?? "",
        /^Operator "ada" has \d+ of the /,
      );
      assert.equal(limits.refusal("bob", { ...at(own), ending: 0 }), undefined);
    });
  }
});

Deno.test("B9: one operator has its share of the calls that the hub's own services take", () => {
  const limits = new Limits();
  const enter = (operator: string) => {
    const error = limits.ownRefusal(operator);
    if (error !== undefined) throw error;
    return limits.enter(operator, "");
  };
  assert.throws(() => {
    for (;;) enter("greedy");
  }, /"greedy" has 750 of the 1000 calls that the hub's own services take/);
  const account = enter("honest");
  assert.throws(() => enter("greedy"), /the rest is for others/);
  limits.ended(account, "");
  limits.leave(account);
});
