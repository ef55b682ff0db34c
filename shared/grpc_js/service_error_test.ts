import { Metadata, type ServiceError } from "@grpc/grpc-js";
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { errorInfo, MAX_MESSAGE_LENGTH, RpcError } from "../grpc/rpc_error.ts";
import { toServiceError } from "./service_error.ts";
import { fromServiceError } from "./testing/from_service_error.ts";
import { Status } from "../grpc/status.ts";

const DETAILS = "grpc-status-details-bin";

/** What a call of grpc-js fails with. */
function serviceError(code: number, details: string, metadata = new Metadata()): ServiceError {
  return Object.assign(new Error(`${code}: ${details}`), { code, details, metadata });
}

Deno.test("toServiceError() and fromServiceError() are twins", () => {
  const trailers = new Metadata();
  trailers.set("x-hub-hop", "server");
  const details = [errorInfo("R", "d"), { type: "no.Such", value: Buffer.from([1, 2]) }];
  const sent = toServiceError(new RpcError(Status.ABORTED, "gone", { details }), trailers);
  assert.deepEqual(trailers.get(DETAILS), [], "the trailers given are not changed");
  const error = fromServiceError(serviceError(sent.code, sent.details, sent.metadata));
  assert.deepEqual([error.code, error.message], [Status.ABORTED, "gone"]);
  assert.deepEqual(error.details, [{ ...details[0], value: { ...details[0]?.value } }, details[1]]);
  assert.deepEqual(error.metadata?.get("x-hub-hop"), ["server"]);
});

Deno.test("toServiceError() cuts what is too long", () => {
  const long = "é".repeat(MAX_MESSAGE_LENGTH + 1);
  const sent = toServiceError(
    new RpcError(Status.ABORTED, long, {
      details: [errorInfo("R", "x".repeat(5000))],
    }),
  );
  assert.equal(sent.details.length, MAX_MESSAGE_LENGTH);
  assert.deepEqual(sent.metadata.get(DETAILS), []);
});

Deno.test("fromServiceError() never loses the status to its details", async (t) => {
  const table: [name: string, bytes: number[], details: unknown[]][] = [
    ["no Status", [0xff], []],
    ["a detail of no type", [0x1a, 0], [{ type: "", value: new Uint8Array() }]],
  ];
  for (const [name, bytes, details] of table) {
    await t.step(name, () => {
      const metadata = new Metadata();
      metadata.set(DETAILS, Buffer.from(bytes));
      const error = fromServiceError(serviceError(Status.NOT_FOUND, "no", metadata));
      assert.equal(error.code, Status.NOT_FOUND);
      assert.deepEqual(error.details, details);
    });
  }
});

Deno.test("toServiceError() never loses the status to its details", () => {
  const details = [{ type: "google.rpc.RetryInfo", value: { retryDelay: "soon" } }];
  const sent = toServiceError(new RpcError(Status.UNAVAILABLE, "away", { details }));
  assert.deepEqual([sent.code, sent.details], [Status.UNAVAILABLE, "away"]);
  assert.deepEqual(sent.metadata.get(DETAILS), []);
});

Deno.test("fromServiceError() reads unknown codes as UNKNOWN", () => {
  assert.equal(fromServiceError(serviceError(99, "odd")).code, Status.UNKNOWN);
});

Deno.test("RpcError refuses details of unknown types where they are made", () => {
  const details = [{ type: "no.Such", value: {} }];
  assert.throws(() => new RpcError(Status.ABORTED, "x", { details }), /no such type: no.Such/);
});

Deno.test("RpcError.from() keeps an RpcError and makes INTERNAL of the rest", () => {
  const error = new RpcError(Status.NOT_FOUND, "no");
  assert.equal(RpcError.from(error), error);
  const cause = new Error("disk is full");
  const made = RpcError.from(cause);
  assert.deepEqual([made.code, made.message, made.cause], [Status.INTERNAL, "disk is full", cause]);
  assert.equal(String(made), "INTERNAL: disk is full");
});
