import assert from "node:assert/strict";
import { nearest } from "./nearest.ts";

Deno.test("nearest() finds what was probably meant", async (t) => {
  const names = ["wait", "minHealthy", "skipValidate", "requestId", "reason"];
  const table: [name: string, meant: string | undefined][] = [
    ["wiat", "wait"],
    ["WAIT", "wait"],
    ["minhealthy", "minHealthy"],
    ["request_id", "requestId"],
    ["skipValidation", "skipValidate"],
    ["raeson", "reason"],
    ["x", undefined],
    ["somethingElse", undefined],
    ["", undefined],
  ];
  for (const [name, meant] of table) {
    await t.step(name, () => assert.equal(nearest(name, names), meant));
  }
});
