/**
 * What the documents say can be done, can be done: each command is run by a test or listed with the
 * reason why not, links lead somewhere, and tasks exist.
 */
import assert from "node:assert/strict";
import { dirname, join, normalize } from "node:path";
import { commandsOf, COVERAGE, documentedCommands } from "./support/documented.ts";
import { REPOSITORY } from "./support/process.ts";

const read = (path: string) => Deno.readTextFileSync(`${REPOSITORY}${path}`);

function documents(): string[] {
  const decisions = [...Deno.readDirSync(`${REPOSITORY}docs/decisions`)]
    .map(({ name }) => `docs/decisions/${name}`);
  const docs = [...Deno.readDirSync(`${REPOSITORY}docs`)].filter(({ isFile }) => isFile)
    .map(({ name }) => `docs/${name}`);
  return ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", ...docs, ...decisions];
}

Deno.test("each documented command is run by a test, or there is a reason why not", () => {
  const commands = documentedCommands();
  assert.ok(commands.length > 10, "found no commands");
  assert.deepEqual(commands.filter(({ text }) => COVERAGE[text] === undefined), []);
});

Deno.test("no command is covered that no document has", () => {
  const documented = new Set(documentedCommands().map(({ text }) => text));
  assert.deepEqual(Object.keys(COVERAGE).filter((text) => !documented.has(text)), []);
});

Deno.test("a test that is to cover a command exists", () => {
  for (const coverage of Object.values(COVERAGE)) {
    if ("by" in coverage) assert.ok(Deno.statSync(`${REPOSITORY}${coverage.by}`).isFile);
  }
});

Deno.test("commandsOf finds commands, also indented and over several lines", () => {
  const text =
    "a\n```sh\n# no\none\ntwo \\\n  2\n```\n1. b\n\n   ```sh\n   three\n   ```\n```ts\nno\n```\n";
  assert.deepEqual(commandsOf(text), ["one", "two 2", "three"]);
});

Deno.test("each link within the documents leads to a file", () => {
  for (const path of documents()) {
    for (const [, target = ""] of read(path).matchAll(/\]\(([^)#:\s]+)(?:#[^)]*)?\)/g)) {
      const file = normalize(join(dirname(path), target));
      assert.ok(Deno.statSync(`${REPOSITORY}${file}`), `${path} → ${target}`);
    }
  }
});

/** How GitHub and its kin name a heading in a link. */
function anchorOf(heading: string): string {
  return heading.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-");
}

Deno.test("each link to a heading within the documents leads to one", () => {
  const anchors = (path: string) =>
    new Set([...read(path).matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) => anchorOf(heading)));
  assert.equal(anchorOf("14. `Bounds`, in short"), "14-bounds-in-short");
  let links = 0;
  for (const path of documents()) {
    for (const [, target = "", anchor = ""] of read(path).matchAll(/\]\(([^)#:\s]*)#([^)]+)\)/g)) {
      links++;
      const file = target === "" ? path : normalize(join(dirname(path), target));
      assert.ok(anchors(file).has(anchor), `${path} → ${target}#${anchor}`);
    }
  }
  assert.ok(links > 10, "found no links");
});

Deno.test("each number in the FAQ stands in the page that it is from", () => {
  const rows = [
    ...read("docs/faq.md").matchAll(/^\|([^|]+)\|([^|]+)\|[^|]*\]\((\w+\.md)\) *\|$/gm),
  ];
  assert.ok(rows.length >= 5, "found no numbers");
  for (const [, what = "", numbers = "", page = ""] of rows) {
    const text = read(`docs/${page}`).replaceAll(/\s+/g, " ");
    const named = [...numbers.matchAll(/`([^`]+)`/g)].map(([, number = ""]) => number);
    assert.ok(named.length > 0, what);
    for (const number of named) assert.ok(text.includes(number), `${what.trim()}: ${number}`);
  }
});

Deno.test("each page of docs/ has its line in docs/README.md", () => {
  const index = read("docs/README.md");
  for (const path of documents().filter((path) => /^docs\/\w+\.md$/.test(path))) {
    const name = path.slice("docs/".length);
    if (name !== "README.md") assert.ok(index.includes(`](${name})`), name);
  }
});

Deno.test("each task that a document names exists, and each task has a description", () => {
  const { tasks } = JSON.parse(read("deno.json")) as {
    tasks: Record<string, { description?: string }>;
  };
  for (const path of documents()) {
    for (const [, name = ""] of read(path).matchAll(/\btask ([a-z]+)\b/g)) {
      assert.ok(tasks[name] !== undefined, `${path} names task ${name}`);
    }
  }
  for (const [name, { description }] of Object.entries(tasks)) assert.ok(description, name);
});

Deno.test("each flag in the README exists", async (t) => {
  const rows = read("README.md").split("\n").filter((line) => line.startsWith("|"));
  const flags = new Map<string, Set<string>>();
  let program = "";
  for (const row of rows) {
    program = /^\| `(ghub|gserver|gclient)` /.exec(row)?.[1] ??
      (/^\| {3}/.test(row) ? program : "");
    if (program === "") continue;
    const names = [...row.split("|")[2]!.matchAll(/(?<=`)--?[a-z-]+/g)].map(([flag]) => flag);
    flags.set(program, new Set([...flags.get(program) ?? [], ...names]));
  }
  assert.deepEqual([...flags.keys()], ["ghub", "gserver", "gclient"]);
  const commands = { ghub: ["serve"], gserver: ["serve"], gclient: ["fluentd", "start"] };
  const folders = { ghub: "hub", gserver: "server", gclient: "client" };
  for (const [name, words] of Object.entries(commands)) {
    await t.step(name, async () => {
      const entry = `${REPOSITORY}${folders[name as keyof typeof folders]}/main.ts`;
      const { stdout } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "--quiet", entry, ...words, "--help"],
      }).output();
      const help = new TextDecoder().decode(stdout);
      for (const flag of flags.get(name)!) {
        assert.match(help, new RegExp(`(^|[\\s,])${flag}[\\s,]`, "m"), flag);
      }
    });
  }
});
