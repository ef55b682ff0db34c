import assert from "node:assert/strict";
import { unmask } from "./unmask.ts";

/** §5.3, word for word. */
function naive(bytes: Uint8Array, key: Uint8Array, phase: number): Uint8Array {
  return bytes.map((byte, i) => byte ^ key[(i + phase) % 4]!);
}

Deno.test("unmask() agrees with its naive twin at every alignment, phase and length", () => {
  const key = Uint8Array.of(0x37, 0xfa, 0x21, 0x3d);
  const packed = key.reduceRight((word, byte) => word << 8 | byte, 0);
  for (const length of [0, 1, 3, 4, 47, 48, 49, 50, 51, 52, 100, 4099]) {
    const memory = crypto.getRandomValues(new Uint8Array(length + 16));
    for (let offset = 0; offset < 8; offset++) {
      for (let phase = 0; phase < 4; phase++) {
        const copy = memory.slice();
        // A view that starts at `offset`, of which the range starts at 3: both must count.
        const view = copy.subarray(offset);
        unmask(view, 3, 3 + length, packed, phase);
        const expected = memory.slice();
        expected.set(
          naive(memory.subarray(offset + 3, offset + 3 + length), key, phase),
          offset + 3,
        );
        assert.deepEqual(copy, expected, `length ${length}, offset ${offset}, phase ${phase}`);
      }
    }
  }
});
