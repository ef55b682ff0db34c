import assert from "node:assert/strict";
import { isServerName, MAX_LABELS, parseLabels, parseMeta, quote } from "./meta.ts";

const UUID = "5f0c8f0e-0a1b-4c2d-8e3f-0123456789ab";

function meta(headers: Record<string, string>) {
  const all = new Headers(headers);
  return parseMeta((name) => all.get(name), "192.0.2.7:4711");
}

Deno.test("isServerName() takes the alphabet, one upstream, and 128 characters each", async (t) => {
  const table: [name: string, ok: boolean][] = [
    ["edge-1", true],
    ["a", true],
    ["0.a_b-c", true],
    ["edge-1/payments", true],
    ["x".repeat(128), true],
    [`${"x".repeat(128)}/${"y".repeat(128)}`, true],
    ["x".repeat(129), false],
    [`a/${"y".repeat(129)}`, false],
    ["", false],
    ["Edge", false],
    ["edge 1", false],
    ["edge/", false],
    ["/payments", false],
    ["a/b/c", false],
    ["edge\n", false],
    ["é", false],
    ["a,b", false],
  ];
  for (const [name, ok] of table) {
    await t.step(quote(name), () => assert.equal(isServerName(name), ok));
  }
});

Deno.test("parseMeta() reads all headers", () => {
  assert.deepEqual(
    meta({
      "X-Hub-Meta-Name": "edge-1",
      "X-Hub-Meta-Labels": "env=prod, site=ams,empty=",
      "X-Hub-Meta-Instance": UUID.toUpperCase(),
      "X-Hub-Meta-Version": "0.1.0",
    }),
    {
      name: "edge-1",
      labels: { env: "prod", site: "ams", empty: "" },
      instance: UUID,
      version: "0.1.0",
      remoteAddress: "192.0.2.7:4711",
    },
  );
});

Deno.test("parseMeta() needs the name alone", () => {
  assert.deepEqual(meta({ "X-Hub-Meta-Name": "edge-1" }), {
    name: "edge-1",
    labels: {},
    instance: "",
    version: "",
    remoteAddress: "192.0.2.7:4711",
  });
});

Deno.test("parseMeta() refuses with 400 and says where", async (t) => {
  const table: [what: string, headers: Record<string, string>, says: RegExp][] = [
    ["no name", {}, /Missing header X-Hub-Meta-Name/],
    ["bad name", { "X-Hub-Meta-Name": "Edge 1" }, /"Edge 1" in X-Hub-Meta-Name/],
    ["bad labels", { "X-Hub-Meta-Name": "a", "X-Hub-Meta-Labels": "env" }, /X-Hub-Meta-Labels/],
    ["bad instance", { "X-Hub-Meta-Name": "a", "X-Hub-Meta-Instance": "7" }, /UUID/],
    ["bad version", { "X-Hub-Meta-Name": "a", "X-Hub-Meta-Version": "x".repeat(65) }, /64 visible/],
    ["long name, cut", { "X-Hub-Meta-Name": "x".repeat(9000) }, /^.{0,250}$/],
  ];
  for (const [what, headers, says] of table) {
    await t.step(what, () => {
      const refusal = meta(headers);
      assert.ok("status" in refusal);
      assert.equal(refusal.status, 400);
      assert.equal(refusal.code, "INVALID_ARGUMENT");
      assert.match(refusal.message, says);
    });
  }
});

Deno.test("parseMeta() refuses a name that was sent twice", () => {
  const headers = new Headers();
  headers.append("x-hub-meta-name", "a");
  headers.append("x-hub-meta-name", "b");
  const refusal = parseMeta((name) => headers.get(name), "");
  assert.ok("status" in refusal);
});

Deno.test("parseLabels() is bounded and strict", async (t) => {
  const many = (count: number) => Array.from({ length: count }, (_, i) => `k${i}=v`).join(",");
  assert.equal(Object.keys(parseLabels(many(MAX_LABELS))).length, MAX_LABELS);
  const table: [what: string, text: string, says: RegExp][] = [
    ["one too many", many(MAX_LABELS + 1), /more than 64/],
    ["a million", many(100_000), /more than 64/],
    ["no value", "env", /not key=value/],
    ["empty item", "env=prod,", /not key=value/],
    ["no key", "=prod", /label key/],
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
