import assert from "node:assert/strict";
import { isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from "yaml";
import { countSteps } from "../../tests/support/steps.ts";
import { atOnce } from "../async/steps.ts";
import { parseYaml, type YamlDocument } from "./yaml_document.ts";

const MANY = 100;

function list(n: number, line: (i: number) => string, between = "\n"): string {
  return Array.from({ length: n }, (_, i) => line(i)).join(between);
}

/** Documents with lists that are composed in pieces, in every form that YAML has for them. */
const GOOD: Readonly<Record<string, string>> = {
  "a block of flow mappings": list(MANY, (i) => `- { id: e${i}, names: [a, b] }`),
  "a block of block mappings": list(MANY, (i) => `- id: e${i}\n  names:\n    - a\n    - b`),
  "a mapping": list(MANY, (i) => `k${i}: v${i}`),
  "a mapping with comments": list(MANY, (i) => `# ${i}\nk${i}: v${i} # and\n`),
  "explicit keys": list(MANY, (i) => `? k${i}\n: v${i}`),
  "keys without values": list(MANY, (i) => `k${i}:`),
  "JSON": JSON.stringify(Array.from({ length: MANY }, (_, i) => ({ id: i, names: ["a"] }))),
  "JSON in lines": JSON.stringify(Array.from({ length: MANY }, (_, i) => ({ id: i })), null, 2),
  "a flow mapping": `{ ${list(MANY, (i) => `k${i}: v${i}`, ", ")} }`,
  "a flow list with a comma at its end": `[${list(MANY, (i) => `k${i}`, ", ")}, ]`,
  "a long list in a long list": `a:\n${
    list(MANY, (i) => `  - r: [${list(i % 40, (j) => `x${j}`, ", ")}]`)
  }\nb: 1`,
  "a mapping behind a long list": `a:\n${list(MANY, (i) => `  - ${i}`)}\nb: 1\nc: [1]`,
  "anchors and tags": list(MANY, (i) => `- &a${i} !!str x${i}`),
  "texts": list(MANY, (i) => `- "a\\n${i}"\n- 'b'\n- |\n  c\n  d\n- e\n  f`),
  "one short list": "[a, b]",
  "nothing": "",
  "a comment": "# nothing",
};

/** The same with one mistake. */
const BAD: Readonly<Record<string, string>> = {
  "a list that does not end": `[${list(MANY, (i) => `k${i}`, ", ")}`,
  "a comma too much where a piece begins": `[${list(32, () => "a", ", ")}, , a${
    ", b".repeat(MANY)
  }]`,
  "a comma too few where a piece begins": `[${list(32, () => '"a"', ", ")} "b"${
    ", b".repeat(MANY)
  }]`,
  "an item without its mark": `${list(MANY, () => "- a")}\nb: 1`,
  "a key in another column": `${list(MANY, (i) => `k${i}: 1`)}\n l: 1`,
  "an open quote": `${list(MANY, () => "- a")}\n- "b`,
  "a second document": `${list(MANY, () => "- a")}\n---\nb`,
  "a tab": `a:\n\t- b\n${list(MANY, (i) => `k${i}: 1`)}`,
};

/** Everything that a reader can see of a document. */
function shown(node: Node | null, { membersOf }: Pick<YamlDocument, "membersOf">): unknown {
  const of = (one: unknown) => shown(one as Node | null, { membersOf });
  const at = node?.range?.[0];
  if (isSeq(node)) return { at, items: membersOf(node).map(of) };
  if (isMap(node)) {
    return { at, pairs: membersOf(node).map(({ key, value }) => [of(key), of(value)]) };
  }
  return isScalar(node) ? { at, value: node.value } : { at };
}

function whole(text: string) {
  const options = { schema: "core", uniqueKeys: false, merge: false, prettyErrors: false } as const;
  const lines = new LineCounter();
  const { contents, errors } = parseDocument(text, { ...options, lineCounter: lines });
  return { contents, errors, lines };
}

Deno.test("parseYaml() sees in pieces what the yaml package sees in one", async (t) => {
  for (const [what, text] of Object.entries(GOOD)) {
    await t.step(what, () => {
      const { contents, errors, lines } = whole(text);
      assert.deepEqual(errors, []);
      const document = atOnce(parseYaml(text));
      assert.deepEqual(document.problems, []);
      assert.deepEqual(
        shown(document.root, document),
        shown(contents, { membersOf: ({ items }) => items }),
      );
      assert.deepEqual(document.lines.lineStarts, lines.lineStarts);
    });
  }
});

Deno.test("parseYaml() finds in pieces every mistake that there is", async (t) => {
  for (const [what, text] of Object.entries(BAD)) {
    await t.step(what, () => {
      assert.notEqual(whole(text).errors.length, 0);
      const { problems: [first] } = atOnce(parseYaml(text));
      assert.equal(typeof first?.offset, "number");
    });
  }
});

/** A step has at most so many blocks of code to go through, which is about a millisecond. */
const MOST_BLOCKS = 15_000;

const LARGE: Readonly<Record<string, string>> = {
  "a large block": list(500, (i) => `- { id: e${i}, names: [a, b] }`),
  "a large mapping": list(1_000, (i) => `k${i}: v${i}`),
  "large JSON": JSON.stringify(Array.from({ length: 500 }, (_, i) => ({ id: i, names: ["a"] }))),
};

/** Each costs the yaml package seconds if it has some hundred thousand of these. */
const ODD: Readonly<Record<string, string>> = {
  "flow lists in one another": "[x, ".repeat(1_000),
  "block lists in one another": "- ".repeat(1_000),
  "commas": `[x${",".repeat(1_000)}]`,
  "texts without commas": `[${'"a" '.repeat(1_000)}]`,
  "anchors": `a: ${"&a ".repeat(1_000)}`,
};

Deno.test("B11: no step of parseYaml() does much, whatever the text is", async (t) => {
  const most = async (text: string) => {
    const steps = parseYaml(text);
    let largest = 0;
    for (let done = false; !done;) {
      largest = Math.max(largest, await countSteps(() => done = steps.next().done === true));
    }
    return largest;
  };
  // V8 counts a function from its first call under a count only.
  await most(LARGE["a large block"]!);
  for (const [what, text] of Object.entries({ ...LARGE, ...ODD })) {
    await t.step(what, async () => {
      const blocks = await most(text);
      assert.ok(blocks < MOST_BLOCKS, `${blocks} steps`);
    });
  }
});
