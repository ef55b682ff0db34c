/**
 * What becomes of the names of a hub that dies, on whatever engine a test gives. For tests.
 *
 * @module
 */
import assert from "node:assert/strict";
import { until } from "../../../tests/support/until.ts";
import type { Engine } from "../../engine/engine.ts";
import { ClusterKeys } from "../keys.ts";
import { Membership } from "../membership.ts";
import { NAME_KEPT_MS, Sweeper } from "../sweeper.ts";
import { GivenEngine } from "./given_engine.ts";
import { TestMember } from "./member.ts";

const [A, B] = ["a", "b"].map((letter) => letter.repeat(8));

export interface DepartureOptions {
  /** Another connection to the same engine; the test disposes of it. */
  readonly open: () => Engine;
  readonly times: { readonly ttlMs: number; readonly renewMs: number };
}

/** A hub dies; its servers are told as away, come back, and are forgotten in the end. */
export async function checkDepartures({ open, times }: DepartureOptions): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const member = (name: string) => {
    const engine = new GivenEngine(stack.use(open()));
    return stack.use(new TestMember(name, engine, times));
  };
  const isMember = (hub: TestMember) =>
    until(`${hub.name} to be a member`, () => hub.cluster.state === "member");
  const [dying, other] = [member("dying"), member("other")];
  await Promise.all([isMember(dying), isMember(other)]);
  const names = Array.from({ length: 70 }, (_, i) => `edge-${i}`);
  await Promise.all(names.map((name) => dying.registered(name, A!)));
  await dying.registered("both", A!);
  await other.registered("both", A!);
  await until("all places", () => [...other.cluster.names()].length === names.length + 1);
  const session = dying.cluster.session!;
  const startedMs = Date.now();
  dying.engine.takeAway();
  const left = await until("the departure", () => other.cluster.departureOf("edge-0")?.left);
  assert.deepEqual([left.hub, left.reason], ["dying", 'Hub "dying" was lost']);
  assert.ok(left.atMs >= startedMs && left.atMs <= Date.now());
  assert.deepEqual(other.places("edge-0"), []);
  assert.equal(other.cluster.departureOf("both")?.left, undefined, "it has another tunnel");

  // All of it is in the engine: a hub that comes later knows it too.
  const keys = new ClusterKeys("test");
  const engine = stack.use(open());
  await until("its places to be swept", async () => {
    return (await engine.read(keys.places(session))).entries.length === 0;
  });
  const later = member("later");
  await isMember(later);
  for (const name of names) {
    assert.equal(later.cluster.departureOf(name)?.left?.hub, "dying", name);
  }
  assert.equal(later.cluster.departureOf("both")?.left, undefined);

  // One moves, the others come back with their hub.
  await other.registered("edge-1", B!);
  dying.engine.isAway = false;
  await isMember(dying);
  await until("it to be there again", () => other.places("edge-0").length === 1);
  await until("no departure", () => other.cluster.departureOf("edge-0")?.left === undefined);
  assert.equal(other.cluster.departureOf("edge-1")?.info.instance, B);
}

/** Names that are away are forgotten after a time, and when there are too many of them. */
export async function checkForgetting({ open, times }: DepartureOptions): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const hub = stack.use(new TestMember("hub", new GivenEngine(stack.use(open())), times));
  await until("it to be a member", () => hub.cluster.state === "member");
  const known = () => [0, 1, 2, 3].filter((i) => hub.cluster.departureOf(`edge-${i}`));
  for (const i of [0, 1, 2, 3]) {
    const tunnel = await hub.registered(`edge-${i}`, A!);
    if (i === 3) continue;
    tunnel.close({ reason: "gone", by: "server" });
    await until("it to be away", () => hub.cluster.departureOf(`edge-${i}`)?.left);
  }
  const engine = stack.use(open());
  const forget = async (maxNamesAway: number, nowMs: number) => {
    const [keys, signal] = [new ClusterKeys("test"), AbortSignal.timeout(60_000)];
    const membership = new Membership({ engine, keys });
    await membership.load();
    const sweeper = new Sweeper({ engine, keys, membership, signal, maxNamesAway, slice: 1 });
    const before = known();
    await sweeper.forget("another session", nowMs);
    assert.deepEqual(known(), before, "it is not its turn");
    await sweeper.forget(hub.cluster.session!, nowMs);
  };
  await forget(3, Date.now());
  assert.deepEqual(known(), [0, 1, 2, 3]);
  await forget(2, Date.now());
  await until("the first one to be forgotten", () => known().join() === "1,2,3");
  await forget(2, Date.now() + NAME_KEPT_MS);
  await until("all that are away to be forgotten", () => known().join() === "3");
}
