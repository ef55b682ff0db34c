import assert from "node:assert/strict";
import { duration } from "../../shared/grpc/proto_time.ts";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { MAX_WAIT_MS, readDuration, readText } from "./wire.ts";

Deno.test("readDuration() takes what is within bounds", async (t) => {
  assert.equal(readDuration("wait", undefined, { defaultMs: 7 }), 7);
  assert.equal(readDuration("wait", {}, { defaultMs: 7 }), 0, "0s was asked for");
  assert.equal(readDuration("wait", { seconds: 1, nanos: 500_000_000 }, { defaultMs: 7 }), 1500);
  assert.equal(readDuration("wait", duration(MAX_WAIT_MS), { defaultMs: 7 }), MAX_WAIT_MS);
  for (
    const bad of [{ seconds: -1 }, { nanos: -1 }, duration(MAX_WAIT_MS + 1), { seconds: NaN }]
  ) {
    await t.step(
      JSON.stringify(bad),
      () =>
        assert.throws(
          () => readDuration("min_healthy", bad, { defaultMs: 7 }),
          (error: RpcError) => error.code === 3 && /^Invalid min_healthy/.test(error.message),
        ),
    );
  }
});

Deno.test("readText() refuses what is too long or would break a log line", async (t) => {
  assert.equal(readText("reason", undefined, { maxLength: 3 }), "");
  assert.equal(readText("reason", "é→x", { maxLength: 3 }), "é→x");
  for (const bad of ["abcd", "a\nb", "\x1b[2J", "\x7f"]) {
    await t.step(
      JSON.stringify(bad),
      () => assert.throws(() => readText("reason", bad, { maxLength: 3 }), RpcError),
    );
  }
});
