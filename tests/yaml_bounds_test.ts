import assert from "node:assert/strict";
import { parsePolicy } from "../server/policy/policy_file.ts";
import { parseYamlConfig } from "../server/fluentd/config/yaml.ts";
import { countSteps } from "./support/steps.ts";
import { parseAuthFile } from "../hub/auth/auth_file.ts";
import { parseConfigFile } from "../shared/cli/config_file.ts";
import { Fault } from "../shared/codec/fault.ts";
import { readYaml } from "../shared/codec/yaml.ts";

/** Who reads YAML, all of it. */
const READERS: Readonly<Record<string, (text: string) => unknown>> = {
  "a request": readYaml,
  "an auth file": (text) => parseAuthFile("auth.yaml", text),
  "a policy file": (text) => parsePolicy("policy.yaml", text),
  "a config file": (text) => parseConfigFile(text, { path: "config.yaml", known: [] }),
  "a Fluentd config": parseYamlConfig,
};

/** Documents that are bad for one reader or another, of about so many lines. */
const DOCUMENTS: Readonly<Record<string, (n: number) => string>> = {
  "anchors": (n) => list(n, (i) => `- &a${i} x`),
  "one anchor, many aliases": (n) => `- &a x\n${list(n, () => "- *a")}`,
  "anchors and aliases": (n) => list(n, (i) => `- &a${i} x\n- *a${i}`),
  "one anchor again and again": (n) => list(n, () => "- &a x\n- *a"),
  "keys": (n) => list(n, (i) => `k${i}: 1`),
  "keys with anchors": (n) => list(n, (i) => `k${i}: &a${i} x`),
  "equal keys": (n) => list(n, () => "k: 1"),
  "operators": (n) => `version: 1\noperators:\n${list(n, (i) => `- { id: o${i}, rules: [] }`)}`,
  "unknown anchors": (n) => list(n, (i) => `- *a${i}`),
  "documents": (n) => list(n, () => "---\n1"),
  "comments": (n) => list(n, () => "# x"),
  "tags": (n) => list(n, () => "- !!str x"),
  "errors": (n) => list(n, () => "a: @"),
  "an open list": (n) => "[x, ".repeat(n),
  "a long text": (n) => `a: "${"\\\n".repeat(n)}"`,
  "plain lines": (n) => `a: ${"x\n ".repeat(n)}`,
  "blank lines": (n) => `a:${"\n".repeat(n)} b`,
};

function list(n: number, line: (i: number) => string): string {
  return Array.from({ length: n }, (_, i) => line(i)).join("\n") + "\n";
}

const SMALL = 200;
/** Twice the document is twice the work, and a little more for what is done once. */
const MOST = 2.6;

Deno.test("B11: every reader of YAML needs linear time, or refuses", async (t) => {
  for (const [who, read] of Object.entries(READERS)) {
    for (const [what, document] of Object.entries(DOCUMENTS)) {
      await t.step(`${who}: ${what}`, async () => {
        const stepsOf = (n: number) => {
          const text = document(n);
          return countSteps(() => {
            try {
              read(text);
            } catch (error) {
              assert.notEqual((error as Error).message, "");
            }
          });
        };
        await stepsOf(SMALL); // V8 counts a function from its first call under a count only.
        const small = await stepsOf(SMALL);
        const large = await stepsOf(2 * SMALL);
        assert.ok(large < MOST * small + 10_000, `${small} steps, then ${large}`);
      });
    }
  }
});

Deno.test("B11: aliases that stand for very much are refused, and the message says why", () => {
  const lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"];
  for (let i = 1; i < 20; i++) lines.push(`a${i}: &a${i} [${`*a${i - 1}, `.repeat(10)}]`);
  assert.throws(() => readYaml(lines.join("\n")), (error) => {
    assert.ok(error instanceof Fault);
    assert.match(error.message, /Aliases stand for more than \d+ values/);
    return true;
  });
});

Deno.test("an alias stands for the last anchor of its name before it", () => {
  const [document] = readYaml("- &a one\n- [*a]\n- &a two\n- *a\n- &b [*a]\n- &a three\n- *b\n");
  const shown = (node: unknown): unknown => {
    const { kind, text, items } = node as { kind: string; text: string; items: unknown[] };
    return kind === "list" ? items.map(shown) : text;
  };
  assert.deepEqual(shown(document), ["one", ["one"], "two", "two", ["two"], "three", ["two"]]);
});
