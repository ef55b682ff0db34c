import assert from "node:assert/strict";
import { dirname } from "node:path";
import { FileLog, MAX_READ_BYTES, TAIL_LINE_LENGTH, TAIL_LINES, tailOf } from "./tail.ts";

async function scratch(): Promise<AsyncDisposable & { path: string }> {
  const dir = await Deno.makeTempDir();
  return {
    path: `${dir}/a.log`,
    [Symbol.asyncDispose]: () => Deno.remove(dir, { recursive: true }),
  };
}

const append = (path: string, text: string) => Deno.writeTextFile(path, text, { append: true });

Deno.test("FileLog.read() gives whole lines that were written after the mark, each once", async () => {
  await using file = await scratch();
  const log = new FileLog([file.path]);
  const none = await log.read();
  assert.deepEqual(none.lines, [], "no file yet");
  await append(file.path, "a\nb\nhalf");
  const two = await log.read(none.mark);
  assert.deepEqual(two.lines, ["a", "b"]);
  assert.deepEqual((await log.read(two.mark)).lines, []);
  await append(file.path, " a line\n");
  assert.deepEqual((await log.read(two.mark)).lines, ["half a line"]);
  assert.deepEqual((await log.read()).lines, ["a", "b", "half a line"]);
});

Deno.test("G10: FileLog.read() names a file that it may not read, and reads the others", async () => {
  await using file = await scratch();
  await using other = await scratch();
  for (const { path } of [file, other]) await Deno.chmod(dirname(path), 0o755);
  // As logrotate of Fluentd's package leaves it.
  await Deno.writeTextFile(file.path, "secret\n", { mode: 0o640 });
  await append(other.path, "told\n");
  const source = new URL("./tail.ts", import.meta.url).pathname;
  const canRun = ["sh", "-c", 'test -x "$0" && test -r "$1"', Deno.execPath(), source];
  const script = `import { FileLog } from "${import.meta.resolve("./tail.ts")}";
    console.log(JSON.stringify(await new FileLog(${
    JSON.stringify([file.path, other.path])
  }).read()));`;
  // Root may read everything: somebody else is asked.
  const become = Deno.uid() === 0
    ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    : [];
  if (Deno.uid() !== 0) await Deno.chmod(file.path, 0o000);
  const [test = "", ...testArgs] = [...become, ...canRun];
  if (!(await new Deno.Command(test, { args: testArgs }).output()).success) {
    console.warn(`SKIPPED: user 65534 may not run ${Deno.execPath()}, or not read ${source}`);
    return;
  }
  const [program = "", ...args] = [...become, Deno.execPath(), "eval", "--no-check", script];
  await using cache = await scratch();
  await Deno.chmod(dirname(cache.path), 0o777);
  const { stdout, stderr } = await new Deno.Command(program, {
    args,
    cwd: "/",
    env: { DENO_DIR: dirname(cache.path), HOME: dirname(cache.path), NO_COLOR: "1" },
  }).output();
  const text = new TextDecoder();
  assert.notEqual(stdout.length, 0, text.decode(stderr));
  const { lines, unreadable } = JSON.parse(text.decode(stdout));
  assert.deepEqual([lines, unreadable], [["told"], [file.path]]);
});

Deno.test("FileLog.read() reads all of a file that was cut or rotated", async (t) => {
  await t.step("cut", async () => {
    await using file = await scratch();
    const log = new FileLog([file.path]);
    await append(file.path, "old\nold\n");
    const { mark } = await log.read();
    await Deno.truncate(file.path);
    await append(file.path, "new\n");
    assert.deepEqual((await log.read(mark)).lines, ["new"]);
  });
  await t.step("rotated", async () => {
    await using file = await scratch();
    const log = new FileLog([file.path]);
    await append(file.path, "o\n");
    const { mark } = await log.read();
    await Deno.rename(file.path, file.path + ".1");
    await append(file.path, "new\nnewer\n");
    assert.deepEqual((await log.read(mark)).lines, ["new", "newer"]);
  });
});

Deno.test("FileLog.read() reads a bounded part of a huge file, from its end", async () => {
  await using file = await scratch();
  await append(file.path, ("x".repeat(99) + "\n").repeat(2 * MAX_READ_BYTES / 100) + "last\n");
  const { lines } = await new FileLog([file.path]).read();
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
