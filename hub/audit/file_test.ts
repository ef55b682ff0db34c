import assert from "node:assert/strict";
import { openAudit } from "./mod.ts";
import type { AuditRecord } from "./record.ts";
import { prevOf } from "./chain.ts";
import { AuditFile } from "./file.ts";
import { BrokenAuditError, verifyAudit } from "./verify.ts";
import { BlockChain } from "./block_chain.ts";
import { AuditWriter } from "./writer.ts";

const call = (id: string): AuditRecord => ({
  kind: "call",
  who: "alice",
  peer: "192.0.2.7:4711",
  server: "edge-1",
  method: "/echo.v1.Echo/Unary",
  status: "OK",
  reason: 'ünïcode \u2028 "quoted" ,"prev":"x"}',
  id,
});

async function inFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "ghub-audit-" });
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Writes lines, each in a batch of its own. */
async function write(
  path: string,
  ids: readonly string[],
  options: { maxBytes?: number; maxFiles?: number } = {},
): Promise<void> {
  for (const id of ids) {
    await using audit = openAudit(path, options);
    audit.record(call(id));
  }
}

const ids = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => String(from + i));

async function lines(path: string): Promise<string[]> {
  return (await Deno.readTextFile(path)).trimEnd().split("\n");
}

Deno.test("an audit is one chain, over restarts and files", () =>
  inFolder(async (folder) => {
    const path = `${folder}/new/audit.jsonl`;
    await write(path, ids(1, 30), { maxBytes: 2_000, maxFiles: 9 });
    const files = [...Deno.readDirSync(`${folder}/new`)].map(({ name }) => `${folder}/new/${name}`);
    assert.ok(files.length > 3);
    const all = (await Promise.all(files.map(lines))).flat();
    assert.equal(all.length, 30);
    for (const file of files) {
      const { size, mode } = await Deno.stat(file);
      assert.ok(size <= 2_000);
      assert.equal(mode! & 0o777, 0o600);
    }
    const verified = await verifyAudit(files);
    assert.equal(verified.lines, 30);
    assert.equal(verified.whole, true);
    assert.deepEqual(
      (await lines(path)).map((line) => JSON.parse(line).id).at(-1),
      "30",
      "the newest line is in the file without a number",
    );
  }));

Deno.test("an audit keeps so many files and no more", () =>
  inFolder(async (folder) => {
    const path = `${folder}/audit.jsonl`;
    await write(path, ids(1, 40), { maxBytes: 1_000, maxFiles: 2 });
    const names = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
    assert.deepEqual(names, ["audit.jsonl", "audit.jsonl.1", "audit.jsonl.2"]);
    const verified = await verifyAudit(names.map((name) => `${folder}/${name}`));
    assert.equal(verified.whole, false);
    await write(path, ids(41, 50), { maxBytes: 1_000, maxFiles: 0 });
    await verifyAudit([path]);
  }));

Deno.test("verifyAudit() finds what was done to an audit", async (t) => {
  const table: [what: string, change: (lines: string[]) => string[], says: RegExp | undefined][] = [
    ["nothing", (lines) => lines, undefined],
    [
      "a changed name",
      (lines) => lines.with(3, lines[3]!.replace("alice", "mallo")),
      /:5: does not continue .*:4/,
    ],
    [
      "a changed first line",
      (lines) => lines.with(0, lines[0]!.replace("OK", "NO")),
      /:2: does not continue/,
    ],
    ["a line taken out", (lines) => lines.toSpliced(4, 1), /:5: does not continue .*:4/],
    ["a line put in", (lines) => lines.toSpliced(4, 0, lines[2]!), /:5: does not continue/],
    [
      "two lines swapped",
      (lines) => lines.with(4, lines[5]!).with(5, lines[4]!),
      /:5: does not continue/,
    ],
    ["a line twice", (lines) => lines.toSpliced(4, 0, lines[4]!), /:6: does not continue/],
    ["a space", (lines) => lines.with(4, ` ${lines[4]}`), /:6: does not continue/],
    [
      "a changed hash",
      (lines) =>
        lines.with(
          4,
          lines[4]!.replace(
            /"prev":"./,
            (was) => `${was.slice(0, -1)}${was.endsWith("0") ? 1 : 0}`,
          ),
        ),
      /does not continue/,
    ],
    ["an empty line", (lines) => lines.toSpliced(4, 0, ""), /:5: is no line of an audit/],
    ["another text", (lines) => lines.with(4, "hello"), /:5: is no line of an audit/],
    ["the beginning taken out", (lines) => lines.slice(3), undefined],
  ];
  for (const [what, change, says] of table) {
    await t.step(what, () =>
      inFolder(async (folder) => {
        const path = `${folder}/audit.jsonl`;
        await write(path, ids(1, 8));
        await Deno.writeTextFile(path, change(await lines(path)).map((l) => `${l}\n`).join(""));
        if (says === undefined) await verifyAudit([path]);
        else {
          await assert.rejects(verifyAudit([path]), (error: Error) => {
            assert.ok(error instanceof BrokenAuditError);
            assert.match(error.message, says);
            return true;
          });
        }
      }));
  }
  await t.step("a line cut off", () =>
    inFolder(async (folder) => {
      const path = `${folder}/audit.jsonl`;
      await write(path, ids(1, 3));
      const { size } = await Deno.stat(path);
      await Deno.truncate(path, size - 10);
      await assert.rejects(verifyAudit([path]), /:3: is cut off/);
    }));
  await t.step("a file in the middle taken away", () =>
    inFolder(async (folder) => {
      const path = `${folder}/audit.jsonl`;
      await write(path, ids(1, 30), { maxBytes: 1_500 });
      await assert.rejects(verifyAudit([path, `${path}.2`, `${path}.3`]), /does not continue/);
      await verifyAudit([`${path}.2`, path, `${path}.1`]);
      await assert.rejects(
        verifyAudit([`${path}.9`]),
        /^UnreadableAuditError: Cannot read audit file .*\.9: /,
      );
    }));
});

Deno.test("verifyAudit() finds what was done to blocks of many lines", async (t) => {
  const table: [what: string, change: (lines: string[]) => string[], says: RegExp | undefined][] = [
    ["nothing", (lines) => lines, undefined],
    [
      "a changed name",
      (lines) => lines.with(3, lines[3]!.replace("alice", "mallo")),
      /:6: does not continue .*:1–5: /,
    ],
    ["a line taken out", (lines) => lines.toSpliced(7, 1), /:10: does not continue .*:6–9: /],
    ["a block taken out", (lines) => lines.toSpliced(5, 5), /:6: does not continue .*:1–5: /],
    ["two lines swapped", (lines) => lines.with(1, lines[2]!).with(2, lines[1]!), /:6: does not/],
    ["its first line taken out", (lines) => lines.toSpliced(5, 1), /:10: does not continue/],
    ["the first line of all taken out", (lines) => lines.slice(1), /:1: is no beginning/],
    ["the first block taken out", (lines) => lines.slice(5), undefined],
  ];
  for (const [what, change, says] of table) {
    await t.step(what, () =>
      inFolder(async (folder) => {
        const path = `${folder}/audit.jsonl`;
        for (const block of [ids(1, 5), ids(6, 10), ids(11, 15)]) {
          await using audit = openAudit(path);
          for (const id of block) audit.record(call(id));
        }
        const all = await lines(path);
        assert.deepEqual(all.flatMap((line, i) => prevOf(line) === undefined ? [] : [i]), [
          0,
          5,
          10,
        ]);
        await Deno.writeTextFile(path, change(all).map((line) => `${line}\n`).join(""));
        if (says === undefined) await verifyAudit([path]);
        else await assert.rejects(verifyAudit([path]), says);
      }));
  }
});

Deno.test("an audit goes on behind a block that is longer than what is read of its end", () =>
  inFolder(async (folder) => {
    const path = `${folder}/audit.jsonl`;
    const reason = "x".repeat(50_000);
    for (const block of [ids(1, 50), ids(51, 60)]) {
      await using audit = openAudit(path);
      for (const id of block) audit.record({ ...call(id), reason });
    }
    assert.equal((await verifyAudit([path])).lines, 60);
  }));

Deno.test("openAudit() does not append to what is no audit", () =>
  inFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/notes.txt`, "buy milk\n");
    assert.throws(() => openAudit(`${folder}/notes.txt`), /notes\.txt: it is not an audit/);
    assert.equal(await Deno.readTextFile(`${folder}/notes.txt`), "buy milk\n");
  }));

Deno.test("an audit goes on after a crash in the middle of a line", () =>
  inFolder(async (folder) => {
    const path = `${folder}/audit.jsonl`;
    await write(path, ids(1, 3));
    const { size } = await Deno.stat(path);
    await Deno.truncate(path, size - 10);
    await write(path, ["4"]);
    const verified = await verifyAudit([path]);
    assert.equal(verified.lines, 3);
    assert.deepEqual((await lines(path)).map((line) => JSON.parse(line).id), ["1", "2", "4"]);
  }));

Deno.test("an audit that could not write a line continues the last one that it wrote", () =>
  inFolder(async (folder) => {
    const path = `${folder}/audit.jsonl`;
    const file = AuditFile.open(path, { maxBytes: 1e6, maxFiles: 1 });
    let fails = false;
    const undone = Promise.withResolvers<void>();
    const sink = {
      begin: (bytes: number) => file.begin(bytes),
      undo: async () => {
        await file.undo();
        undone.resolve();
      },
      close: () => file.close(),
      // The disk is full in the middle of the line.
      write: async (bytes: Uint8Array) => {
        if (!fails) return await file.write(bytes);
        await file.write(bytes.subarray(0, 20));
        throw new Error("No space left");
      },
    };
    const audit = new AuditWriter(new BlockChain(sink, file.head));
    const written = async (count: number) => {
      while ((await Deno.readTextFile(path)).split("\n").length - 1 < count) {
        await Promise.resolve();
      }
    };
    audit.record(call("1"));
    await written(1);
    fails = true;
    audit.record(call("2"));
    await undone.promise;
    fails = false;
    audit.record(call("3"));
    await audit[Symbol.asyncDispose]();
    const verified = await verifyAudit([path]);
    assert.equal(verified.lines, 2);
    assert.equal(verified.dropped, 1);
    assert.ok((await lines(path)).every((line) => prevOf(line) !== undefined));
  }));

Deno.test("an audit loses no older file, and no line, when the next one cannot be opened", () =>
  inFolder(async (folder) => {
    const path = `${folder}/audit.jsonl`;
    const options = { maxBytes: 400, maxFiles: 2 };
    await write(path, ["1", "2"], options);
    const file = AuditFile.open(path, options);
    const line = new TextEncoder().encode('{"id":"3"}\n');
    await file.begin(line.length);
    await file.write(line);
    const texts = async () => [await Deno.readTextFile(path), await Deno.readTextFile(`${path}.1`)];
    const [newest, older] = await texts();
    const { openSync } = Deno;
    Deno.openSync = () => {
      throw new Error("Too many open files");
    };
    try {
      for (let i = 0; i < 5; i++) {
        await assert.rejects(file.begin(400), /Too many open files/);
        await file.undo();
      }
    } finally {
      Deno.openSync = openSync;
    }
    await file.begin(400);
    file.close();
    assert.deepEqual(await texts(), ["", newest]);
    assert.equal(await Deno.readTextFile(`${path}.2`), older);
  }));

Deno.test("openAudit() says why a file cannot be had", () =>
  inFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/file`, "");
    assert.throws(
      () => openAudit(`${folder}/file/audit.jsonl`),
      /Cannot open audit log .*file\/audit\.jsonl: /,
    );
  }));

Deno.test("verifyAudit() finds that an end was cut off, by a head that was noted before", () =>
  inFolder(async (folder) => {
    const path = `${folder}/audit.jsonl`;
    await write(path, ids(1, 5));
    const { head } = await verifyAudit([path]);
    await write(path, ids(6, 8));
    assert.equal((await verifyAudit([path], { head })).lines, 8, "it has grown since");
    const all = await lines(path);
    const keep = (text: readonly string[]) => Deno.writeTextFile(path, `${text.join("\n")}\n`);
    await keep(all.slice(0, 5));
    assert.equal((await verifyAudit([path], { head })).head, head);
    const last = all[4]!.replace("alice", "mallory");
    for (const cut of [all.slice(0, 4), [...all.slice(0, 4), last]]) {
      await keep(cut);
      await verifyAudit([path]);
      await assert.rejects(verifyAudit([path], { head }), BrokenAuditError);
    }
    await Deno.remove(path);
    await write(path, ids(1, 8));
    await assert.rejects(verifyAudit([path], { head }), /written again/);
  }));
