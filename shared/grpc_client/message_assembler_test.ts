import assert from "node:assert/strict";
import { prefixMessage } from "../grpc/message_prefix.ts";
import { RpcError } from "../grpc/rpc_error.ts";
import { Status } from "../grpc/status.ts";
import { MessageAssembler, unpack } from "./message_assembler.ts";

const bytes = (length: number) => new Uint8Array(length).fill(7);

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

async function gzip(data: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const packed = new Blob([data]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(packed).arrayBuffer());
}

const exhausted = (error: unknown) =>
  error instanceof RpcError && error.code === Status.RESOURCE_EXHAUSTED;

Deno.test("MessageAssembler gives the same messages wherever the bytes are cut", () => {
  const sizes = [0, 1, 5, 300, 0, 70_000];
  const whole = joined(sizes.map((size) => prefixMessage(bytes(size))));
  for (const step of [1, 2, 3, 7, 1000, whole.length]) {
    const assembler = new MessageAssembler(100_000);
    const got: number[] = [];
    for (let at = 0; at < whole.length; at += step) {
      got.push(...assembler.push(whole.subarray(at, at + step)).map((m) => m.bytes.length));
    }
    assert.deepEqual(got, sizes);
    assert.equal(assembler.isInside, false);
  }
});

Deno.test("MessageAssembler refuses a message over the limit before it has come", () => {
  const assembler = new MessageAssembler(10);
  assert.throws(() => assembler.push(prefixMessage(bytes(11)).subarray(0, 5)), exhausted);
});

Deno.test("MessageAssembler refuses a flag that gRPC does not have", () => {
  const message = prefixMessage(bytes(1));
  message[0] = 2;
  assert.throws(() => new MessageAssembler(10).push(message), /unknown flag 2/);
});

Deno.test("unpack() reads gzip, and stops at the limit", async () => {
  const packed = { bytes: await gzip(bytes(100_000)), compressed: true };
  const whole = await unpack(packed, { encoding: "gzip", maxBytes: 100_000 });
  assert.equal(whole.length, 100_000);
  await assert.rejects(unpack(packed, { encoding: "gzip", maxBytes: 99_999 }), exhausted);
  const broken = { bytes: bytes(10), compressed: true };
  await assert.rejects(unpack(broken, { encoding: "gzip", maxBytes: 10 }), /it is no gzip/);
  await assert.rejects(unpack(broken, { encoding: "identity", maxBytes: 10 }), /is compressed/);
});
