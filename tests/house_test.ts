/**
 * Rules of the house that a program can check: who imports whom, how long a file may be, and where
 * packages come from. The table of imports is the one in docs/architecture.md.
 */
import assert from "node:assert/strict";
import { dirname, join, normalize } from "node:path";
import { PHRASES, phrasesIn } from "./support/english.ts";
import { REPOSITORY } from "./support/process.ts";

/** The alarm for a file that is two things is its second class, not its length. */
const MAX_LINES = 600;
const MAX_EXPORTED_CLASSES = 2;
const GENERATED = "shared/gen/";
/** Made by tools or by hand for a moment, and git-ignored. */
const SKIPPED = new Set([".git", "node_modules", ".deno_modules", "coverage", "dist"]);

/** Files that only tests use: they may import what tests may. */
const IS_TEST = /(_test|_bench|_fixture|\/fake_\w+|\/test_\w+)\.ts$|\/(testing|testdata)\//;
/** Static and dynamic imports, and files named relative to the one that names them. */
const IMPORTS = [
  /^(?:import|export)\b[^;"]*?\bfrom\s*"([^"]+)"/gm,
  /^import\s*"([^"]+)"/gm,
  /\bimport\(\s*"([^"]+)"/g,
  /\bnew URL\(\s*"(\.[^"]+)"/g,
];

function* walk(dir: string): Generator<string> {
  for (const entry of Deno.readDirSync(join(REPOSITORY, dir))) {
    const path = dir === "" ? entry.name : `${dir}/${entry.name}`;
    if (SKIPPED.has(entry.name)) continue;
    if (entry.isDirectory) yield* walk(path);
    else if (entry.isFile) yield path;
  }
}

function read(path: string): string {
  return Deno.readTextFileSync(join(REPOSITORY, path));
}

/** Programs, of which each room and each file that stands in no room is a part. */
const PROGRAMS = new Set(["hub", "server", "client"]);

/**
 * `hub/relay/direction.ts` → `hub/relay`, `hub/main.ts` → `hub/main.ts`, `shared/grpc/status.ts` →
 * `shared/grpc`, `shared/version.ts` → `shared/`, `tests/story_test.ts` → `tests`.
 */
function partOf(path: string): string {
  const [first = "", second, third] = path.split("/");
  if (PROGRAMS.has(first)) return third === undefined ? path : `${first}/${second}`;
  if (first !== "shared") return first;
  return third === undefined ? "shared/" : `${first}/${second}`;
}

/** Part → what it may import, from the Markdown table. */
function importTable(markdown: string): Map<string, string[]> {
  const rows = markdown.split("\n").filter((line) => /^\| `[\w/.]+` +\|[^|]*\|$/.test(line));
  const names = (text = "") => [...text.matchAll(/`([^`]+)`/g)].map(([, name]) => name!);
  return new Map(rows.map((row) => {
    const [, part, allowed] = row.split("|");
    return [names(part)[0]!, names(allowed)];
  }));
}

function mayImport(table: Map<string, string[]>, from: string, to: string): boolean {
  const allowed = table.get(from) ?? [];
  const [program] = to.split("/");
  return from === to || to === "shared/" || allowed.includes(to) ||
    allowed.includes(`${program}/*`);
}

const sources = [...walk("")].filter((path) => path.endsWith(".ts"));

/** What a file imports: files by their path, packages by their specifier. */
function importsOf(path: string, text = read(path)): string[] {
  return IMPORTS.flatMap((pattern) => [...text.matchAll(pattern)])
    .map(([, name = ""]) => name.startsWith(".") ? normalize(join(dirname(path), name)) : name);
}

const architecture = read("docs/architecture.md");
const table = importTable(
  architecture.slice(architecture.indexOf("## Who may import whom")),
);

/** What a file imports against the table. */
function forbiddenIn(path: string, text?: string): string[] {
  const [program = ""] = path.split("/");
  const isForTests = (target: string) =>
    IS_TEST.test(path) &&
    (partOf(target).startsWith("shared/") || target.startsWith("tests/support/") ||
      (PROGRAMS.has(program) && target.startsWith(`${program}/`)));
  return importsOf(path, text).filter((target) => target.endsWith(".ts"))
    .filter((target) => !isForTests(target) && !mayImport(table, partOf(path), partOf(target)))
    .map((target) => `${path} imports ${target}`);
}

Deno.test("each file imports only what docs/architecture.md allows its part", () => {
  assert.ok(sources.length > 100, "found no sources");
  assert.deepEqual(sources.flatMap((path) => forbiddenIn(path)), []);
});

Deno.test("a file that imports against the table is found, however it imports", () => {
  const planted: [path: string, line: string][] = [
    ["hub/relay/direction.ts", 'import { CallListener } from "../calls/call_listener.ts";'],
    ["hub/registry/registry.ts", 'import type { Access } from "../access/access.ts";'],
    ["shared/http2/connection.ts", 'export { startHub } from "../../hub/hub.ts";'],
    ["server/dial/dial.ts", 'export * from "../tunnel/tunnel.ts";'],
    ["client/connect/dial.ts", 'import "../../tests/support/until.ts";'],
  ];
  for (const [path, line] of planted) {
    assert.equal(forbiddenIn(path, `import { y } from "./y.ts";\n${line}\n`).length, 1, line);
  }
  assert.deepEqual(forbiddenIn("hub/calls/a.ts", 'import "../relay/direction.ts";'), []);
});

/** What a file that is no test imports of what only tests use. */
function testCodeIn(path: string, text?: string): string[] {
  if (IS_TEST.test(path) || /^(tests|bench)\//.test(path)) return [];
  return importsOf(path, text).filter((target) => IS_TEST.test(target))
    .map((target) => `${path} imports ${target}`);
}

Deno.test("only tests import what is for tests", () => {
  assert.deepEqual(sources.flatMap((path) => testCodeIn(path)), []);
});

Deno.test("D5: product code that imports test code is found, whatever the test code is called", () => {
  const planted: [path: string, line: string, target: string][] = [
    ["client/print/describe.ts", 'import "../shared/http2/testing/wire.ts";', "a testing folder"],
    ["server/server.ts", 'import "./test_hub.ts";', "test_*.ts"],
    ["server/server.ts", 'export { x } from "./test_echo.ts";', "test_*.ts"],
    ["hub/hub.ts", 'const { x } = await import("./testing/socket.ts");', "a testing folder"],
    ["hub/auth/jwt.ts", 'import { x } from "../testing/dialled.ts";', "a testing folder"],
    ["shared/codec/xml.ts", 'import { x } from "./testdata/all.ts";', "a testdata folder"],
    ["server/fluentd/mod.ts", 'import { x } from "./test_kit.ts";', "the test kit"],
    ["client/main.ts", 'import { x } from "./fake_hub.ts";', "a fake"],
  ];
  for (const [path, line, what] of planted) {
    assert.equal(testCodeIn(path, `import { y } from "./y.ts";\n${line}\n`).length, 1, what);
  }
  assert.deepEqual(testCodeIn("hub/a_test.ts", 'import { x } from "./testing/socket.ts";'), []);
  assert.deepEqual(testCodeIn("hub/latest.ts", 'import { x } from "./attestation.ts";'), []);
});

Deno.test("the table in docs/architecture.md names each part that there is, and no other", () => {
  const parts = new Set(
    sources.filter((path) => !PROGRAMS.has(path.split("/")[0]!) || !IS_TEST.test(path)).map(partOf),
  );
  assert.deepEqual([...table.keys()].sort(), [...parts].sort());
});

Deno.test("each room has its line in docs/architecture.md, and no other folder has one", () => {
  const rooms = new Set(
    sources.filter((path) => !IS_TEST.test(path) || path === "shared/testing/property.ts")
      .filter((path) => PROGRAMS.has(path.split("/")[0]!) || path.startsWith("shared/"))
      .map(partOf).filter((part) => !/\.ts$|\/$/.test(part)),
  );
  const [, section = ""] = architecture.split("\n## Folders\n");
  const named = [...section.split("\n## ")[0]!.matchAll(/^\| `(\w+\/\w+)` +\| \w/gm)];
  assert.deepEqual(named.map(([, room]) => room).sort(), [...rooms].sort());
});

Deno.test("mayImport would notice a wrong import", () => {
  assert.equal(mayImport(table, "shared/grpc", "hub"), false);
  assert.equal(mayImport(table, "hub/relay", "server/dial"), false);
  assert.equal(mayImport(table, "hub/relay", "hub/calls"), false);
  assert.equal(mayImport(table, "hub/auth", "hub/access"), false);
  assert.equal(mayImport(table, "server/tunnel", "client/call"), false);
  assert.equal(mayImport(table, "client/call", "tests"), false);
  assert.equal(mayImport(table, "shared/http2", "shared/bytes"), true);
  assert.equal(mayImport(table, "hub/relay", "shared/http2"), true);
  assert.equal(mayImport(table, "tests", "hub/relay"), true);
});

/** The circles of a graph, each as its members in alphabetical order. */
function circles(graph: ReadonlyMap<string, ReadonlySet<string>>): string[][] {
  const reach = (from: string) => {
    const seen = new Set<string>();
    const next = [...graph.get(from) ?? []];
    for (let node = next.pop(); node !== undefined; node = next.pop()) {
      if (seen.has(node)) continue;
      seen.add(node);
      next.push(...graph.get(node) ?? []);
    }
    return seen;
  };
  const reached = new Map([...graph.keys()].map((node) => [node, reach(node)]));
  const found = new Map<string, string[]>();
  for (const [node, others] of reached) {
    if (!others.has(node)) continue;
    const circle = [...others].filter((other) => reached.get(other)?.has(node)).sort();
    found.set(circle.join(), circle);
  }
  return [...found.values()];
}

/** What the files that are no tests import, by file or by part. @param planted Text in the place of a file's. */
function graphOf(
  nameOf: (path: string) => string,
  planted: Readonly<Record<string, string>> = {},
): Map<string, Set<string>> {
  const graph = new Map<string, Set<string>>();
  for (const path of sources) {
    if (IS_TEST.test(path) || /^(tests|bench)\//.test(path)) continue;
    const [from, to] = [nameOf(path), graph.get(nameOf(path)) ?? new Set<string>()];
    graph.set(from, to);
    for (const target of importsOf(path, planted[path])) {
      if (target.endsWith(".ts") && nameOf(target) !== from) to.add(nameOf(target));
    }
  }
  return graph;
}

Deno.test("no files import each other in a circle, and no parts", () => {
  const files = graphOf((path) => path);
  assert.ok([...files.values()].some((targets) => targets.size > 10), "found no imports");
  assert.deepEqual(circles(files), []);
  assert.deepEqual(circles(graphOf(partOf)), []);
});

Deno.test("circles() would notice a circle", () => {
  const graph = new Map([
    ["a", new Set(["b"])],
    ["b", new Set(["c", "d"])],
    ["c", new Set(["a"])],
    ["d", new Set<string>()],
  ]);
  assert.deepEqual(circles(graph), [["a", "b", "c"]]);
  graph.get("b")!.delete("c");
  assert.deepEqual(circles(graph), []);
});

Deno.test("a circle of two files of this house is found, and one of two parts", () => {
  const files = {
    "hub/registry/tunnel.ts": 'import type { Registry } from "./registry.ts";',
    "shared/bytes/byte_queue.ts": 'import type { Stream } from "../http2/stream.ts";',
  };
  const found = circles(graphOf((path) => path, files)).flat();
  for (const path of Object.keys(files)) assert.ok(found.includes(path), path);
  assert.ok(circles(graphOf(partOf, files)).flat().includes("shared/bytes"));
});

/** What each program has of its own kind, under one name: no file sees two of them. */
const ONE_PER_PROGRAM = new Set([
  "authCommand",
  "defaultStateDir",
  "dial",
  "DialOptions",
  "ERROR_DOMAIN",
  "options",
  "program",
  "readToken",
  "ServeValues",
  "toConfig",
]);

/** Names that more than one file exports: `name: file, file`. */
function namesOfTwo(files: readonly (readonly [path: string, text: string])[]): string[] {
  const exported = new Map<string, Set<string>>();
  const declared =
    /^export (?:abstract |async )?(?:interface|type|const|function|class) ([A-Za-z_]\w*)/gm;
  for (const [path, text] of files) {
    for (const [, name = ""] of text.matchAll(declared)) {
      exported.set(name, (exported.get(name) ?? new Set()).add(path));
    }
  }
  return [...exported].filter(([name, paths]) => paths.size > 1 && !ONE_PER_PROGRAM.has(name))
    .map(([name, paths]) => `${name}: ${[...paths].join(", ")}`);
}

Deno.test("no exported name stands for two things", () => {
  const product = sources.filter((path) =>
    !IS_TEST.test(path) && !/^(tests|bench)\//.test(path) && !path.startsWith(GENERATED)
  );
  assert.deepEqual(namesOfTwo(product.map((path) => [path, read(path)])), []);
});

Deno.test("namesOfTwo() would notice a name that stands for two things", () => {
  const planted = [
    ["hub/a.ts", "export interface Route {}\nexport type Way = 1;\nexport const Way = 1;\n"],
    ["client/b.ts", "export class Route {}\nexport const options = {};\n"],
    ["server/c.ts", "export const options = {};\n"],
  ] as const;
  assert.deepEqual(namesOfTwo(planted), ["Route: hub/a.ts, client/b.ts"]);
});

const isLong = (text: string) => text.trimEnd().split("\n").length > MAX_LINES;
const isDrawer = (text: string) =>
  [...text.matchAll(/^export (abstract )?class /gm)].length > MAX_EXPORTED_CLASSES;

Deno.test(`no file is longer than ${MAX_LINES} lines`, () => {
  const written = sources.filter((path) => !path.startsWith(GENERATED));
  assert.deepEqual(written.filter((path) => isLong(read(path))), []);
});

Deno.test(`no file exports more than ${MAX_EXPORTED_CLASSES} classes`, () => {
  assert.deepEqual(sources.filter((path) => isDrawer(read(path))), []);
});

Deno.test("a file that is too long, or a drawer of classes, is found", () => {
  assert.deepEqual([MAX_LINES, MAX_LINES + 1].map((lines) => isLong("x\n".repeat(lines))), [
    false,
    true,
  ]);
  assert.deepEqual([2, 3].map((classes) => isDrawer("export class A {}\n".repeat(classes))), [
    false,
    true,
  ]);
});

/** All that a program is made of: files and packages. */
function madeOf(main: string): Set<string> {
  const found = new Set([main]);
  for (const path of found) {
    if (path.endsWith(".ts")) { for (const target of importsOf(path)) found.add(target); }
  }
  return found;
}

const isForeign = (name: string) =>
  name.startsWith("@grpc/") || name === "node:http2" || name === "http2";

/** What a file of the hub or of gclient imports that decision 20 keeps out of them. */
function foreignIn(path: string, text?: string): string[] {
  if (!/^(hub|client)\//.test(path) || IS_TEST.test(path)) return [];
  return importsOf(path, text).filter(isForeign);
}

Deno.test("no file of the hub or of gclient imports grpc-js or node:http2 (decision 20)", () => {
  assert.deepEqual(sources.flatMap((path) => foreignIn(path)), []);
  for (const name of ["@grpc/grpc-js", "node:http2", "@grpc/proto-loader"]) {
    assert.deepEqual(foreignIn("hub/own/hub_service.ts", `import x from "${name}";`), [name]);
    assert.deepEqual(foreignIn("client/call/call.ts", `export * from "${name}";`), [name]);
  }
});

Deno.test("neither ghub nor gclient is made of grpc-js or node:http2 (decision 20)", () => {
  for (const main of ["hub/main.ts", "client/main.ts", "hub/mod.ts", "client/mod.ts"]) {
    assert.deepEqual([...madeOf(main)].filter(isForeign), [], main);
  }
  // It would be noticed.
  assert.deepEqual([...madeOf("server/main.ts")].filter(isForeign).sort(), [
    "@grpc/grpc-js",
    "node:http2",
  ]);
});

Deno.test("packages come from npm, pinned exactly, and by way of deno.json", () => {
  const { imports } = JSON.parse(read("deno.json")) as { imports: Record<string, string> };
  for (const [name, target] of Object.entries(imports)) {
    assert.match(target, /^npm:(@[\w.-]+\/)?[\w.-]+@\d+\.\d+\.\d+(\/[\w./-]+)?$/, name);
  }
  const known = new Set(Object.keys(imports));
  const existing = new Set(walk(""));
  for (const path of sources) {
    const others = importsOf(path).filter((name) =>
      !/^node:|\.(ts|sh|crt)$|^[^@]*\/$|^\.$/.test(name)
    );
    const unknown = others.filter((name) => !known.has(name) && !existing.has(name));
    assert.deepEqual(unknown, [], path);
  }
  assert.ok(!read("deno.lock").includes('"jsr'), "deno.lock names JSR");
});

Deno.test("A4: no run is red by luck: random values of tests come from the run's seed", () => {
  const lucky = /from "fast-check"|\bMath\.random\(/;
  const allowed = ["shared/testing/property.ts"];
  const wrong = sources.filter((path) => IS_TEST.test(path) || path.startsWith("tests/"))
    .filter((path) => path !== "tests/house_test.ts" && lucky.test(read(path)));
  assert.deepEqual(wrong.sort(), allowed);
});

Deno.test("who calls a hub in a test or a bench does so without its GOAWAY (decision 9)", () => {
  const plain = /\bcredentials\.create|\bhttp2\.connect\(`http/;
  // They are not there any more when their hub says goodbye.
  const allowed = ["bench/start/grpc_js_call.ts", "tests/reliability/liveness_test.ts"];
  const wrong = sources.filter((path) => /^(tests|bench)\//.test(path) && plain.test(read(path)));
  assert.deepEqual(wrong.sort(), allowed);
});

Deno.test("each file of ours says what it is", () => {
  const silent = sources.filter((path) => !path.startsWith(GENERATED) && !/_test\.ts$/.test(path))
    .filter((path) => !/^\/\*\*/.test(read(path)));
  assert.deepEqual(silent, []);
});

Deno.test("A2: no program of ours speaks TLS on sockets that cannot be told not to delay", () => {
  // Deno's own TLS leaves Nagle's algorithm on (decision 15): small writes wait for a delayed ACK.
  const delayed = /\bDeno\.(listenTls|connectTls|serve)\b\(/;
  const wrong = sources.filter((path) => /^(hub|server|client|shared)\//.test(path))
    .filter((path) => !IS_TEST.test(path) && delayed.test(read(path)));
  // One answer in plain text to a browser of the same machine.
  assert.deepEqual(wrong, ["client/login/browser_login.ts"]);
});

Deno.test("each decision has its line in docs/decisions/README.md, by its title", () => {
  const index = read("docs/decisions/README.md");
  const wrong = [...walk("docs/decisions")].filter((path) => /\/\d{4}-/.test(path)).filter(
    (path) => {
      const [, number, title] = /^# (\d+)\. (.+)$/m.exec(read(path)) ?? [];
      const line = `[${title}](${path.slice("docs/decisions/".length)})`;
      return !path.includes(`/${number?.padStart(4, "0")}-`) || !index.includes(line);
    },
  );
  assert.deepEqual(wrong, []);
});

/** What people read of this project, but for its past: changelog and decisions stay as they were. */
const READ_BY_PEOPLE =
  /^(README|CONTRIBUTING|SECURITY)\.md$|^docs\/\w+\.md$|^systemd\/|\.proto$|^(hub|server|client|shared|scripts)\/.*\.ts$/;

Deno.test("sentences are read once: no phrase of tests/support/english.ts is used", () => {
  const texts = [...walk("")].filter((path) => READ_BY_PEOPLE.test(path) && !IS_TEST.test(path))
    .filter((path) => !path.startsWith(GENERATED) && !path.startsWith("proto/google/"));
  assert.ok(texts.length > 300, "found no texts");
  const wrong = texts.flatMap((path) => phrasesIn(read(path)).map((found) => `${path}: ${found}`));
  assert.deepEqual(wrong, []);
});

Deno.test("phrasesIn() would notice each phrase, and takes what is right", () => {
  for (const { example, write } of PHRASES) assert.equal(phrasesIn(example).length, 1, write);
  assert.deepEqual(phrasesIn("A caller registers so many names that the hub forgets others."), []);
  assert.deepEqual(phrasesIn("/** Who calls. */\nTests stand beside it. A caller who waits."), []);
});
