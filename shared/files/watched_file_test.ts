import assert from "node:assert/strict";
import { until } from "../../tests/support/until.ts";
import { briefly, parsedOnce, readRulesFile, WatchedFile } from "./watched_file.ts";
import { FaultyFileError } from "./faulty_file_error.ts";

/** The next call of a function, as a promise. */
function calls<T>() {
  let next = Promise.withResolvers<T>();
  return {
    call(value: T) {
      next.resolve(value);
      next = Promise.withResolvers();
    },
    next: () => next.promise,
  };
}

async function inFolder(test: (path: string) => void | Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await test(`${folder}/rules.txt`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** As tools do that replace files: there is never half of it. */
function write(path: string, text: string): void {
  Deno.writeTextFileSync(`${path}.new`, text, { mode: 0o644 });
  Deno.renameSync(`${path}.new`, path);
}

Deno.test("WatchedFile puts a good change in force, and keeps what was before a broken one", () =>
  inFolder(async (path) => {
    const read = () => readRulesFile(path, { what: "rules", maxBytes: 100 });
    const changed = calls<string>();
    const broken = calls<string>();
    write(path, "one");
    using file = new WatchedFile({
      *load() {
        const text = read();
        if (text.startsWith("!")) throw new Error(`It says ${text}`);
        yield;
        return { text, fingerprint: text };
      },
      fingerprint: read,
      onChange: ({ text }) => changed.call(text),
      onBroken: broken.call,
      pollMs: 5,
    });
    assert.equal(file.current.text, "one");
    write(path, "two");
    assert.equal(await changed.next(), "two");
    write(path, "!");
    assert.equal(await broken.next(), "It says !");
    assert.equal(file.current.text, "two");
    Deno.removeSync(path);
    assert.match(await broken.next(), /Cannot read rules .*rules.txt/);
    assert.equal(file.current.text, "two");
    write(path, "three");
    assert.equal(await changed.next(), "three");
    assert.equal(file.current.text, "three");
  }));

Deno.test("WatchedFile is not made of a file that is broken from the start", () =>
  inFolder((path) => {
    const options = {
      *load() {
        yield;
        return { fingerprint: Deno.readTextFileSync(path) };
      },
      fingerprint: () => "",
      onChange() {},
      onBroken() {},
    };
    assert.throws(() => new WatchedFile(options), Deno.errors.NotFound);
  }));

Deno.test("readRulesFile() refuses what others may change, and what is too large", () =>
  inFolder((path) => {
    const read = () => readRulesFile(path, { what: "rules", maxBytes: 3 });
    write(path, "one");
    assert.equal(read(), "one");
    write(path, "three");
    assert.throws(read, /Cannot read rules .*rules.txt: it has more than 3 bytes/);
    write(path, "two");
    Deno.chmodSync(path, 0o664);
    assert.throws(read, /others may change it; run: chmod go-w .*rules.txt/);
  }));

Deno.test("B10: a broken file is parsed once for each change of it", () =>
  inFolder(async (path) => {
    let looked = 0, parsed = 0;
    const read = () => {
      looked++;
      return readRulesFile(path, { what: "rules", maxBytes: 100 });
    };
    const parse = parsedOnce(function* (text) {
      yield;
      parsed++;
      if (text.startsWith("!")) throw new Error(`It says ${text}`);
      return { text, fingerprint: text };
    });
    const changed = calls<string>();
    write(path, "one");
    using _file = new WatchedFile({
      load: () => parse(read()),
      fingerprint: read,
      onChange: ({ text }) => changed.call(text),
      onBroken() {},
      pollMs: 1,
    });
    write(path, "!one");
    looked = 0;
    await until("many looks at it", () => looked > 20);
    assert.equal(parsed, 2, "the good one, and the broken one");
    write(path, "!two");
    const good = changed.next();
    await until("a look at the next one", () => parsed === 3);
    write(path, "two");
    assert.equal(await good, "two");
    assert.equal(parsed, 4);
  }));

Deno.test("B10: what is wrong with a file is told in one sentence, however much it is", () => {
  const place = "rules.txt:1:1: ";
  assert.equal(briefly(new FaultyFileError("rules.txt", [`${place}one`])), `${place}one`);
  const many = Array.from({ length: 50 }, () => place + "x".repeat(10_000));
  const told = briefly(new FaultyFileError("rules.txt", many));
  assert.ok(told.length < 400, `${told.length} characters`);
  assert.match(told, /^rules\.txt:1:1: x+… \(the first of 50 faults\)$/);
  assert.equal(briefly(new Error("Cannot read it")), "Cannot read it");
});
