import assert from "node:assert/strict";
import { root } from "./root.ts";
import { decodeMessage, encodeMessage, methodPath } from "./service.ts";

Deno.test("decodeMessage() gives plain objects", () => {
  const type = root.lookupType("fluentd.v1.StopResponse");
  const value = { status: "FAILED", remainingBufferBytes: 5_000_000_000, elapsed: { seconds: 3 } };
  assert.deepEqual(decodeMessage(type, encodeMessage(type, value)), value);
  assert.deepEqual(decodeMessage(type, new Uint8Array()), {});
  const server = root.lookupType("ghub.v1.Server");
  assert.deepEqual(decodeMessage(server, new Uint8Array()), { hubs: [], labels: {} });
});

Deno.test("methodPath() is the path on the wire", () => {
  const method = root.lookupService("fluentd.v1.Fluentd").methods["Start"];
  assert.ok(method);
  assert.equal(methodPath(method), "/fluentd.v1.Fluentd/Start");
});
