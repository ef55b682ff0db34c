import assert from "node:assert/strict";
import { MAX_LABELS, parseLabels } from "./labels.ts";

Deno.test("parseLabels() reads key=value pairs", () => {
  assert.deepEqual(parseLabels(""), {});
  assert.deepEqual(parseLabels("env=prod, site=ams,a.b/c-d_e="), {
    env: "prod",
    site: "ams",
    "a.b/c-d_e": "",
  });
});

Deno.test("parseLabels() is bounded and strict", async (t) => {
  const many = (count: number) => Array.from({ length: count }, (_, i) => `k${i}=v`).join(",");
  assert.equal(Object.keys(parseLabels(many(MAX_LABELS))).length, MAX_LABELS);
  const table: [what: string, text: string, says: RegExp][] = [
    ["one too many", many(MAX_LABELS + 1), /more than 64/],
    ["a million", many(100_000), /more than 64/],
    ["no value", "env", /"env".* not key=value/],
    ["empty item", "env=prod,", /not key=value/],
    ["no key", "=prod", /label key/],
    ["a hyphen first", "-a=x", /label key/],
    ["prototype", "__proto__=x", /label key/],
    ["long key", `${"k".repeat(64)}=v`, /label key/],
    ["long value", `k=${"v".repeat(129)}`, /value of label "k"/],
    ["second equals sign", "k=a=b", /value of label "k"/],
    ["space inside", "k=a b", /value of label "k"/],
    ["not ASCII", "k=é", /value of label "k"/],
    ["twice", "k=1,k=2", /"k" twice/],
  ];
  for (const [what, text, says] of table) {
    await t.step(what, () => {
      assert.throws(() => parseLabels(text), { name: "SyntaxError", message: says });
    });
  }
  await t.step("a key that Object.prototype has", () => {
    assert.deepEqual(parseLabels("constructor=x"), { constructor: "x" });
  });
});
