import assert from "node:assert/strict";
import { fc } from "../testing/property.ts";
import { MAX_REQUIREMENTS, MAX_SELECTOR_LENGTH, parseSelector, selects } from "./selector.ts";

/** Servers by name, with their labels. */
const SERVERS = {
  ams: { env: "prod", role: "edge", site: "ams" },
  lon: { env: "prod", role: "core", site: "lon" },
  try: { env: "prod", role: "edge", site: "lon", canary: "" },
  dev: { env: "test", role: "edge" },
  odd: { "a.b/c-d_e": "x(1)!", in: "in", notin: "y" },
};

Deno.test("a selector names the servers that kubectl would", async (t) => {
  const table: [selector: string, expected: string[]][] = [
    ["env=prod", ["ams", "lon", "try"]],
    ["env==prod", ["ams", "lon", "try"]],
    ["env = prod , role = edge", ["ams", "try"]],
    ["env=prod,role=edge", ["ams", "try"]],
    ["env=prod,role in (edge,core),!canary,site!=ams", ["lon"]],
    ["env!=prod", ["dev", "odd"]],
    ["site!=ams", ["lon", "try", "dev", "odd"]],
    ["role in (core)", ["lon"]],
    ["role in(core,edge)", ["ams", "lon", "try", "dev"]],
    ["role notin ( core , edge )", ["odd"]],
    ["site notin (ams)", ["lon", "try", "dev", "odd"]],
    ["canary", ["try"]],
    ["!canary", ["ams", "lon", "dev", "odd"]],
    ["! canary", ["ams", "lon", "dev", "odd"]],
    ["canary=", ["try"]],
    ["canary in (,x)", ["try"]],
    ["canary,site", ["try"]],
    ["env,!env", []],
    ["a.b/c-d_e=x(1)!", ["odd"]],
    ["in", ["odd"]],
    ["notin", ["odd"]],
    ["in in (in)", ["odd"]],
    ["notin notin (z),in", ["odd"]],
    ["!in", ["ams", "lon", "try", "dev"]],
    ["toString", []],
    ["!constructor", ["ams", "lon", "try", "dev", "odd"]],
    ["\tenv\n=\r\nprod ", ["ams", "lon", "try"]],
  ];
  for (const [text, expected] of table) {
    await t.step(JSON.stringify(text), () => {
      const selector = parseSelector(text);
      const found = Object.entries(SERVERS).filter(([, labels]) => selects(selector, labels));
      assert.deepEqual(found.map(([name]) => name), expected);
    });
  }
});

Deno.test("a selector that cannot be read tells the column", async (t) => {
  const table: [selector: string, why: string][] = [
    ["", "a label's key is missing at column 1"],
    [" ", "a label's key is missing at column 2"],
    ["env=prod,", "a label's key is missing at column 10"],
    [",env=prod", "a label's key is missing at column 1"],
    ["env=prod,,a=b", "a label's key is missing at column 10"],
    ["=prod", "a label's key is missing at column 1"],
    ["!", "a label's key is missing at column 2"],
    ["!!env", "a label's key is missing at column 2"],
    ["env=a=b", "a comma is missing at column 6"],
    ["env===b", "a comma is missing at column 6"],
    ["env prod", "a comma is missing at column 5"],
    ["env = a b", "a comma is missing at column 9"],
    ["!env=prod", "a comma is missing at column 5"],
    ["role in edge", '"(" is missing after "in" at column 9'],
    ["role notin", '"(" is missing after "notin" at column 11'],
    ["role in (edge", '")" is missing at column 14'],
    ["role in (edge core)", '")" is missing at column 15'],
    ["role in (a=b)", '")" is missing at column 11'],
    ["role in (a) b", "a comma is missing at column 13"],
    ["role inside (a)", "a comma is missing at column 6"],
    ["env>1", '"env>1" is not a label\'s key at column 1'],
    ["-env=a", '"-env" is not a label\'s key at column 1'],
    ["env=ä", '"ä" is not a label\'s value at column 5'],
    [`a=b,${"k".repeat(64)}=b`, `"${"k".repeat(64)}" is not a label's key at column 5`],
  ];
  for (const [text, why] of table) {
    await t.step(JSON.stringify(text), () => {
      assert.throws(() => parseSelector(text), (error) => {
        assert.ok(error instanceof SyntaxError);
        assert.match(error.message, /^Cannot read selector "/);
        assert.equal(error.message.slice(-why.length), why, error.message);
        return true;
      });
    });
  }
});

Deno.test("a selector has bounds", () => {
  const many = (count: number) => Array.from({ length: count }, (_, i) => `k${i}`).join(",");
  assert.equal(parseSelector(many(MAX_REQUIREMENTS)).length, MAX_REQUIREMENTS);
  assert.throws(() => parseSelector(many(MAX_REQUIREMENTS + 1)), /more than 64 requirements/);
  assert.throws(() => parseSelector("k".repeat(MAX_SELECTOR_LENGTH + 1)), /more than 8192 char/);
});

Deno.test("any text is a selector, or an error that says where", () => {
  const piece = fc.constantFrom(
    "env",
    "=",
    "==",
    "!=",
    "!",
    ",",
    "(",
    ")",
    "in",
    "notin",
    " ",
    "x",
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(piece, fc.string()), { maxLength: 12 }), (pieces) => {
      const text = pieces.join("");
      try {
        for (const labels of Object.values(SERVERS)) selects(parseSelector(text), labels);
      } catch (error) {
        assert.ok(error instanceof SyntaxError);
        const column = Number(/ at column (\d+)$/.exec(error.message)?.[1]);
        assert.ok(column >= 1 && column <= text.length + 1, error.message);
      }
    }),
    { numRuns: 500 },
  );
});
