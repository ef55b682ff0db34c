import assert from "node:assert/strict";
import { openAudit } from "./mod.ts";
import type { AuditRecord, AuditSink } from "./record.ts";
import { BlockChain } from "./block_chain.ts";
import { AuditWriter } from "./writer.ts";

const call = (id: string, more: Partial<AuditRecord> = {}): AuditRecord => ({
  kind: "call",
  who: "operator",
  peer: "192.0.2.7:4711",
  server: "edge-1",
  method: "/echo.v1.Echo/Unary",
  status: "OK",
  id,
  ...more,
});

/** A disk that takes what the test lets it take. */
class SlowSink implements AuditSink {
  text = "";
  closed = false;
  #release: (() => void)[] = [];

  async write(bytes: Uint8Array): Promise<number> {
    await new Promise<void>((resolve) => this.#release.push(resolve));
    // Never all of it, as a pipe does.
    const taken = bytes.subarray(0, Math.min(50, bytes.length));
    this.text += new TextDecoder().decode(taken);
    return taken.length;
  }

  get waiting(): boolean {
    return this.#release.length > 0;
  }

  /** Lets writes through until nobody writes any more. */
  async flow(): Promise<void> {
    do {
      this.#release.shift()?.();
      for (let i = 0; i < 5; i++) await Promise.resolve();
    } while (this.waiting);
  }

  close(): void {
    this.closed = true;
  }

  get lines(): Record<string, unknown>[] {
    return this.text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
  }
}

Deno.test("openAudit() appends one line of JSON for each record to a file of its own", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/audit.jsonl`;
    for (const id of ["1", "2"]) {
      await using audit = openAudit(path);
      audit.record(call(id, { reason: "a\nb", durationMs: 1.235 }));
    }
    const lines = (await Deno.readTextFile(path)).trimEnd().split("\n").map((l) => JSON.parse(l));
    assert.deepEqual(lines.map(({ id }) => id), ["1", "2"]);
    assert.equal(lines[0].reason, "a\nb");
    assert.equal(lines[0].durationMs, 1.235);
    assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("openAudit() keeps none when none is asked for", async () => {
  await using audit = openAudit(undefined);
  audit.record(call("1"));
});

Deno.test("AuditWriter writes all lines in their order, however little the sink takes", async () => {
  const sink = new SlowSink();
  const audit = new AuditWriter(new BlockChain(sink), { now: () => 0, gatherMs: 0 });
  for (let i = 0; i < 20; i++) audit.record(call(String(i)));
  await sink.flow();
  assert.deepEqual(sink.lines.map(({ id }) => id), Array.from({ length: 20 }, (_, i) => String(i)));
  assert.equal(sink.lines[0]!["time"], "1970-01-01T00:00:00.000Z");
  await audit[Symbol.asyncDispose]();
});

Deno.test("AuditWriter drops lines rather than grow, and says how many", async () => {
  const sink = new SlowSink();
  const audit = new AuditWriter(new BlockChain(sink), { maxBufferedBytes: 500, gatherMs: 0 });
  for (let i = 0; i < 10; i++) audit.record(call(String(i)));
  await sink.flow();
  const kept = sink.lines.length;
  assert.ok(kept > 0 && kept < 10);
  audit.record(call("next"));
  await sink.flow();
  assert.deepEqual(sink.lines.slice(kept).map(({ id, dropped }) => [id, dropped]), [
    ["next", 10 - kept],
  ]);
  audit.record(call("after"));
  await sink.flow();
  assert.equal("dropped" in sink.lines.at(-1)!, false);
  await audit[Symbol.asyncDispose]();
});

Deno.test("B2: AuditWriter keeps room for the lines of those who were let in", async () => {
  const sink = new SlowSink();
  const audit = new AuditWriter(new BlockChain(sink), { maxBufferedBytes: 64_000, gatherMs: 0 });
  for (let i = 0; i < 10_000; i++) audit.record({ ...call(`stranger ${i}`), who: "" });
  for (let i = 0; i < 100; i++) audit.record(call(`honest ${i}`));
  await sink.flow();
  const honest = sink.lines.filter(({ id }) => String(id).startsWith("honest"));
  assert.equal(honest.length, 100);
  const told = sink.lines.reduce((sum, { dropped }) => sum + 1 + Number(dropped ?? 0), 0);
  assert.equal(told, 10_100);
  await audit[Symbol.asyncDispose]();
});

/** A disk that takes nothing until it is mended. */
class FullDisk implements AuditSink {
  readonly written: string[] = [];
  isFull = true;

  write(bytes: Uint8Array): Promise<number> {
    if (this.isFull) return Promise.reject(new Error("No space left"));
    this.written.push(new TextDecoder().decode(bytes));
    return Promise.resolve(bytes.length);
  }
}

Deno.test("AuditWriter goes on after a failed write", async () => {
  const disk = new FullDisk();
  const audit = new AuditWriter(new BlockChain(disk), { gatherMs: 0 });
  audit.record(call("1"));
  for (let i = 0; i < 9; i++) await Promise.resolve();
  disk.isFull = false;
  audit.record(call("2"));
  await audit[Symbol.asyncDispose]();
  assert.equal(disk.written.length, 1);
  assert.equal(JSON.parse(disk.written[0]!).dropped, 1);
});

Deno.test("AuditWriter says of all lines that a full disk cost, also those that were to say it", async () => {
  const disk = new FullDisk();
  const failed: (() => void)[] = [];
  const sink = Object.assign(disk, { undo: () => Promise.resolve(failed.shift()?.()) });
  const audit = new AuditWriter(new BlockChain(sink), { gatherMs: 0 });
  for (let i = 0; i < 5; i++) {
    const { promise, resolve } = Promise.withResolvers<void>();
    failed.push(resolve);
    audit.record(call(String(i)));
    await promise;
  }
  disk.isFull = false;
  audit.record(call("next"));
  await audit[Symbol.asyncDispose]();
  assert.equal(JSON.parse(disk.written.join("")).dropped, 5);
});

Deno.test("AuditWriter writes lines together, and at once when it closes", async () => {
  const writes: string[] = [];
  const sink: AuditSink = {
    write(bytes) {
      writes.push(new TextDecoder().decode(bytes));
      return Promise.resolve(bytes.length);
    },
  };
  // Longer than any test: only closing can end the wait.
  const audit = new AuditWriter(new BlockChain(sink), { gatherMs: 2 ** 30 });
  audit.record(call("1"));
  await new Promise((resolve) => setTimeout(resolve));
  audit.record(call("2"));
  assert.equal(writes.length, 0);
  await audit[Symbol.asyncDispose]();
  assert.equal(writes.length, 1);
  assert.equal(writes.join("").trimEnd().split("\n").length, 2);
});

Deno.test("AuditWriter writes what is left before it closes, and nothing after", async () => {
  const sink = new SlowSink();
  const audit = new AuditWriter(new BlockChain(sink));
  audit.record(call("1"));
  const closed = audit[Symbol.asyncDispose]();
  audit.record(call("2"));
  await sink.flow();
  await closed;
  assert.deepEqual(sink.lines.map(({ id }) => id), ["1"]);
  assert.equal(sink.closed, true);
});

Deno.test("AuditWriter loses no line because the hub stood still while it closed", async () => {
  let [text, hasStood] = ["", false];
  const sink: AuditSink = {
    async write(bytes) {
      await new Promise((resolve) => setTimeout(resolve));
      if (!hasStood) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2_500);
      hasStood = true;
      text += new TextDecoder().decode(bytes);
      return bytes.length;
    },
  };
  const audit = new AuditWriter(new BlockChain(sink));
  // Too long for one block.
  const ids = ["1", "2", "3"];
  for (const id of ids) audit.record(call(id, { reason: "x".repeat(50_000) }));
  await audit[Symbol.asyncDispose]();
  assert.deepEqual(text.trimEnd().split("\n").map((line) => JSON.parse(line).id), ids);
});
