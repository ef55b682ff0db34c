import assert from "node:assert/strict";
import { fc } from "../testing/property.ts";
import { HEADROOM, OutBuffer, release, SEGMENT_BYTES } from "./out_buffer.ts";

function joined(views: Uint8Array[]): number[] {
  return views.flatMap((view) => Array.from(view));
}

Deno.test("OutBuffer gives back what was written and reserved, in order", () => {
  fc.assert(fc.property(
    fc.array(fc.tuple(fc.boolean(), fc.uint8Array({ maxLength: 300 })), { maxLength: 40 }),
    (writes) => {
      const out = new OutBuffer();
      const expected: number[] = [];
      for (const [reserve, bytes] of writes) {
        if (reserve) {
          const at = out.reserve(bytes.length);
          out.segment.set(bytes, at);
        } else out.write(bytes);
        expected.push(...bytes);
      }
      assert.equal(out.bytes, expected.length);
      const views = out.take();
      assert.deepEqual(joined(views), expected);
      views.forEach(release);
      assert.equal(out.bytes, 0);
      assert.deepEqual(out.take(), []);
    },
  ));
});

Deno.test("OutBuffer.take() leaves headroom before every view", () => {
  const out = new OutBuffer();
  out.write(new Uint8Array(3 * SEGMENT_BYTES + 5).fill(7));
  const views = out.take();
  assert.equal(views.length, 4);
  for (const view of views) assert.ok(view.byteOffset >= HEADROOM);
  assert.equal(joined(views).length, 3 * SEGMENT_BYTES + 5);
});

Deno.test("OutBuffer.reserve() is contiguous across a segment's end", () => {
  const out = new OutBuffer();
  out.write(new Uint8Array(SEGMENT_BYTES - 4));
  const at = out.reserve(9);
  out.segment.fill(1, at, at + 9);
  const views = out.take();
  assert.deepEqual(views.map((view) => view.length), [SEGMENT_BYTES - 4, 9]);
  assert.deepEqual(joined(views.slice(1)), Array(9).fill(1));
});
