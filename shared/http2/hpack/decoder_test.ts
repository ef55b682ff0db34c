import assert from "node:assert/strict";
import { fc } from "../../testing/property.ts";
import type { HeaderList } from "../header_list.ts";
import { MAX_REMEMBERED_BLOCKS, MAX_REMEMBERED_BYTES } from "./block_memo.ts";
import { HpackDecoder } from "./decoder.ts";
import { FIELD_OVERHEAD } from "./dynamic_table.ts";
import { encodeHeaderList } from "./encoder.ts";
import { HeaderListTooLargeError, HpackError } from "./errors.ts";
import { STATIC_TABLE } from "./static_table.ts";
import { TheirEncoder } from "./testing/hpack_js.ts";

const MAX_LIST_BYTES = 16_384;

function decoderAfter(...blocks: string[]): HpackDecoder {
  const decoder = new HpackDecoder({ maxListBytes: MAX_LIST_BYTES });
  for (const block of blocks) decoder.decode(Uint8Array.fromHex(block));
  return decoder;
}

/** A literal that is added to the table, with a name of one letter. */
function added(name: string, value: string): Uint8Array {
  const literal = encodeHeaderList([[name, value]]);
  literal[0] = 0x40;
  return literal;
}

Deno.test("HpackDecoder refuses", async (t) => {
  const table: [what: string, block: string, message: string][] = [
    ["index 0", "80", "index 0 is not in the tables, which end at 61 at byte 0"],
    ["an index of nothing", "82be", "index 62 is not in the tables, which end at 61 at byte 1"],
    ["a literal's name of nothing", "7f0000", "index 63 is not in the tables, which end at 61"],
    ["an index beyond reason", "ff80ffff7f", "index 268435455 is not in the tables"],
    ["an integer without end", "ff8080808080808000", "an integer is too long at byte 0"],
    ["an integer over 2^28", "ffffffff7f", "an integer is too large at byte 0"],
    ["a size update behind a field", "823f00", "a table size update follows a field at byte 1"],
    [
      "a size update behind fields and updates",
      "20823f00",
      "a table size update follows a field at byte 2",
    ],
    [
      "a size over ours",
      "3fe21f",
      "a table size update to 4097 is over the limit of 4096 at byte 0",
    ],
    ["a literal without its name", "00", "the block ends where an integer begins at byte 1"],
    ["a literal without its value", "000161", "the block ends where an integer begins at byte 3"],
    ["a string longer than the block", "00056162", "a string of 5 bytes has only 2 in the block"],
    ["a string longer than memory", "007f81ffff7f", "a string of 268435456 bytes has only 0"],
    ["Huffman padding of 8 bits", "00016181ff", "a Huffman-coded string ends in wrong padding"],
    ["Huffman padding of zeros", "0001618118", "a Huffman-coded string ends in wrong padding"],
    ["EOS in a Huffman-coded string", "00016184ffffffff", "a Huffman-coded string contains EOS"],
  ];
  for (const [what, block, message] of table) {
    await t.step(what, () => {
      assert.throws(() => decoderAfter().decode(Uint8Array.fromHex(block)), (error) => {
        assert.ok(error instanceof HpackError);
        assert.ok(
          error.message.startsWith(`Cannot decode header block: ${message}`),
          error.message,
        );
        return true;
      });
    });
  }
});

Deno.test("HpackDecoder accepts what is odd but allowed", async (t) => {
  const table: [what: string, block: string, fields: HeaderList][] = [
    ["an empty block", "", []],
    ["size updates alone", "203fe11f", []],
    ["an empty name and value", "000000", [["", ""]]],
    ["an empty Huffman-coded value", "00016180", [["a", ""]]],
    ["an integer padded with zeros", "0f8180000161", [["accept-encoding", "a"]]],
    ["bytes over 0x7f", "00016103c3a9ff", [["a", "\xc3\xa9\xff"]]],
    ["the last static field", "bd", [["www-authenticate", ""]]],
  ];
  for (const [what, block, fields] of table) {
    await t.step(what, () => {
      assert.deepEqual(decoderAfter().decode(Uint8Array.fromHex(block)), fields);
    });
  }
});

Deno.test("HpackDecoder knows the whole static table", () => {
  const indices = Uint8Array.from(STATIC_TABLE, (_, i) => 0x80 | i + 1);
  assert.equal(indices.length, 61);
  assert.deepEqual(decoderAfter().decode(indices), STATIC_TABLE);
});

Deno.test("HpackDecoder reads strings of any length, Huffman-coded or not", () => {
  const encoder = new TheirEncoder();
  for (const length of [0, 1, 15, 16, 17, 126, 127, 128, 4095, 4096, 4097, 12_000]) {
    for (const huffman of [true, false]) {
      const value = "0".repeat(length);
      const block = encoder.encode([{ name: "a", value, huffman, incremental: false }]);
      assert.deepEqual(decoderAfter().decode(block), [["a", value]]);
    }
  }
});

Deno.test("HpackDecoder names a literal by an entry that the literal itself evicts", () => {
  const decoder = decoderAfter("3f1d"); // a table of 60 bytes
  decoder.decode(added("n", "x".repeat(27)));
  assert.equal(decoder.tableBytes, 60);
  assert.deepEqual(decoder.decode(Uint8Array.fromHex("7e0179")), [["n", "y"]]);
  assert.deepEqual(decoder.table, [["n", "y"]]);
});

Deno.test("HpackDecoder follows size updates", () => {
  const decoder = decoderAfter();
  decoder.decode(added("a", "1"));
  decoder.decode(added("b", "2"));
  assert.equal(decoder.tableBytes, 2 * (2 + FIELD_OVERHEAD));
  decoder.decode(Uint8Array.fromHex("3f09")); // 40
  assert.deepEqual(decoder.table, [["b", "2"]]);
  decoder.decode(Uint8Array.fromHex("203fe11f")); // 0, then 4096
  assert.deepEqual(decoder.table, []);
  decoder.decode(added("c", "3"));
  assert.deepEqual(decoder.table, [["c", "3"]]);
});

Deno.test("HpackDecoder grants the table that maxTableBytes says", () => {
  const to8192 = Uint8Array.fromHex("3fe13f");
  assert.throws(() => decoderAfter().decode(to8192), HpackError);
  const decoder = new HpackDecoder({ maxListBytes: MAX_LIST_BYTES, maxTableBytes: 8192 });
  decoder.decode(added("a", "x".repeat(5000)));
  assert.equal(decoder.tableBytes, 0, "the default until the peer asks for more");
  decoder.decode(to8192);
  decoder.decode(added("a", "x".repeat(5000)));
  assert.equal(decoder.tableBytes, 5001 + FIELD_OVERHEAD);
  assert.throws(
    () => new HpackDecoder({ maxListBytes: MAX_LIST_BYTES, maxTableBytes: 4095 }),
    RangeError,
  );
});

Deno.test("HpackDecoder counts a list as RFC 9113 does, to the byte", () => {
  const fields: HeaderList = [["a", "1"], [":method", "GET"]];
  const bytes = 2 + 32 + 10 + 32;
  const block = encodeHeaderList(fields);
  assert.deepEqual(new HpackDecoder({ maxListBytes: bytes }).decode(block), fields);
  assert.throws(
    () => new HpackDecoder({ maxListBytes: bytes - 1 }).decode(block),
    (error) => error instanceof HeaderListTooLargeError && error.maxListBytes === bytes - 1,
  );
});

Deno.test("HpackDecoder stays in sync behind a list that is too large", () => {
  const large = [
    ...added("a", "1"),
    ...encodeHeaderList([["large", "x".repeat(MAX_LIST_BYTES)]]),
    ...added("b", "2"),
    ...encodeHeaderList([["z", "skipped", true], [":path", "/skipped"], [":method", "GET"]]),
    ...added("c", "3"),
  ];
  const decoder = decoderAfter();
  assert.throws(() => decoder.decode(Uint8Array.from(large)), HeaderListTooLargeError);
  assert.deepEqual(decoder.table, [["c", "3"], ["b", "2"], ["a", "1"]]);
  assert.deepEqual(decoder.decode(Uint8Array.fromHex("bec0")), [["c", "3"], ["a", "1"]]);
});

Deno.test("HpackDecoder is as strict behind a list that is too large", async (t) => {
  const large = encodeHeaderList([["large", "x".repeat(MAX_LIST_BYTES)]]).toHex();
  for (const block of ["80", "be", "0f3f00", "00016181ff", "000161", "000561", "823f00", "3f00"]) {
    await t.step(block, () => {
      assert.throws(() => decoderAfter().decode(Uint8Array.fromHex(large + block)), HpackError);
    });
  }
});

Deno.test("HpackDecoder refuses many small references to one large entry", () => {
  const decoder = decoderAfter();
  decoder.decode(added("a", "x".repeat(4000)));
  const bomb = new Uint8Array(100_000).fill(0xbe);
  assert.throws(() => decoder.decode(bomb), HeaderListTooLargeError);
  assert.deepEqual(decoder.decode(Uint8Array.of(0xbe)), [["a", "x".repeat(4000)]]);
});

Deno.test("HpackDecoder gives a block that keeps coming the same list", () => {
  const decoder = decoderAfter();
  decoder.decode(added("a", "1"));
  const block = Uint8Array.fromHex("82be0401" + "2f");
  const lists: HeaderList[] = [];
  const repeated: boolean[] = [];
  for (let i = 0; i < 4; i++) {
    lists.push(decoder.decode(block.slice()));
    repeated.push(decoder.repeated);
  }
  assert.deepEqual(lists[0], [[":method", "GET"], ["a", "1"], [":path", "/"]]);
  assert.deepEqual(lists[3], lists[0]);
  assert.equal(lists[3], lists[2]);
  assert.deepEqual(repeated, [false, false, true, true]);
});

Deno.test("HpackDecoder remembers the headers and the trailers of the usual answer, whose blocks have one place", () => {
  const decoder = decoderAfter();
  const blocks = [
    encodeHeaderList([[":status", "200"], ["content-type", "application/grpc"]]),
    encodeHeaderList([["grpc-status", "0"]]),
  ];
  const repeated: boolean[][] = [];
  for (let i = 0; i < 4; i++) {
    repeated.push(blocks.map((block) => {
      decoder.decode(block);
      return decoder.repeated;
    }));
  }
  assert.deepEqual(repeated, [[false, false], [false, false], [true, true], [true, true]]);
});

Deno.test("HpackDecoder keeps no reference to a block", () => {
  const decoder = decoderAfter();
  const block = Uint8Array.of(0x82);
  for (let i = 0; i < 3; i++) decoder.decode(block);
  block[0] = 0x83;
  assert.deepEqual(decoder.decode(block), [[":method", "POST"]]);
  assert.deepEqual(decoder.decode(Uint8Array.of(0x82)), [[":method", "GET"]]);
  assert.equal(decoder.repeated, true);
});

Deno.test("HpackDecoder reads a known block anew when the table has changed", async (t) => {
  const changes: [what: string, change: Uint8Array, fields: HeaderList | undefined][] = [
    ["by a field", added("b", "2"), [["b", "2"]]],
    ["by a size update", Uint8Array.fromHex("20"), undefined],
  ];
  for (const [what, change, fields] of changes) {
    await t.step(what, () => {
      const decoder = decoderAfter();
      decoder.decode(added("a", "1"));
      const block = Uint8Array.of(0xbe);
      for (let i = 0; i < 3; i++) assert.deepEqual(decoder.decode(block), [["a", "1"]]);
      decoder.decode(change);
      if (fields === undefined) assert.throws(() => decoder.decode(block), HpackError);
      else assert.deepEqual(decoder.decode(block), fields);
      assert.equal(decoder.repeated, false);
    });
  }
});

Deno.test("HpackDecoder never takes a block that changes the table for a repeat", () => {
  const decoder = decoderAfter();
  for (let i = 1; i <= 5; i++) {
    decoder.decode(added("a", "1"));
    assert.equal(decoder.table.length, i);
    assert.equal(decoder.repeated, false);
  }
  for (let i = 0; i < 5; i++) {
    decoder.decode(Uint8Array.fromHex("3fe11f82"));
    assert.equal(decoder.repeated, false);
  }
});

Deno.test("HpackDecoder remembers no large block, and forgets when there are many", () => {
  const decoder = decoderAfter();
  const sized = (length: number) => new Uint8Array(length).fill(0x82);
  for (
    const [length, repeated] of [[MAX_REMEMBERED_BYTES, true], [MAX_REMEMBERED_BYTES + 1, false]]
  ) {
    const decoder = new HpackDecoder({ maxListBytes: Infinity });
    for (let i = 0; i < 3; i++) decoder.decode(sized(length as number));
    assert.equal(decoder.repeated, repeated);
  }
  const first = encodeHeaderList([["n", "first"]]);
  for (let i = 0; i < 3; i++) decoder.decode(first);
  for (let n = 0; n < 100 * MAX_REMEMBERED_BLOCKS; n++) {
    const block = encodeHeaderList([["n", String(n)]]);
    for (let i = 0; i < 3; i++) assert.deepEqual(decoder.decode(block), [["n", String(n)]]);
  }
  decoder.decode(first);
  assert.equal(decoder.repeated, false);
});

Deno.test("HpackDecoder gives a list or a known error, whatever the bytes", () => {
  // Bytes that often mean something: few names, short strings, indices that exist.
  const byte = fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 2, 0x20, 0x40, 0x41, 0x82, 0xbe, 0xbf));
  const blocks = fc.array(fc.array(byte, { maxLength: 40 }), { maxLength: 5 });
  fc.assert(
    fc.property(blocks, (blocks) => {
      const decoder = new HpackDecoder({ maxListBytes: 200 });
      for (const block of blocks) {
        try {
          decoder.decode(Uint8Array.from(block));
        } catch (error) {
          if (error instanceof HpackError) return;
          assert.ok(error instanceof HeaderListTooLargeError, String(error));
        }
        assert.ok(decoder.tableBytes <= 4096);
      }
    }),
    { numRuns: 3000 },
  );
});
