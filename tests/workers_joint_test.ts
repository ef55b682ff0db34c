/** What a hub of several workers has once: its limits, its audit, its metrics, its memory of servers. */
import assert from "node:assert/strict";
import { Status } from "../shared/grpc/status.ts";
import { FrameType, PREFACE } from "../shared/http2/frames.ts";
import { reasonOf } from "./support/facts.ts";
import { Process, source } from "./support/process.ts";
import { until } from "./support/until.ts";
import { World } from "./support/world.ts";

const MAX_CALLS = 10;
/** Each has a connection of its own: that all of them come to one worker happens once in 30 000 times. */
const CALLERS = 16;

function exists(file: string): boolean {
  try {
    return Deno.statSync(file).isFile;
  } catch {
    return false;
  }
}

/** The lines of an audit file. */
function linesOf(file: string) {
  const text = Deno.readTextFileSync(file);
  // The last one may be half written.
  return text.slice(0, text.lastIndexOf("\n")).split("\n").filter(Boolean)
    .map((line) => JSON.parse(line));
}

Deno.test("a hub of two workers has one limit for an operator, one audit and one metrics page", async (t) => {
  const dir = await Deno.makeTempDir({ prefix: "ghub-joint-" });
  const [audit, renamed] = [`${dir}/audit.jsonl`, `${dir}/audit.jsonl.old`];
  try {
    await using world = await World.start({
      servers: ["edge-1", "edge-2", "edge-3"],
      hubArgs: [
        ...["--workers", "2", "--metrics-listen", "127.0.0.1:0", "--audit-log", audit],
        ...["--max-calls-per-operator", String(MAX_CALLS)],
      ],
    });
    const metric = async (name: string) =>
      Number(new RegExp(`^${name} (\\S+)$`, "m").exec(await world.metrics())?.[1]);
    const callers = Array.from({ length: CALLERS }, (_, i) => {
      const client = world.path(`edge-${i % 3 + 1}`).client();
      return { client, stop: new AbortController() };
    });
    using _ = {
      [Symbol.dispose]() {
        for (const { client } of callers) client[Symbol.dispose]();
      },
    };
    await until("Welcome to be over", async () => await metric("ghub_calls_in_flight") === 0);
    const calls = callers.map(({ client, stop }) =>
      client.serverStream({ headersFirst: true, hang: true }, { signal: stop.signal })
    );
    const answered = calls.map(({ call, outcome }, i) =>
      Promise.race([
        new Promise<number>((resolve) => call.once("metadata", () => resolve(i))),
        outcome,
      ])
    );

    await t.step("of many calls at a time, as many are let in as the limit says", async () => {
      const answers = await Promise.all(answered);
      const refused = answers.filter((answer) => typeof answer !== "number");
      assert.equal(answers.length - refused.length, MAX_CALLS);
      for (const outcome of refused) {
        assert.equal(outcome.code, Status.RESOURCE_EXHAUSTED);
        assert.equal(reasonOf(outcome), "TOO_MANY_CALLS");
      }
    });

    await t.step("metrics tell the sum of what both have, and each thing once", async () => {
      for (const name of ["ghub_calls_in_flight", "ghub_operator_calls_in_flight_max"]) {
        await until(`${name} to be ${MAX_CALLS}`, async () => await metric(name) === MAX_CALLS);
      }
      await until("all connections", async () => await metric("ghub_connections") === CALLERS + 3);
      assert.equal(await metric("ghub_memory_limit_bytes"), 2 ** 31);
      const links = (state: string) => metric(`ghub_links\\{state="${state}"\\}`);
      assert.deepEqual([await links("up"), await links("down")], [2, 0]);
      await until("all connections at some worker", async () => {
        const each = [1, 2].map((worker) =>
          metric(`ghub_worker_connections\\{worker="${worker}"\\}`)
        );
        const [one = 0, two = 0] = await Promise.all(each);
        return one > 0 && two > 0 && one + two === CALLERS + 3;
      });
    });

    for (const { stop } of callers) stop.abort();
    await Promise.all(calls.map(({ outcome }) => outcome));
    await until("an end of all calls", async () => await metric("ghub_calls_in_flight") === 0);

    await t.step("a reload goes on in a new file, whichever worker a line comes from", async () => {
      await Deno.rename(audit, renamed);
      world.hub.signal("SIGHUP");
      await until("a new file", () => exists(audit));
      // One after the other: all at a time are more than the limit.
      for (const { client } of callers) assert.equal((await client.unary({})).code, Status.OK);
      const after = (file: string) =>
        linesOf(file).filter(({ method }) => method === "/echo.v1.Echo/Unary").length;
      await until("all lines in the new file", () => after(audit) === CALLERS);
      assert.equal(after(renamed), 0);
    });

    await t.step("each call has one line in the audit, which is one chain", async () => {
      await world.server("edge-3").stop();
      await until("its leave", () => world.hub.stderr.includes('Server "edge-3" left'));
      await world.hub.stop();
      const verified = await Process.run([
        ...source("hub/main.ts"),
        "audit",
        "verify",
        renamed,
        audit,
      ]);
      assert.equal(verified.code, 0, verified.stderr);
      const lines = [...linesOf(renamed), ...linesOf(audit)];
      const held = lines.filter(({ method }) => method === "/echo.v1.Echo/ServerStream");
      assert.equal(held.length, CALLERS);
      assert.equal(held.filter(({ status }) => status === "RESOURCE_EXHAUSTED").length, 6);
      assert.ok(lines.every((line) => line.via === undefined && line.from === undefined));
      assert.equal(lines.filter(({ kind }) => kind === "registration").length, 3);
      assert.equal(new Set(lines.map(({ id }) => id)).size, lines.length);
    });

    await t.step("the hub that starts again knows a server that was at one of them", async () => {
      await world.startHub();
      const { stdout } = await world.gclient(["hub", "servers", "--all", "-o", "name"]);
      assert.match(stdout, /^edge-3$/m);
    });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

/** An even choice by chance is outside of a fifth more or less once in 100 000 times. */
const MANY = 500;

Deno.test("the connections of many callers are spread over two workers within 20 %", async () => {
  await using world = await World.start({
    servers: [],
    hubArgs: ["--workers", "2", "--metrics-listen", "127.0.0.1:0"],
  });
  await using stack = new AsyncDisposableStack();
  const { hostname, port } = new URL(`tcp://${world.callAddress}`);
  // HTTP/2's preface and SETTINGS: an operator's connection without a call.
  const hello = Uint8Array.of(...PREFACE, 0, 0, 0, FrameType.SETTINGS, 0, 0, 0, 0, 0);
  const dial = async () => {
    const connection = await Deno.connect({ hostname, port: Number(port) });
    stack.defer(() => connection.close());
    await connection.write(hello);
  };
  for (let i = 0; i < MANY; i += 50) await Promise.all(Array.from({ length: 50 }, dial));
  let counts: number[] = [];
  await until("all connections", async () => {
    const page = await world.metrics();
    const found = page.matchAll(/^ghub_worker_connections\{worker="\d"\} (\d+)$/gm);
    counts = [...found].map(([, count]) => Number(count));
    return counts.reduce((a, b) => a + b, 0) === MANY;
  });
  assert.equal(counts.length, 2);
  for (const count of counts) {
    assert.ok(Math.abs(count - MANY / 2) <= 0.2 * MANY / 2, counts.join(" and "));
  }
});
