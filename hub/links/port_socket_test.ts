import assert from "node:assert/strict";
import { writeAll } from "../net/peer.ts";
import { MAX_WAITING_BYTES, PortSocket } from "./port_socket.ts";

function sockets(): { near: PortSocket; far: PortSocket } & Disposable {
  const { port1, port2 } = new MessageChannel();
  const [near, far] = [new PortSocket(port1), new PortSocket(port2)];
  return {
    near,
    far,
    [Symbol.dispose]() {
      near.close();
      far.close();
    },
  };
}

async function readAll(socket: PortSocket): Promise<Uint8Array> {
  const all: number[] = [];
  const buffer = new Uint8Array(5);
  for (let n; (n = await socket.read(buffer)) !== null;) all.push(...buffer.subarray(0, n));
  return Uint8Array.from(all);
}

Deno.test("PortSocket: what one end writes the other one reads, in whatever pieces", async () => {
  using ends = sockets();
  const bytes = Uint8Array.from({ length: 1_000 }, (_, i) => i % 256);
  for (let at = 0; at < bytes.length; at += 7) {
    await writeAll(ends.near, bytes.subarray(at, at + 7));
  }
  await ends.near.closeWrite();
  assert.deepEqual(await readAll(ends.far), bytes);
});

Deno.test("PortSocket: the bytes that were written may be used again at once", async () => {
  using ends = sockets();
  const bytes = new Uint8Array([1, 2, 3]);
  await writeAll(ends.near, bytes);
  bytes.fill(9);
  const buffer = new Uint8Array(8);
  assert.equal(await ends.far.read(buffer), 3);
  assert.deepEqual(buffer.subarray(0, 3), new Uint8Array([1, 2, 3]));
});

Deno.test("PortSocket: a write waits while the other end does not read", async () => {
  using ends = sockets();
  const bytes = new Uint8Array(MAX_WAITING_BYTES + 1);
  assert.equal(await ends.near.write(bytes), MAX_WAITING_BYTES);
  let isDone = false;
  const written = ends.near.write(bytes.subarray(MAX_WAITING_BYTES)).then((n) => {
    isDone = true;
    return n;
  });
  await ends.far.write(new Uint8Array(1));
  await ends.near.read(new Uint8Array(1));
  assert.equal(isDone, false);
  await ends.far.read(new Uint8Array(MAX_WAITING_BYTES));
  assert.equal(await written, 1);
});

Deno.test("PortSocket: after the other end has closed, what came before is read, and no write is taken", async () => {
  using ends = sockets();
  await ends.near.write(new Uint8Array([1]));
  ends.near.close();
  assert.deepEqual(await readAll(ends.far), new Uint8Array([1]));
  await assert.rejects(ends.far.write(new Uint8Array(1)), Deno.errors.BrokenPipe);
  await assert.rejects(ends.near.read(new Uint8Array(1)), Deno.errors.BadResource);
});

Deno.test("PortSocket: a close ends what waits", async () => {
  using ends = sockets();
  await ends.near.write(new Uint8Array(MAX_WAITING_BYTES));
  const [read, write] = [ends.near.read(new Uint8Array(1)), ends.near.write(new Uint8Array(1))];
  ends.near.close();
  await assert.rejects(read, Deno.errors.BadResource);
  await assert.rejects(write, Deno.errors.BrokenPipe);
});
