import assert from "node:assert/strict";
import { ThreadChannel } from "../../shared/threads/thread_channel.ts";
import { MemoryEngine } from "./memory_engine.ts";
import { PortEngine, serveEngine } from "./port_engine.ts";
import { engineSuite } from "./testing/engine_suite.ts";

/** An engine, and two that use it through ports. */
function throughPorts() {
  const engine = new MemoryEngine();
  const ports: MessagePort[] = [];
  const channels: ThreadChannel[] = [];
  const connect = () => {
    const { port1, port2 } = new MessageChannel();
    ports.push(port1, port2);
    const [near, far] = [new ThreadChannel(port1), new ThreadChannel(port2)];
    channels.push(near, far);
    serveEngine(far, engine);
    return near;
  };
  const [one, other] = [connect(), connect()];
  return {
    engine,
    channel: one,
    one: new PortEngine(one),
    other: new PortEngine(other),
    async [Symbol.asyncDispose]() {
      await Promise.all([this.one, this.other].map((used) => used[Symbol.asyncDispose]()));
      for (const channel of channels) channel.close("The test is over");
      for (const port of ports) port.close();
      await engine[Symbol.asyncDispose]();
    },
  };
}

Deno.test("PortEngine does what every engine does", async (t) => {
  let engine = new MemoryEngine();
  await engineSuite(t, {
    open: () => {
      const opened = throughPorts();
      engine = opened.engine;
      return Promise.resolve(opened);
    },
    compact: (revision) => Promise.resolve(engine.compact(revision)),
    // Longer than a busy machine takes to carry a commit through a port.
    shortTtlMs: 1_000,
  });
});

Deno.test("PortEngine: when the other thread is gone, a commit may have been done", async () => {
  await using engines = throughPorts();
  const commit = engines.one.commit({ conditions: [], writes: [] });
  engines.channel.close("The thread has ended");
  await assert.rejects(commit, { name: "EngineError", fault: "away", unknown: true });
});

Deno.test("PortEngine: a watch ends when the engine is closed", async () => {
  await using engines = throughPorts();
  const watch = engines.one.watch("/", 1, new AbortController().signal);
  const next = watch.next();
  await engines.one[Symbol.asyncDispose]();
  await assert.rejects(next, { name: "EngineError", fault: "away" });
});
