import assert from "node:assert/strict";
import { fc } from "../testing/property.ts";
import { ByteQueue } from "./byte_queue.ts";

/** Takes up to `max` bytes out, in as many steps as it needs. */
function take(queue: ByteQueue, max: number): number[] {
  const taken: number[] = [];
  while (taken.length < max && queue.length > 0) {
    const bytes = queue.peek(max - taken.length);
    assert.ok(bytes.length > 0, "peek() gives something while something waits");
    for (const byte of bytes) taken.push(byte);
    queue.drop(bytes.length);
  }
  return taken;
}

Deno.test("ByteQueue gives back what was pushed, in order, however it is cut", () => {
  const push = fc.uint8Array({ maxLength: 70 });
  const pull = fc.nat(90);
  fc.assert(fc.property(fc.array(fc.oneof(push, pull), { maxLength: 80 }), (steps) => {
    const queue = new ByteQueue();
    let model: number[] = [];
    for (const step of steps) {
      if (typeof step === "number") {
        assert.deepEqual(take(queue, step), model.slice(0, step));
        model = model.slice(step);
      } else {
        const piece = step.slice();
        queue.push(piece);
        piece.fill(0); // It has its own copy.
        model.push(...step);
      }
      assert.equal(queue.length, model.length);
    }
    assert.deepEqual(take(queue, Infinity), model);
  }));
});

Deno.test("ByteQueue keeps single bytes in few blocks", () => {
  const queue = new ByteQueue();
  for (let i = 0; i < 100_000; i++) queue.push(Uint8Array.of(i));
  let blocks = 0;
  let wrong = 0;
  for (let at = 0; queue.length > 0; blocks++) {
    const bytes = queue.peek(Infinity);
    for (const byte of bytes) if (byte !== (at++ & 0xff)) wrong++;
    queue.drop(bytes.length);
  }
  assert.equal(wrong, 0);
  assert.ok(blocks < 30, `${blocks} blocks`);
});

Deno.test("ByteQueue.peek() of an empty queue is empty", () => {
  const queue = new ByteQueue();
  assert.equal(queue.peek(10).length, 0);
  queue.push(Uint8Array.of(1));
  queue.drop(1);
  assert.equal(queue.peek(10).length, 0);
  assert.equal(queue.length, 0);
});
