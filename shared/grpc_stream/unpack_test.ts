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

Deno.test("unpack() unpacks of a bomb no more than some pieces beyond the limit", async () => {
  const bomb = { bytes: await gzip(new Uint8Array(64 << 20)), compressed: true };
  const Real = DecompressionStream;
  let unpacked = 0;
  globalThis.DecompressionStream = class extends Real {
    override get readable() {
      return super.readable.pipeThrough(
        new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
          transform(chunk, out) {
            unpacked += chunk.length;
            out.enqueue(chunk);
          },
        }),
      );
    }
  };
  try {
    for (const maxBytes of [1000, 64 << 10, 4 << 20]) {
      unpacked = 0;
      await assert.rejects(unpack(bomb, { encoding: "gzip", maxBytes }), exhausted);
      const most = maxBytes + 4 * Math.max(64 << 10, Math.min(maxBytes, 4 << 20));
      assert.ok(unpacked > maxBytes && unpacked <= most, `${unpacked} bytes for ${maxBytes}`);
    }
  } finally {
    globalThis.DecompressionStream = Real;
  }
});

Deno.test("unpack() leaves others their turn", async () => {
  const packed = { bytes: await gzip(new Uint8Array(64 << 20)), compressed: true };
  let isOver = false;
  const unpacked = unpack(packed, { encoding: "gzip", maxBytes: 64 << 20 })
    .then(({ length }) => {
      isOver = true;
      return length;
    });
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert.equal(isOver, false, "a timer has fired meanwhile");
  assert.equal(await unpacked, 64 << 20);
});
