import assert from "node:assert/strict";
import type { ghub_v1_Activity as Activity } from "../../shared/gen/types.ts";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import { SharedPlaces } from "../../shared/memory/shared_places.ts";
import { SharedTally, tallyMemory } from "../../shared/memory/shared_tally.ts";
import { ActivityFeed } from "./activity_feed.ts";

function publish(feed: ActivityFeed, server: string, ...ids: string[]): void {
  for (const id of ids) feed.publish({ kind: "CALL_ENDED", server, id });
}

/** What an event is, in one word. */
const word = ({ kind, id, dropped }: Activity) => kind === "GAP" ? `gap ${dropped}` : id;

async function take(watch: AsyncGenerator<Activity>, count: number): Promise<unknown[]> {
  const words: unknown[] = [];
  while (words.length < count) {
    const { value, done } = await watch.next();
    if (done) break;
    words.push(word(value));
  }
  return words;
}

Deno.test("ActivityFeed gives the past that was asked for, then what happens", async () => {
  const feed = new ActivityFeed({ maxHistory: 4 });
  const { signal } = new AbortController();
  publish(feed, "a", "1", "2");
  assert.deepEqual(await take(feed.watch({ signal, history: 10 }), 2), ["1", "2"]);
  publish(feed, "a", "3", "4", "5", "6");
  assert.deepEqual(await take(feed.watch({ signal, history: 10 }), 4), ["3", "4", "5", "6"]);
  const watch = feed.watch({ signal, history: 2 });
  publish(feed, "a", "7");
  assert.deepEqual(await take(watch, 3), ["5", "6", "7"]);
  const next = watch.next();
  publish(feed, "a", "8");
  assert.equal(word((await next).value), "8");
});

Deno.test("ActivityFeed numbers and dates what happens", async () => {
  const feed = new ActivityFeed({ now: () => 1_767_323_045_678 });
  feed.publish({ kind: "CALL_ENDED", server: "edge-1", status: 0, durationMs: 1.5, bytesUp: 7 });
  const watch = feed.watch({ signal: new AbortController().signal, history: 1 });
  assert.deepEqual((await watch.next()).value, {
    kind: "CALL_ENDED",
    server: "edge-1",
    status: 0,
    bytesUp: 7,
    seq: 1,
    time: { seconds: 1_767_323_045, nanos: 678_000_000 },
    duration: { seconds: 0, nanos: 1_500_000 },
  });
});

Deno.test("ActivityFeed gives only the servers that were asked for", async () => {
  const feed = new ActivityFeed();
  const { signal } = new AbortController();
  publish(feed, "a", "a1");
  publish(feed, "b", "b1");
  publish(feed, "a", "a2");
  const watch = feed.watch({ signal, servers: ["b"], history: 2 });
  publish(feed, "a", "a3");
  publish(feed, "b", "b2");
  assert.deepEqual(await take(watch, 2), ["b1", "b2"]);
});

Deno.test("ActivityFeed drops a slow watcher's oldest events and says how many", async () => {
  const feed = new ActivityFeed({ maxQueued: 2 });
  const { signal } = new AbortController();
  const slow = feed.watch({ signal });
  const fast = feed.watch({ signal });
  publish(feed, "a", "1", "2");
  assert.deepEqual(await take(fast, 2), ["1", "2"]);
  publish(feed, "a", "3", "4");
  assert.deepEqual(await take(fast, 2), ["3", "4"]);
  assert.deepEqual(await take(slow, 3), ["gap 2", "3", "4"]);
  publish(feed, "a", "5");
  assert.deepEqual(await take(slow, 1), ["5"], "and nothing is missing after it");
});

Deno.test("ActivityFeed ends a watch by its signal, and forgets who has left", async () => {
  const feed = new ActivityFeed({ maxWatchers: 2 });
  const controller = new AbortController();
  const watch = feed.watch({ signal: controller.signal });
  const waiting = watch.next();
  const left = feed.watch({ signal: controller.signal });
  assert.throws(
    () => feed.watch({ signal: controller.signal }),
    (error) => error instanceof RpcError && error.code === Status.RESOURCE_EXHAUSTED,
  );
  publish(feed, "a", "1");
  await waiting;
  await left.next();
  await left.return(undefined);
  assert.equal(feed.watching, 1);
  feed.watch({ signal: controller.signal }); // nobody ever asks this one
  assert.equal(feed.watching, 2);
  const last = watch.next();
  controller.abort();
  assert.equal((await last).done, true);
  assert.equal(feed.watching, 0);
});

Deno.test("ActivityFeed.close() ends all watches, after what has happened", async () => {
  const feed = new ActivityFeed();
  const { signal } = new AbortController();
  const waiting = feed.watch({ signal });
  const behind = feed.watch({ signal });
  const last = waiting.next();
  publish(feed, "a", "1");
  await last;
  const end = waiting.next();
  feed.close();
  assert.equal((await end).done, true);
  assert.deepEqual(await take(behind, 2), ["1"]);
  assert.equal((await feed.watch({ signal }).next()).done, true, "nor does a new one begin");
  assert.equal(feed.watching, 0);
});

Deno.test("B9: one operator has its share of the places of those who watch, and gets them back", () => {
  const feed = new ActivityFeed({ maxWatchers: 100 });
  const watch = (operator: string) => {
    const controller = new AbortController();
    feed.watch({ signal: controller.signal, operator });
    return controller;
  };
  const greedy: AbortController[] = [];
  assert.throws(() => {
    for (;;) greedy.push(watch("greedy"));
  }, /75 of 100 watchers are there already, and operator "greedy" has its share/);
  for (let i = 0; i < 20; i++) watch(`operator-${i}`);
  greedy[0]!.abort();
  greedy[1]!.abort();
  greedy[1]!.abort();
  assert.equal(feed.watching, 93);
  assert.throws(() => watch("greedy"), /has its share/);
  const gone = new AbortController();
  gone.abort();
  for (let i = 0; i < 200; i++) feed.watch({ signal: gone.signal, operator: "late" });
  assert.equal(feed.watching, 93);
});

Deno.test("ActivityFeeds of two workers share their watchers' places, of which each watcher takes one", () => {
  const tally = new SharedTally(tallyMemory(4));
  const [one, other] = [1, 2].map(() =>
    new ActivityFeed({ places: new SharedPlaces(tally, 4) })
  ) as [
    ActivityFeed,
    ActivityFeed,
  ];
  const { signal } = new AbortController();
  const watch = (feed: ActivityFeed, isForWorker: boolean) =>
    feed.watch({ signal, operator: "ada", isForWorker });
  for (const feed of [one, other, one]) {
    watch(feed, false);
    watch(feed === one ? other : one, true);
  }
  for (const feed of [one, other]) assert.throws(() => watch(feed, false), /has its share/);
});
