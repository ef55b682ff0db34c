/**
 * The examples of RFC 7541 Appendix C.2 to C.6, with the dynamic table after each (C.1 is in
 * integer_test.ts).
 */
import assert from "node:assert/strict";
import type { HeaderList } from "../header_list.ts";
import { HpackDecoder } from "./decoder.ts";
import { HpackError } from "./errors.ts";

interface Example {
  readonly block: string;
  readonly fields: HeaderList;
  readonly table: HeaderList;
  readonly tableBytes: number;
}

/** Examples of one section: blocks of one connection. */
interface Section {
  readonly name: string;
  /** Puts a table size update in front of the first block, as C.5 and C.6 assume a setting of 256. */
  readonly tableSize256?: true;
  readonly examples: readonly Example[];
}

const GET_HTTP: HeaderList = [[":method", "GET"], [":scheme", "http"], [":path", "/"]];
const AUTHORITY = [":authority", "www.example.com"] as const;
const NO_CACHE = ["cache-control", "no-cache"] as const;
const CUSTOM = ["custom-key", "custom-value"] as const;

/** C.3 and C.4: the same requests without and with Huffman coding. */
const REQUESTS: readonly Omit<Example, "block">[] = [
  { fields: [...GET_HTTP, AUTHORITY], table: [AUTHORITY], tableBytes: 57 },
  {
    fields: [...GET_HTTP, AUTHORITY, NO_CACHE],
    table: [NO_CACHE, AUTHORITY],
    tableBytes: 110,
  },
  {
    fields: [
      [":method", "GET"],
      [":scheme", "https"],
      [":path", "/index.html"],
      AUTHORITY,
      CUSTOM,
    ],
    table: [CUSTOM, NO_CACHE, AUTHORITY],
    tableBytes: 164,
  },
];

const PRIVATE = ["cache-control", "private"] as const;
const DATE_21 = ["date", "Mon, 21 Oct 2013 20:13:21 GMT"] as const;
const DATE_22 = ["date", "Mon, 21 Oct 2013 20:13:22 GMT"] as const;
const LOCATION = ["location", "https://www.example.com"] as const;
const GZIP = ["content-encoding", "gzip"] as const;
const SET_COOKIE = [
  "set-cookie",
  "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
] as const;

/** C.5 and C.6: the same responses without and with Huffman coding. */
const RESPONSES: readonly Omit<Example, "block">[] = [
  {
    fields: [[":status", "302"], PRIVATE, DATE_21, LOCATION],
    table: [LOCATION, DATE_21, PRIVATE, [":status", "302"]],
    tableBytes: 222,
  },
  {
    fields: [[":status", "307"], PRIVATE, DATE_21, LOCATION],
    table: [[":status", "307"], LOCATION, DATE_21, PRIVATE],
    tableBytes: 222,
  },
  {
    fields: [[":status", "200"], PRIVATE, DATE_22, LOCATION, GZIP, SET_COOKIE],
    table: [SET_COOKIE, GZIP, DATE_22],
    tableBytes: 215,
  },
];

function section(name: string, examples: readonly Omit<Example, "block">[], blocks: string[]) {
  return { name, examples: examples.map((example, i) => ({ ...example, block: blocks[i]! })) };
}

const SECTIONS: readonly Section[] = [
  section("C.2.1 literal with indexing", [
    {
      fields: [["custom-key", "custom-header"]],
      table: [["custom-key", "custom-header"]],
      tableBytes: 55,
    },
  ], ["400a637573746f6d2d6b65790d637573746f6d2d686561646572"]),
  section("C.2.2 literal without indexing", [
    { fields: [[":path", "/sample/path"]], table: [], tableBytes: 0 },
  ], ["040c2f73616d706c652f70617468"]),
  section("C.2.3 literal never indexed", [
    { fields: [["password", "secret", true]], table: [], tableBytes: 0 },
  ], ["100870617373776f726406736563726574"]),
  section("C.2.4 indexed", [
    { fields: [[":method", "GET"]], table: [], tableBytes: 0 },
  ], ["82"]),
  section("C.3 requests without Huffman coding", REQUESTS, [
    "828684410f7777772e6578616d706c652e636f6d",
    "828684be58086e6f2d6361636865",
    "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
  ]),
  section("C.4 requests with Huffman coding", REQUESTS, [
    "828684418cf1e3c2e5f23a6ba0ab90f4ff",
    "828684be5886a8eb10649cbf",
    "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
  ]),
  {
    tableSize256: true,
    ...section("C.5 responses without Huffman coding", RESPONSES, [
      "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d54" +
      "6e1768747470733a2f2f7777772e6578616d706c652e636f6d",
      "4803333037c1c0bf",
      "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f" +
      "3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076" +
      "657273696f6e3d31",
    ]),
  },
  {
    tableSize256: true,
    ...section("C.6 responses with Huffman coding", RESPONSES, [
      "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f" +
      "0b97c8e9ae82ae43d3",
      "4883640effc1c0bf",
      "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335df" +
      "dfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
    ]),
  },
];

const TABLE_SIZE_256 = "3fe101";

/** The section's blocks in bytes. */
function blocksOf({ examples, tableSize256 }: Section): Uint8Array[] {
  return examples.map(({ block }, i) =>
    Uint8Array.fromHex((i === 0 && tableSize256 ? TABLE_SIZE_256 : "") + block)
  );
}

Deno.test("HpackDecoder decodes the examples of RFC 7541 Appendix C", async (t) => {
  for (const section of SECTIONS) {
    await t.step(section.name, () => {
      const decoder = new HpackDecoder({ maxListBytes: 1000 });
      for (const [i, block] of blocksOf(section).entries()) {
        const { fields, table, tableBytes } = section.examples[i]!;
        assert.deepEqual(decoder.decode(block), fields);
        assert.deepEqual(decoder.table, table);
        assert.equal(decoder.tableBytes, tableBytes);
      }
    });
  }
});

Deno.test("HpackDecoder refuses the examples cut anywhere but between two fields", async (t) => {
  for (const section of SECTIONS) {
    await t.step(section.name, () => {
      const blocks = blocksOf(section);
      for (const [i, block] of blocks.entries()) {
        const { fields } = section.examples[i]!;
        let whole = 0;
        for (let length = 0; length <= block.length; length++) {
          const decoder = new HpackDecoder({ maxListBytes: 1000 });
          for (const before of blocks.slice(0, i)) decoder.decode(before);
          try {
            const some = decoder.decode(block.subarray(0, length));
            assert.deepEqual(some, fields.slice(0, some.length));
            whole++;
          } catch (error) {
            assert.ok(error instanceof HpackError, String(error));
            assert.ok(error.at >= 0 && error.at <= length);
          }
        }
        const sizeUpdates = i === 0 && section.tableSize256 ? 1 : 0;
        assert.equal(whole, fields.length + 1 + sizeUpdates);
      }
    });
  }
});
