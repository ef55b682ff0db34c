import assert from "node:assert/strict";
import { fc } from "../../testing/property.ts";
import { HpackError } from "./errors.ts";
import { MAX_INTEGER, MAX_INTEGER_BYTES, readInteger, writeInteger } from "./integer.ts";

/** RFC 7541 Appendix C.1, and the borders. */
const TABLE: [what: string, value: number, mask: number, hex: string][] = [
  ["C.1.1: 10 with a 5-bit prefix", 10, 0x1f, "0a"],
  ["C.1.2: 1337 with a 5-bit prefix", 1337, 0x1f, "1f9a0a"],
  ["C.1.3: 42 at a byte's start", 42, 0xff, "2a"],
  ["the last that fits the prefix", 126, 0x7f, "7e"],
  ["the first that does not", 127, 0x7f, "7f00"],
  ["the last of two bytes", 254, 0x7f, "7f7f"],
  ["the first of three", 255, 0x7f, "7f8001"],
  ["the largest", MAX_INTEGER, 0x7f, "7f81ffff7f"],
];

Deno.test("readInteger() and writeInteger() agree with the RFC", async (t) => {
  for (const [what, value, mask, hex] of TABLE) {
    await t.step(what, () => {
      const cursor = { bytes: Uint8Array.fromHex(hex), pos: 0 };
      assert.equal(readInteger(cursor, mask), value);
      assert.equal(cursor.pos, cursor.bytes.length);

      const written = { bytes: new Uint8Array(MAX_INTEGER_BYTES), pos: 0 };
      writeInteger(written, { pattern: 0, mask, value });
      assert.equal(written.bytes.subarray(0, written.pos).toHex(), hex);
    });
  }
});

Deno.test("readInteger() refuses", async (t) => {
  const table: [what: string, hex: string, message: RegExp][] = [
    ["nothing", "", /ends where an integer begins at byte 0$/],
    ["a prefix without its rest", "1f", /ends inside an integer at byte 0$/],
    ["a rest without its end", "1f9a", /ends inside an integer at byte 0$/],
    ["one more than the largest", "1fe2ffff7f", /too large at byte 0$/],
    ["five groups", "1f8080808001", /too long at byte 0$/],
    ["zeros without end", "1f" + "80".repeat(100), /too long at byte 0$/],
  ];
  for (const [what, hex, message] of table) {
    await t.step(what, () => {
      const cursor = { bytes: Uint8Array.fromHex(hex), pos: 0 };
      assert.throws(() => readInteger(cursor, 0x1f), (error) => {
        assert.ok(error instanceof HpackError);
        assert.match(error.message, message);
        return true;
      });
    });
  }
});

Deno.test("readInteger() reads what writeInteger() wrote and leaves the pattern alone", () => {
  const written = fc.record({
    value: fc.oneof(fc.nat(300), fc.nat(MAX_INTEGER)),
    bits: fc.integer({ min: 1, max: 8 }),
    before: fc.nat(3),
  });
  fc.assert(fc.property(written, ({ value, bits, before }) => {
    const mask = (1 << bits) - 1;
    const pattern = 0xff & ~mask;
    const bytes = new Uint8Array(before + MAX_INTEGER_BYTES);
    const writer = { bytes, pos: before };
    writeInteger(writer, { pattern, mask, value });
    const reader = { bytes, pos: before };
    assert.equal(readInteger(reader, mask), value);
    assert.equal(reader.pos, writer.pos);
    assert.equal(bytes[before]! & ~mask, pattern);
  }));
});
