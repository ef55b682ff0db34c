import assert from "node:assert/strict";
import { FileLog, MAX_READ_BYTES, TAIL_LINE_LENGTH, TAIL_LINES, tailOf } from "./log_tail.ts";

async function scratch(): Promise<AsyncDisposable & { path: string }> {
  const dir = await Deno.makeTempDir();
  return {
    path: `${dir}/a.log`,
    [Symbol.asyncDispose]: () => Deno.remove(dir, { recursive: true }),
  };
}

const append = (path: string, text: string) => Deno.writeTextFile(path, text, { append: true });

Deno.test("FileLog.lines() gives what was written after the mark", async () => {
  await using file = await scratch();
  const log = new FileLog([file.path]);
  assert.deepEqual(await log.lines(), [], "no file yet");
  const beforeFile = await log.mark();
  await append(file.path, "a\nb\n");
  assert.deepEqual(await log.lines(beforeFile), ["a", "b"]);
  const mark = await log.mark();
  assert.deepEqual(await log.lines(mark), []);
  await append(file.path, "c\nd");
  assert.deepEqual(await log.lines(mark), ["c", "d"]);
  assert.deepEqual(await log.lines(), ["a", "b", "c", "d"]);
});

Deno.test("FileLog.lines() reads all of a file that was cut or rotated", async (t) => {
  await t.step("cut", async () => {
    await using file = await scratch();
    const log = new FileLog([file.path]);
    await append(file.path, "old\nold\n");
    const mark = await log.mark();
    await Deno.truncate(file.path);
    await append(file.path, "new\n");
    assert.deepEqual(await log.lines(mark), ["new"]);
  });
  await t.step("rotated", async () => {
    await using file = await scratch();
    const log = new FileLog([file.path]);
    await append(file.path, "o\n");
    const mark = await log.mark();
    await Deno.rename(file.path, file.path + ".1");
    await append(file.path, "new\nnewer\n");
    assert.deepEqual(await log.lines(mark), ["new", "newer"]);
  });
});

Deno.test("FileLog.lines() reads a bounded part of a huge file, from its end", async () => {
  await using file = await scratch();
  await append(file.path, ("x".repeat(99) + "\n").repeat(2 * MAX_READ_BYTES / 100) + "last\n");
  const lines = await new FileLog([file.path]).lines();
  assert.equal(lines.at(-1), "last");
  assert.ok(lines.join("\n").length <= MAX_READ_BYTES);
  assert.ok(lines.slice(0, -1).every((line) => line.length === 99), "no half line");
});

Deno.test("tailOf() is bounded and without secrets", () => {
  const tail = tailOf([...Array(500).fill("y".repeat(9999)), "password hunter2"]);
  assert.equal(tail.length, TAIL_LINES);
  assert.ok(tail.every((line) => line.length <= TAIL_LINE_LENGTH));
  assert.equal(tail.at(-1), "password xxxxxx");
});
