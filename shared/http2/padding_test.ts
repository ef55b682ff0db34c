import assert from "node:assert/strict";
import { ErrorCode } from "./frames.ts";
import { unpad } from "./padding.ts";

Deno.test("unpad() takes the padding off", () => {
  assert.deepEqual(unpad(Uint8Array.of(0)), new Uint8Array());
  assert.deepEqual(unpad(Uint8Array.of(0, 7)), Uint8Array.of(7));
  assert.deepEqual(unpad(Uint8Array.of(2, 7, 8, 0, 0)), Uint8Array.of(7, 8));
  assert.deepEqual(unpad(Uint8Array.of(2, 0, 0)), new Uint8Array());
});

Deno.test("unpad() refuses padding that leaves no room for its own length", async (t) => {
  for (const payload of [[], [1], [3, 0, 0], [255, 1, 2]]) {
    await t.step(`[${payload}]`, () => {
      assert.throws(() => unpad(Uint8Array.from(payload)), { code: ErrorCode.PROTOCOL_ERROR });
    });
  }
});
