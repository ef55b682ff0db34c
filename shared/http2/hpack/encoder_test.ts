import assert from "node:assert/strict";
import { fc } from "../../testing/property.ts";
import type { HeaderList } from "../header_list.ts";
import { HpackDecoder } from "./decoder.ts";
import { encodeHeaderList, encodeInto, TABLE_SIZE_ZERO } from "./encoder.ts";
import { HpackError } from "./errors.ts";
import { STATIC_TABLE } from "./static_table.ts";

const decode = (block: Uint8Array) => new HpackDecoder({ maxListBytes: 1e6 }).decode(block);

Deno.test("encodeHeaderList() chooses the representation", async (t) => {
  const table: [what: string, fields: HeaderList, hex: string][] = [
    ["nothing", [], ""],
    ["a field of the static table", [[":method", "POST"]], "83"],
    ["the last value of a static name", [[":status", "500"]], "8e"],
    ["a static name", [[":path", "/a"]], "04022f61"],
    ["a static name in two bytes", [["content-type", "a"]], "0f100161"],
    ["a name of its own", [["te", "trailers"]], "00027465087472" + "61696c657273"],
    ["a secret", [["authorization", "x"]], "1f080178"],
    ["an empty secret", [["cookie", ""]], "1f1100"],
    ["a static field, received as never indexed", [[":method", "GET", true]], "1203474554"],
    ["a name of its own, received as never indexed", [["a", "b", true]], "1001610162"],
    ["bytes over 0x7f", [["a", "\xff\x80\n"]], "00016103ff800a"],
  ];
  for (const [what, fields, hex] of table) {
    await t.step(what, () => assert.equal(encodeHeaderList(fields).toHex(), hex));
  }
});

Deno.test("encodeHeaderList() indexes all of the static table but secrets", () => {
  const fields = STATIC_TABLE.filter(([name]) => !/^(proxy-)?authorization$|^cookie$/.test(name));
  const block = encodeHeaderList(fields);
  assert.equal(block.length, fields.length);
  assert.deepEqual(decode(block), fields);
});

Deno.test("encodeHeaderList() refuses what is no byte string", async (t) => {
  // Cut to a byte, the first would be a line break.
  for (const text of ["\u010a", "ab\u0100", "x".repeat(500) + "\u20ac"]) {
    await t.step(JSON.stringify(text.slice(-3)), () => {
      const message = "Cannot encode header field: a character is over U+00FF";
      assert.throws(() => encodeHeaderList([["a", text]]), { name: "RangeError", message });
      assert.throws(() => encodeHeaderList([[text, "a"]]), { name: "RangeError", message });
    });
  }
});

Deno.test("encodeInto() writes from the offset on and returns the end", () => {
  const fields: HeaderList = [[":method", "GET"], ["a", "b"]];
  const into = new Uint8Array(100).fill(0xee);
  const end = encodeInto(fields, into, 9);
  assert.deepEqual(into.subarray(9, end), encodeHeaderList(fields));
  assert.ok(into.subarray(0, 9).every((byte) => byte === 0xee));
  assert.ok(into.subarray(end).every((byte) => byte === 0xee));
});

Deno.test("encodeInto() returns -1 rather than a cut block, and never for want of 11 bytes a field", () => {
  const lists: HeaderList[] = [
    [],
    [[":method", "GET"], ["a", "b".repeat(300)], [":path", "/x"]],
    [["n".repeat(20_000), "v".repeat(20_000)]],
  ];
  for (const fields of lists) {
    const block = encodeHeaderList(fields);
    const enough = fields.reduce((sum, [name, value]) => sum + name.length + value.length + 11, 0);
    for (let room = Math.max(0, block.length - 500); room <= enough; room++) {
      const into = new Uint8Array(room);
      const end = encodeInto(fields, into, 0);
      if (end === -1) assert.ok(room < enough);
      else assert.deepEqual(into.subarray(0, end), block);
    }
  }
});

Deno.test("TABLE_SIZE_ZERO is an update to a table of no bytes", () => {
  const decoder = new HpackDecoder({ maxListBytes: 1000 });
  const fields: HeaderList = [[":method", "GET"]];
  assert.deepEqual(
    decoder.decode(Uint8Array.of(TABLE_SIZE_ZERO, ...encodeHeaderList(fields))),
    fields,
  );
  decoder.decode(Uint8Array.fromHex("4001610162")); // what would be added finds no room
  assert.equal(decoder.tableBytes, 0);
});

const byteString = (maxLength: number) =>
  fc.uint8Array({ maxLength }).map((bytes) => String.fromCharCode(...bytes));

const field = fc.tuple(
  fc.oneof(fc.constantFrom(...STATIC_TABLE.map(([name]) => name)), byteString(20)),
  fc.oneof(fc.constantFrom(...STATIC_TABLE.map(([, value]) => value)), byteString(300)),
);

Deno.test("HpackDecoder gives back what encodeHeaderList() took", () => {
  fc.assert(fc.property(fc.array(field), (fields) => {
    const decoded = decode(encodeHeaderList(fields));
    assert.deepEqual(decoded.map(([name, value]) => [name, value]), fields);
    // Whoever forwards what it decoded sends the same block.
    assert.deepEqual(encodeHeaderList(decoded), encodeHeaderList(fields));
  }));
});

Deno.test("HpackDecoder refuses a block of encodeHeaderList() cut inside a field", () => {
  fc.assert(fc.property(fc.array(field, { maxLength: 5 }), (fields) => {
    const block = encodeHeaderList(fields);
    const ends = fields.map((_, i) => encodeHeaderList(fields.slice(0, i)).length);
    for (let length = 0; length < block.length; length++) {
      const cut = block.subarray(0, length);
      if (ends.includes(length)) assert.equal(decode(cut).length, ends.indexOf(length));
      else assert.throws(() => decode(cut), HpackError);
    }
  }));
});
