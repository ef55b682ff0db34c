import assert from "node:assert/strict";
import { isNamePart, isServerName } from "./server_name.ts";

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
    ["/", false],
    ["a/b/c", false],
    ["edge\n", false],
    ["é", false],
    ["a,b", false],
  ];
  for (const [name, ok] of table) {
    await t.step(JSON.stringify(name), () => {
      assert.equal(isServerName(name), ok);
      assert.equal(isNamePart(name), ok && !name.includes("/"));
    });
  }
});
