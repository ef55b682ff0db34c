import assert from "node:assert/strict";
import { join } from "node:path";
import {
  isJournal,
  KEEP_MS,
  MAX_KEPT,
  type OperationRecord,
  type OperationRequest,
  Operations,
} from "./operations.ts";
import { tailOf } from "./log/tail.ts";
import type { OperationScope } from "./operation_scope.ts";
import { StateFile } from "./system/state_file.ts";
import { refused, tempDir } from "./testing/kit.ts";

const { signal } = new AbortController();

const request = (requestId: string, more: Partial<OperationRequest> = {}): OperationRequest => ({
  kind: "start",
  requestId,
  fingerprint: "{}",
  actor: "somebody",
  reason: "",
  ...more,
});

/** An action that counts how often it was carried out. */
function counted(work: (scope: OperationScope) => Promise<void> = ({ begin }) => begin()) {
  const action = async (scope: OperationScope) => {
    action.count++;
    await work(scope);
    return { response: { count: action.count }, result: "SUCCESS" };
  };
  action.count = 0;
  return action;
}

async function journal() {
  const dir = await tempDir();
  const path = join(dir.path, "operations.json");
  return Object.assign(dir, {
    file: path,
    open: () => Operations.open(new StateFile(path, isJournal)),
  });
}

Deno.test("Operations.run() gives the same answer to the same id, after a restart too", async () => {
  await using dir = await journal();
  const action = counted();
  const before = await dir.open();
  assert.deepEqual(await before.run(request("a"), action, signal), { count: 1 });
  assert.deepEqual(await before.run(request("a"), action, signal), { count: 1 });
  assert.deepEqual(await before.run(request("b"), action, signal), { count: 2 });
  const after = await dir.open();
  assert.deepEqual(await after.run(request("a"), action, signal), { count: 1 });
  assert.equal(after.last?.id, "b");
  assert.deepEqual(await after.run(request(""), action, signal), { count: 3 });
  assert.deepEqual(await after.run(request(""), action, signal), { count: 4 }, "no id, no memory");
  assert.equal((await Deno.stat(dir.file)).mode! & 0o777, 0o600);
});

Deno.test("Operations.run() lets an id be tried again when nothing was attempted", async () => {
  await using dir = await journal();
  const operations = await dir.open();
  const failing = counted(() => Promise.reject(new TypeError("The config is invalid")));
  await assert.rejects(operations.run(request("a"), failing, signal), TypeError);
  assert.match(operations.last?.result ?? "", /The config is invalid/);
  const action = counted();
  assert.deepEqual(await operations.run(request("a"), action, signal), { count: 1 });
});

Deno.test("Operations.run() attempts nothing under an id that the journal cannot take", async () => {
  await using dir = await journal();
  const operations = await dir.open();
  const action = counted();
  // Where the new file is written before it takes the old one's place.
  await Deno.mkdir(`${dir.file}.new`);
  await refused(
    operations.run(request("a"), action, signal),
    "FAILED_PRECONDITION",
    "JOURNAL_UNWRITABLE",
  );
  assert.match(operations.last?.result ?? "", /^FAILED_PRECONDITION/);
  // Nobody can ask for it again, so that there is nothing to remember.
  assert.deepEqual(await operations.run(request(""), action, signal), { count: 2 });
  await Deno.remove(`${dir.file}.new`);
  assert.deepEqual(await operations.run(request("a"), action, signal), { count: 3 });
  assert.deepEqual(await (await dir.open()).run(request("a"), action, signal), { count: 3 });
});

Deno.test("Operations.run() never repeats what broke off", async (t) => {
  await t.step("by an error", async () => {
    await using dir = await journal();
    const operations = await dir.open();
    const broken = counted(async ({ begin }) => {
      await begin();
      throw new TypeError("A defect");
    });
    for (let i = 0; i < 2; i++) {
      await refused(
        operations.run(request("a"), broken, signal),
        "UNKNOWN",
        "OPERATION_INTERRUPTED",
      );
    }
    assert.equal(broken.count, 1);
  });
  await t.step("by the end of the process", async () => {
    await using dir = await journal();
    const killed = await dir.open();
    const { promise: never } = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    const action = counted(async ({ begin }) => {
      await begin();
      begun.resolve();
      await never;
    });
    // Its process is "killed": nothing of it is heard of again but its file.
    void killed.run(request("a"), action, signal);
    await begun.promise;
    const operations = await dir.open();
    assert.equal(operations.last?.result, "interrupted");
    const again = counted();
    await refused(operations.run(request("a"), again, signal), "UNKNOWN", "OPERATION_INTERRUPTED");
    assert.equal(again.count, 0);
    assert.deepEqual(await operations.run(request("b"), again, signal), { count: 1 });
  });
  await t.step("by close()", async () => {
    await using dir = await journal();
    const operations = await dir.open();
    const begun = Promise.withResolvers<void>();
    const action = counted(async ({ begin, signal }) => {
      await begin();
      begun.resolve();
      await new Promise((_, reject) =>
        signal.addEventListener("abort", () => reject(signal.reason))
      );
    });
    const answer = refused(
      operations.run(request("a"), action, signal),
      "UNKNOWN",
      "OPERATION_INTERRUPTED",
    );
    await begun.promise;
    await operations.close();
    await answer;
    await refused(operations.run(request("b"), action, signal), "UNAVAILABLE", "SHUTTING_DOWN");
    assert.equal((await dir.open()).last?.result, "interrupted");
  });
});

Deno.test("Operations.run() attaches the same id, refuses others, and outlives its callers", async () => {
  await using dir = await journal();
  const operations = await dir.open();
  const { promise: go, resolve } = Promise.withResolvers<void>();
  const action = counted(async ({ begin }) => {
    await begin();
    await go;
  });
  const caller = new AbortController();
  const one = operations.run(request("a"), action, caller.signal);
  const two = operations.run(request("a"), action, signal);
  const busy = await refused(
    operations.run(request("b", { kind: "restart" }), action, signal),
    "ABORTED",
    "OPERATION_IN_PROGRESS",
  );
  assert.match(busy.message, /start a/);
  caller.abort(new Error("The caller left"));
  await assert.rejects(one, /The caller left/);
  assert.equal(operations.last?.result, "");
  resolve();
  assert.deepEqual(await two, { count: 1 });
  await refused(
    operations.run(request("a", { kind: "stop" }), action, signal),
    "INVALID_ARGUMENT",
    "REQUEST_ID_REUSED",
  );
  await refused(
    operations.run(request("a", { fingerprint: "{1}" }), action, signal),
    "INVALID_ARGUMENT",
    "REQUEST_ID_REUSED",
  );
});

Deno.test("Operations keeps answers for a time and in a number", async () => {
  await using dir = await journal();
  const old = (id: string, ageMs: number): OperationRecord => ({
    ...request(id),
    id,
    timeMs: Date.now() - ageMs,
    result: "SUCCESS",
    response: { old: true },
  });
  const operations = [old("expired", KEEP_MS + 1000), old("fresh", KEEP_MS - 60_000)];
  await Deno.writeTextFile(dir.file, JSON.stringify({ version: 1, operations }));
  const action = counted();
  const opened = await dir.open();
  assert.deepEqual(await opened.run(request("fresh"), action, signal), { old: true });
  assert.deepEqual(await opened.run(request("expired"), action, signal), { count: 1 });
  for (let i = 0; i < MAX_KEPT; i++) await opened.run(request(`n${i}`), action, signal);
  const { operations: kept } = JSON.parse(await Deno.readTextFile(dir.file));
  assert.equal(kept.length, MAX_KEPT);
  assert.equal(kept.at(-1).id, `n${MAX_KEPT - 1}`);
});

Deno.test("Operations can read what they wrote, however much that is", async () => {
  await using dir = await journal();
  const logTail = tailOf(Array(100).fill("\x1b".repeat(1000)));
  const operations = Array.from({ length: MAX_KEPT }, (_, i): OperationRecord => ({
    ...request(`n${i}`),
    id: `n${i}`,
    timeMs: Date.now(),
    result: "FAILED",
    response: { failure: { logTail } },
  }));
  await new StateFile(dir.file, isJournal).write({ version: 1, operations });
  assert.equal((await dir.open()).last?.id, `n${MAX_KEPT - 1}`);
});

Deno.test("Operations keeps an answer though the clock is set forward", async () => {
  await using dir = await journal();
  const operations = await dir.open();
  const action = counted();
  await operations.run(request("a"), action, signal);
  const { now } = Date;
  Date.now = () => now() + 2 * KEEP_MS;
  try {
    assert.deepEqual(await operations.run(request("a"), action, signal), { count: 1 });
    await operations.run(request("b"), action, signal);
    assert.deepEqual(await operations.run(request("a"), action, signal), { count: 1 });
  } finally {
    Date.now = now;
  }
});

Deno.test("Operations begins anew, and says so, with a damaged journal", async (t) => {
  for (const text of ["", "{", "null", "[]", '{"version":2,"operations":[]}']) {
    await t.step(JSON.stringify(text), async () => {
      await using dir = await journal();
      await Deno.writeTextFile(dir.file, text);
      const operations = await dir.open();
      assert.equal(operations.last, undefined);
      assert.equal(await Deno.readTextFile(`${dir.file}.damaged`), text);
      assert.deepEqual(await operations.run(request("a"), counted(), signal), { count: 1 });
    });
  }
});

Deno.test("C2: Operations.run() has a stop end a start that only waits, and gives both answers", async () => {
  await using dir = await journal();
  const operations = await dir.open();
  const began = Promise.withResolvers<void>();
  const start = operations.run(request("start"), async ({ begin, superseded }) => {
    await begin();
    began.resolve();
    const ended = await new Promise<string>((resolve) =>
      superseded.addEventListener("abort", () => resolve(String(superseded.reason)))
    );
    return { response: { ended }, result: "FAILED SUPERSEDED" };
  }, signal);
  await began.promise;
  const stop = operations.run(request("stop", { kind: "stop" }), counted(), signal);
  assert.match((await start).ended, /^ABORTED: A stop by somebody ended this start/);
  assert.deepEqual(await stop, { count: 1 });
  assert.equal(operations.last?.id, "stop");
});
