import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { decodeStatus, errorInfo, MAX_MESSAGE_LENGTH, retryInfo, RpcError } from "./rpc_error.ts";
import { percentDecode, percentEncode } from "./percent.ts";
import { Status } from "./status.ts";

Deno.test("RpcError.trailers() carries details that decodeStatus() gives back", () => {
  const error = new RpcError(Status.UNAVAILABLE, 'Server "edge-1" is away', {
    details: [errorInfo("SERVER_OFFLINE", "ghub", { server: "edge-1" }), retryInfo(1500)],
  });
  const trailers = new Map(error.trailers());
  assert.equal(trailers.get("grpc-status"), "14");
  const bin = trailers.get("grpc-status-details-bin");
  assert.ok(bin);
  assert.deepEqual(decodeStatus(Buffer.from(bin, "base64")), {
    code: 14,
    message: 'Server "edge-1" is away',
    details: [
      {
        type: "google.rpc.ErrorInfo",
        value: { reason: "SERVER_OFFLINE", domain: "ghub", metadata: { server: "edge-1" } },
      },
      { type: "google.rpc.RetryInfo", value: { retryDelay: { seconds: 1, nanos: 500_000_000 } } },
    ],
  });
});

Deno.test("RpcError.trailers() stays within the bounds that peers accept", () => {
  const huge = errorInfo("R", "d", { text: "x".repeat(10_000) });
  const fields = new RpcError(Status.INTERNAL, "y".repeat(10_000), { details: [huge] }).trailers();
  assert.deepEqual(fields.map(([name]) => name), ["grpc-status", "grpc-message"]);
  assert.equal(fields[1]?.[1].length, MAX_MESSAGE_LENGTH);
});

Deno.test("percentEncode() and percentDecode() are twins", async (t) => {
  const table: [text: string, encoded: string][] = [
    ["plain text!", "plain text!"],
    ["100%", "100%25"],
    ["a\nb", "a%0Ab"],
    ["é→😀", "%C3%A9%E2%86%92%F0%9F%98%80"],
  ];
  for (const [text, encoded] of table) {
    await t.step(JSON.stringify(text), () => {
      assert.equal(percentEncode(text), encoded);
      assert.equal(percentDecode(encoded), text);
    });
  }
  await t.step(
    "what is no valid UTF-8 stays",
    () => assert.equal(percentDecode("%FF%zz"), "%FF%zz"),
  );
  await t.step(
    "a lone surrogate does not throw",
    () => assert.equal(percentEncode("\ud800"), "%EF%BF%BD"),
  );
});
