import assert from "node:assert/strict";
import { RpcError } from "../grpc/rpc_error.ts";
import { Status } from "../grpc/status.ts";
import { unpack } from "./unpack.ts";

const bytes = (length: number) => new Uint8Array(length).fill(7);

async function gzip(data: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const packed = new Blob([data]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(packed).arrayBuffer());
}

const exhausted = (error: unknown) =>
  error instanceof RpcError && error.code === Status.RESOURCE_EXHAUSTED;

Deno.test("unpack() reads gzip, and stops at the limit", async () => {
  const packed = { bytes: await gzip(bytes(100_000)), compressed: true };
  const whole = await unpack(packed, { encoding: "gzip", maxBytes: 100_000 });
  assert.equal(whole.length, 100_000);
  await assert.rejects(unpack(packed, { encoding: "gzip", maxBytes: 99_999 }), exhausted);
  const broken = { bytes: bytes(10), compressed: true };
  await assert.rejects(unpack(broken, { encoding: "gzip", maxBytes: 10 }), /it is no gzip/);
  await assert.rejects(unpack(broken, { encoding: "identity", maxBytes: 10 }), /is compressed/);
});
