import assert from "node:assert/strict";
import { type ConfigElement, literal, parseFluentdConfig } from "./text.ts";

/** A tree as short as it can be written: name, argument, parameters, children. */
type Short = [string, string, Record<string, string>, ...Short[]];

function shorten({ name, arg, params, children }: ConfigElement): Short {
  return [name, arg, Object.fromEntries(params), ...children.map(shorten)];
}

/** Each is what Fluentd makes of it too. */
const TEXTS: Record<string, [text: string, ...children: Short[]]> = {
  "sections, arguments and comments": [
    "# a\n<source> # b\n  @type tcp # c\n  port 5170   # d\n</source>\n<match app.** b>\n</match>\n",
    ["source", "", { "@type": "tcp", port: "5170" }],
    ["match", "app.** b", {}],
  ],
  "lines that end as on Windows": [
    "<source>\r\n  port 1\r\n</source>\r\n",
    ["source", "", { port: "1" }],
  ],
  "sections within sections": [
    "<match>\n  @type copy\n  <store>\n    @type null\n  </store>\n</match>",
    ["match", "", { "@type": "copy" }, ["store", "", { "@type": "null" }]],
  ],
  "a # that is no comment": [
    "<source>\n  path /a#b\n  color #fff\n  q 'a # b'\n</source>",
    ["source", "", { path: "/a#b", color: "#fff", q: "a # b" }],
  ],
  "quoted values, with quotes and line ends in them": [
    `<source>\n  a "x \\" y"\n  b 'it\n  goes on'\n  c d\n</source>`,
    ["source", "", { a: 'x \\" y', b: "it\n  goes on", c: "d" }],
  ],
  "arrays and hashes over several lines": [
    `<source>\n  a [\n  "]", 1 ] # c\n  h {"k":{"l":"}"}}\n  z 1\n</source>`,
    ["source", "", { a: '[\n  "]", 1 ]', h: '{"k":{"l":"}"}}', z: "1" }],
  ],
  "includes, at their places": [
    "@include a/*.conf\n<source>\n  @include b.conf # c\n</source>",
    ["@include", "a/*.conf", {}],
    ["source", "", {}, ["@include", "b.conf", {}]],
  ],
  "parameters without a value": ["<source>\n  flag\n</source>", ["source", "", { flag: "" }]],
  "what no Fluentd would take": [
    '</source>\n<source>\n  a "open\n  b 1\n</match>\n<match>',
    ["source", "", { a: '"open', b: "1" }],
    ["match", "", {}],
  ],
};

Deno.test("parseConfig() reads", async (t) => {
  for (const [name, [text, ...children]] of Object.entries(TEXTS)) {
    await t.step(name, () => {
      assert.deepEqual(shorten(parseFluentdConfig(text)), ["ROOT", "", {}, ...children]);
    });
  }
});

function depthOf({ children }: ConfigElement): number {
  return 1 + Math.max(0, ...children.map(depthOf));
}

Deno.test("parseConfig() goes MAX_DEPTH sections deep, and reads on behind them", () => {
  const deep = 10_000;
  const root = parseFluentdConfig("<a>\n".repeat(deep) + "</a>\n".repeat(deep) + "<b>\n</b>\n");
  assert.equal(depthOf(root), 1 + 32);
  assert.equal(root.children.at(-1)?.name, "b");
});

Deno.test("parseConfig() ends with values that have no end, however many there are", () => {
  const text = "<source>\n" + "  a [open\n".repeat(100_000) + "  z 1\n</source>\n";
  const [source] = parseFluentdConfig(text).children;
  assert.deepEqual(Object.fromEntries(source!.params), { a: "[open", z: "1" });
  // One by one they would be 10 GB of text to look through: half an hour.
});

Deno.test("literal() leaves Ruby to Fluentd", () => {
  assert.equal(literal("5170"), "5170");
  assert.equal(literal('#{ENV["PORT"]}'), undefined);
  assert.equal(literal(undefined), undefined);
});
