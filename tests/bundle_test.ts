/**
 * The bundle that every executable runs means what its sources mean. `using` above all: a minifier
 * that forgets disposals made the hub take 512 tunnels in its life.
 */
import assert from "node:assert/strict";
import { dirname, join, normalize } from "node:path";
import { bundle } from "../scripts/build/bundle.ts";
import { PROGRAMS } from "../scripts/build/programs.ts";
import { Process, REPOSITORY } from "./support/process.ts";

/** `using x = y` of code: a comment has no `=` behind the name. */
const USING = /^\s*(await )?using \w+ = (.+)/gm;
const IMPORT = /^(?:import|export)\b[^;"]*?\bfrom\s*"(\.[^"]+)"|\bimport\(\s*"(\.[^"]+)"/gm;

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

/** How often each kind of value is disposed of: `new CallScope` → 3. */
function disposals(texts: Iterable<string>): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const text of texts) {
    for (const [, later = "", value = ""] of text.matchAll(USING)) {
      // Up to the first parenthesis; the bundler adds a digit to a name that two files have.
      const [head = ""] = /^(?:new |await )?[\w.#]+/.exec(value) ?? [];
      const name = later + head.replace(/\d+$/, "");
      counts[name] = (counts[name] ?? 0) + 1;
    }
  }
  return counts;
}

Deno.test("A6: the bundle disposes of what its sources dispose of", async () => {
  const fixture = { name: "disposals", entry: "tests/support/disposals.ts", flags: [] };
  const dir = await Deno.makeTempDir({ prefix: "ghub-bundle-" });
  try {
    await Deno.writeFile(`${dir}/main.js`, await bundle(fixture, REPOSITORY));
    const { stdout, stderr } = await Process.run(["run", "--no-config", `${dir}/main.js`]);
    assert.equal(stdout, "left: 0\n", stderr);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("A6: each `using` of a program's sources is in its bundle", async (t) => {
  for (const program of PROGRAMS) {
    await t.step(program.name, async () => {
      const code = new TextDecoder().decode(await bundle(program, REPOSITORY));
      assert.doesNotMatch(code, /[^\0-\x7f]/);
      // There an escape would be six characters.
      assert.doesNotMatch(code, /String\.raw`[^`]*\\u/);
      // Loaded at each start, whatever is asked for.
      if (program.lazyNode) assert.doesNotMatch(code, /^import (?!.* "node:events";)/m);
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
