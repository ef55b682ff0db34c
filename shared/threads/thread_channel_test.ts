import assert from "node:assert/strict";
import { ThreadChannel, type ThreadChannelOptions } from "./thread_channel.ts";

interface Sums {
  add(pair: readonly [number, number]): Promise<number>;
  fail(why: string): never;
  hang(nothing: undefined): Promise<void>;
  note(text: string): void;
  notes(nothing: undefined): readonly string[];
}

function channels(
  options: ThreadChannelOptions = {},
): { near: ThreadChannel; far: ThreadChannel } & Disposable {
  const { port1, port2 } = new MessageChannel();
  const [near, far] = [new ThreadChannel(port1, options), new ThreadChannel(port2)];
  return {
    near,
    far,
    [Symbol.dispose]() {
      for (const end of [near, far]) end.close("The test is over");
      for (const port of [port1, port2]) port.close();
    },
  };
}

function sums(): Sums {
  const notes: string[] = [];
  return {
    add: ([a, b]) => Promise.resolve(a + b),
    fail: (why) => {
      throw new TypeError(why);
    },
    hang: () => new Promise(() => {}),
    note: (text) => void notes.push(text),
    notes: () => notes,
  };
}

Deno.test("ThreadChannel: a question gets its answer, or its error", async () => {
  using ends = channels();
  ends.far.serve("sums", { ...sums() });
  const remote = ends.near.to<Sums>("sums");
  const answers = await Promise.all([remote.ask("add", [1, 2]), remote.ask("add", [3, 4])]);
  assert.deepEqual(answers, [3, 7]);
  await assert.rejects(remote.ask("fail", "no ink"), /^Error: no ink$/);
  await assert.rejects(
    ends.near.to<Sums>("other").ask("add", [1, 2]),
    /No thread serves other.add/,
  );
});

Deno.test("ThreadChannel: both ends may ask, and what is told comes in its order", async () => {
  using ends = channels();
  for (const end of [ends.near, ends.far]) end.serve("sums", { ...sums() });
  for (const end of [ends.near, ends.far]) {
    const remote = end.to<Sums>("sums");
    for (const text of ["a", "b", "c"]) remote.tell("note", text);
    assert.deepEqual(await remote.ask("notes", undefined), ["a", "b", "c"]);
  }
});

Deno.test("ThreadChannel: a fault in what was told harms nobody", async () => {
  using ends = channels();
  ends.far.serve("sums", { ...sums() });
  const remote = ends.near.to<Sums>("sums");
  remote.tell("fail", "no ink");
  assert.equal(await remote.ask("add", [1, 2]), 3);
});

Deno.test("ThreadChannel: a question ends with its signal, and with the channel", async () => {
  using ends = channels();
  ends.far.serve("sums", { ...sums() });
  const remote = ends.near.to<Sums>("sums");
  const ending = new AbortController();
  const given = remote.ask("hang", undefined, ending.signal);
  const left = remote.ask("hang", undefined);
  ending.abort(new Error("given up"));
  await assert.rejects(given, /given up/);
  ends.near.close("The thread has ended");
  await assert.rejects(left, /The thread has ended/);
  await assert.rejects(remote.ask("add", [1, 2]), /The thread has ended/);
  remote.tell("note", "goes nowhere");
});

Deno.test("ThreadChannel: a bounded number of questions wait at a time", async () => {
  using ends = channels({ maxWaiting: 2 });
  ends.far.serve("sums", { ...sums() });
  const remote = ends.near.to<Sums>("sums");
  const hanging = [remote.ask("hang", undefined), remote.ask("hang", undefined)];
  const ended = Promise.allSettled(hanging);
  await assert.rejects(remote.ask("add", [1, 2]), /The other thread has 2 questions to answer/);
  ends.near.close("The test is over");
  await ended;
});
