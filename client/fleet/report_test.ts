import assert from "node:assert/strict";
import type { Output } from "../../shared/cli/program.ts";
import { FleetReport, MAX_HELD_CHARACTERS, MAX_HELD_OF_ONE, type ReportOptions } from "./report.ts";

function report(options: Partial<ReportOptions> = {}, terminal = false) {
  const written = { out: "", err: "" };
  const output = (key: keyof typeof written, isTerminal: boolean): Output => ({
    isTerminal,
    color: false,
    columns: 30,
    write: (text) => Promise.resolve(void (written[key] += text)),
  });
  const made = new FleetReport({
    ...{ title: "x.y", targets: ["a", "b", "c"], ordered: false, quiet: false },
    logDir: undefined,
    stdout: output("out", false),
    stderr: output("err", terminal),
    ...options,
  });
  return { made, written };
}

Deno.test("FleetReport: each line of stderr has its server's name", async () => {
  const { made, written } = report();
  using _ = made;
  const a = await made.begin("a");
  const b = await made.begin("b");
  await a.stdout.write("1\n");
  await b.stderr.write("error: one\nhint: two\n");
  await a.end({ ok: true, durationMs: 12.3 });
  await b.end({ ok: false, durationMs: 1 });
  assert.deepEqual(await made.finish(), { succeeded: 1, others: 2 });
  assert.deepEqual(written, {
    out: "1\n",
    err: "[b] error: one\n[b] hint: two\n[a] ok (12 ms)\n" +
      "x.y: 1 of 3 servers ok; 1 failed: b; 1 not tried: c\n",
  });
});

Deno.test("FleetReport: a summary names ten servers", async () => {
  const targets = Array.from({ length: 12 }, (_, i) => `s${i}`);
  const { made, written } = report({ targets, quiet: true });
  for (const name of targets) await (await made.begin(name)).end({ ok: false, durationMs: 0 });
  await made.finish();
  assert.equal(
    written.err,
    `x.y: 0 of 12 servers ok; 12 failed: ${targets.slice(0, 10).join(", ")} and 2 more\n`,
  );
});

Deno.test("FleetReport: a terminal has one line, cut to its width, and none at the end", async () => {
  const { made, written } = report({}, true);
  using _ = made;
  const a = await made.begin("a");
  while (!written.err.includes("running")) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(written.err, "\r\x1b[K0/3 ok 0 fail 0 running 1");
  await a.stdout.write("data\n");
  await a.end({ ok: true, durationMs: 1 });
  await made.finish();
  const end = "running 1\r\x1b[Kx.y: 1 of 3 servers ok; 2 not tried: b, c\n";
  assert.ok(written.err.endsWith(end), written.err);
});

Deno.test("FleetReport: in order, servers wait for their turn, and new ones for room", async () => {
  const { made, written } = report({ ordered: true });
  const [a, b, c] = [await made.begin("a"), await made.begin("b"), await made.begin("c")];
  const ok = { ok: true, durationMs: 1 };
  await c.stdout.write("c".repeat(MAX_HELD_CHARACTERS) + "\n");
  await b.stdout.write("b\n");
  await a.stdout.write("a\n");
  assert.equal(written.out, "a\n");
  let isRoom = false;
  const room = made.room().then(() => isRoom = true);
  await b.end(ok);
  await c.end(ok);
  assert.deepEqual([isRoom, written.out], [false, "a\n"]);
  await a.end(ok);
  await room;
  assert.equal(written.out.slice(0, 6), "a\nb\ncc");
  assert.equal(written.err, "[a] ok (1 ms)\n[b] ok (1 ms)\n[c] ok (1 ms)\n");
});

Deno.test("FleetReport: in order, a stream without room for what it brings waits for its turn", async () => {
  const { made, written } = report({ targets: ["a", "b"], ordered: true, quiet: true });
  using _ = made;
  const a = await made.begin("a");
  const b = await made.begin("b");
  const [large, small] = ["x".repeat(MAX_HELD_OF_ONE + 1), "y"];
  await b.stdout.write(large);
  let isRead = false;
  const further = b.stdout.write(small).then(() => void (isRead = true));
  await a.stdout.write("1");
  assert.deepEqual([isRead, written.out], [false, "1"]);
  await a.end({ ok: true, durationMs: 1 });
  await further;
  assert.ok(written.out === `1${large}${small}`);
});
