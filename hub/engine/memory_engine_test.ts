import assert from "node:assert/strict";
import { EngineError } from "./engine.ts";
import { MemoryEngine } from "./memory_engine.ts";
import { engineSuite } from "./testing/engine_suite.ts";

Deno.test("MemoryEngine does what every engine does", async (t) => {
  let engine = new MemoryEngine();
  await engineSuite(t, {
    open: () => {
      engine = new MemoryEngine();
      return Promise.resolve({
        one: engine,
        other: engine,
        [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
      });
    },
    compact: (revision) => Promise.resolve(engine.compact(revision)),
    shortTtlMs: 50,
  });
});

const put = (engine: MemoryEngine, key: string) =>
  engine.commit({ conditions: [], writes: [{ put: key, value: new Uint8Array() }] });

Deno.test("MemoryEngine keeps a history of bounded length", async () => {
  await using engine = new MemoryEngine({ maxHistory: 5 });
  for (let i = 0; i < 20; i++) await put(engine, `/${i}`);
  const from = (revision: number) =>
    engine.watch("/", revision, new AbortController().signal)[Symbol.asyncIterator]().next();
  await assert.rejects(from(15), { fault: "compacted" });
  const { value } = await from(16);
  assert.equal(value?.length, 5);
});

Deno.test("MemoryEngine ends a watch that does not read", async () => {
  await using engine = new MemoryEngine({ maxUnread: 5 });
  const watch = engine.watch("/", 1, new AbortController().signal)[Symbol.asyncIterator]();
  await put(engine, "/0");
  await watch.next();
  for (let i = 0; i < 6; i++) await put(engine, `/${i}`);
  await assert.rejects(watch.next(), EngineError);
});

Deno.test("MemoryEngine begins with the revision that it is given", async () => {
  await using engine = new MemoryEngine({ revision: 1_000 });
  assert.equal((await engine.read("/")).revision, 1_000);
  assert.deepEqual(await put(engine, "/0"), { ok: true, revision: 1_001 });
  const from = engine.watch("/", 1_001, new AbortController().signal)[Symbol.asyncIterator]();
  assert.equal((await from.next()).value?.[0]?.revision, 1_001);
});
