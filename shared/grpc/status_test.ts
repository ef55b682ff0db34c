import assert from "node:assert/strict";
import { Status, statusName } from "./status.ts";

Deno.test("statusName() names each code and calls others UNKNOWN", () => {
  for (const [name, code] of Object.entries(Status)) assert.equal(statusName(code), name);
  assert.deepEqual(Object.values(Status), Array.from({ length: 17 }, (_, code) => code));
  for (const code of [-1, 17, 1.5, NaN]) assert.equal(statusName(code), "UNKNOWN");
});
