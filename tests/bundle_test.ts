/**
 * The bundle that every executable runs means what its sources mean. `using` above all: a minifier
 * that forgets disposals made the hub take 512 tunnels in its life.
 */
import assert from "node:assert/strict";
import { dirname, join, normalize } from "node:path";
import { bundle } from "../scripts/build/bundle.ts";
import { PROGRAMS } from "../scripts/build/programs.ts";
import { type Output, Process, REPOSITORY } from "./support/process.ts";

/** `using x = y` of code: a comment has no `=` behind the name. A bundle has no blanks around it. */
const USING = /\b(await )?using \w+ ?= ?((?:new |await )?[\w.#]+)/g;
const IMPORT = /^(?:import|export)\b[^;"]*?\bfrom\s*"(\.[^"]+)"|\bimport\(\s*"(\.[^"]+)"/gm;

/** A place beyond this is none that a person finds. */
const MAX_COLUMN = 200;

/** In a function that no program calls: the bundler drops it as a whole. */
const DROPPED: Readonly<Record<string, number>> = { "new CallScope": 1 };

/** A program's own sources, by path. */
function sourcesOf(entry: string): Map<string, string> {
  const found = new Map<string, string>();
  const left = [entry];
  for (let path = left.pop(); path !== undefined; path = left.pop()) {
    if (found.has(path)) continue;
    const text = Deno.readTextFileSync(join(REPOSITORY, path));
    found.set(path, text);
    const dir = dirname(path);
    for (const [, target, lazy] of text.matchAll(IMPORT)) {
      left.push(normalize(join(dir, target ?? lazy!)));
    }
  }
  return found;
}

/** Without the line breaks of a bundle, which may stand on either side of a dot or a word. */
function unbroken(text: string): string {
  return text.replaceAll(/\s+/g, " ").replaceAll(/ ?\. ?/g, ".");
}

/** How often each kind of value is disposed of: `new CallScope` → 3. */
function disposals(texts: Iterable<string>): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const text of texts) {
    for (const [, later = "", value = ""] of unbroken(text).matchAll(USING)) {
      // Up to the first parenthesis; the bundler adds a digit to a name that two files have.
      const name = later + value.replace(/\d+$/, "");
      counts[name] = (counts[name] ?? 0) + 1;
    }
  }
  return counts;
}

/** Bundles a file of this repository, and runs it. */
async function runBundled(entry: string): Promise<Output> {
  const dir = await Deno.makeTempDir({ prefix: "ghub-bundle-" });
  try {
    const code = await bundle({ name: "fixture", entry, flags: [] }, REPOSITORY);
    await Deno.writeFile(`${dir}/main.js`, code);
    return await Process.run(["run", "--no-config", `${dir}/main.js`]);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("A6: the bundle disposes of what its sources dispose of", async () => {
  const { stdout, stderr } = await runBundled("tests/support/disposals.ts");
  assert.equal(stdout, "left: 0\n", stderr);
});

Deno.test("a stack trace of a bundle has the names of the sources, and lines of code", async () => {
  const { code, stderr } = await runBundled("tests/support/bug.ts");
  assert.equal(code, 1);
  const places =
    /Error: A bug with a name\n[^]* +at Reader\.readLine \(.+:(\d+):(\d+)\)\n +at readAll \(/
      .exec(stderr);
  assert.ok(places, stderr);
  const [, line, column] = places.map(Number);
  assert.ok(line! > 1 && column! < MAX_COLUMN, stderr);
});

Deno.test("the bundle has no comments but licences, and no white space that says nothing", async () => {
  const fixture = { name: "fixture", entry: "tests/support/bug.ts", flags: [] };
  const code = new TextDecoder().decode(await bundle(fixture, REPOSITORY));
  assert.match(code, /\/\*! A licence/);
  assert.doesNotMatch(code, /Explains/);
  // Only in the text that it has.
  assert.deepEqual(code.match(/ {2}[^`]*/g), ["  two  blanks"]);
});

Deno.test("A6: each `using` of a program's sources is in its bundle", async (t) => {
  for (const program of PROGRAMS) {
    await t.step(program.name, async () => {
      const code = new TextDecoder().decode(await bundle(program, REPOSITORY));
      assert.doesNotMatch(code, /[^\0-\x7f]/);
      // There an escape would be six characters.
      assert.doesNotMatch(code, /String\.raw`[^`]*\\u/);
      // Loaded at each start, whatever is asked for.
      if (program.lazyNode) {
        const early = [...code.matchAll(/\bfrom\s*"(node:[\w/]+)"/g)].map(([, module]) => module);
        assert.deepEqual([...new Set(early)], ["node:events"]);
      }
      const inSources = disposals(sourcesOf(program.entry).values());
      const inBundle = disposals([code]);
      assert.ok(Object.keys(inSources).length > 2, "found no sources");
      const lost = Object.entries(inSources).filter(([value, count]) =>
        (inBundle[value] ?? 0) < count - (DROPPED[value] ?? 0)
      );
      assert.deepEqual(lost, []);
    });
  }
});
