import assert from "node:assert/strict";
import { parseMeta } from "./registration_headers.ts";

const UUID = "5f0c8f0e-0a1b-4c2d-8e3f-0123456789ab";

function meta(headers: Record<string, string>) {
  const all = new Headers(headers);
  return parseMeta((name) => all.get(name), "192.0.2.7:4711");
}

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
