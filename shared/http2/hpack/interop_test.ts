/** Our codec against others: hpack.js both ways, and `node:http2` at the other end of a socket. */
import assert from "node:assert/strict";
import { once } from "node:events";
import http2, { type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { fc } from "../../testing/property.ts";
import type { HeaderList } from "../header_list.ts";
import { HpackDecoder } from "./decoder.ts";
import { encodeHeaderList, TABLE_SIZE_ZERO } from "./encoder.ts";
import { STATIC_TABLE } from "./static_table.ts";
import { TheirDecoder, TheirEncoder, type TheirField } from "./testing/hpack_js.ts";

const letters = fc.stringMatching(/^[a-z]{1,6}$/).map((text) => `x-${text}`);
const byteString = fc.uint8Array({ maxLength: 60 }).map((bytes) => String.fromCharCode(...bytes));

/** Few names and values among many, so that the tables find something again. */
const theirField: fc.Arbitrary<TheirField> = fc.record({
  name: fc.oneof(
    fc.constantFrom(...STATIC_TABLE.map(([name]) => name)),
    fc.constantFrom("x-a", "x-b", "grpc-timeout", "te"),
    letters,
  ),
  value: fc.oneof(
    fc.constantFrom("", "1", "GET", "/", "200", "application/grpc", "v".repeat(900)),
    // hpack.js looks values up in a plain object: keep them from naming its methods.
    byteString.map((text) => `=${text}`),
  ),
  neverIndex: fc.nat(9).map((n) => n === 0),
  incremental: fc.nat(3).map((n) => n > 0),
  huffman: fc.boolean(),
});

interface TheirBlock {
  readonly fields: readonly TheirField[];
  readonly emptyTable: boolean;
  readonly times: number;
}

const theirBlock: fc.Arbitrary<TheirBlock> = fc.record({
  fields: fc.array(theirField, { maxLength: 12 }),
  emptyTable: fc.nat(9).map((n) => n === 0),
  /** Repeats let the decoder remember. */
  times: fc.integer({ min: 1, max: 5 }),
});

Deno.test("HpackDecoder reads what hpack.js wrote, over many blocks of one connection", () => {
  fc.assert(fc.property(fc.array(theirBlock, { maxLength: 30 }), (blocks) => {
    const encoder = new TheirEncoder();
    const decoder = new HpackDecoder({ maxListBytes: 1e6 });
    const theirDecoder = new TheirDecoder();
    for (const { fields, emptyTable, times } of blocks) {
      for (let i = 0; i < times; i++) {
        const block = encoder.encode(fields, { emptyTable });
        const decoded = decoder.decode(block);
        assert.deepEqual(
          decoded.map(([name, value, neverIndex = false]) => ({ name, value, neverIndex })),
          theirDecoder.decode(block),
        );
        assert.deepEqual(
          decoded.map(([name, value]) => [name, value]),
          fields.map(({ name, value }) => [name, value]),
        );
      }
    }
  }));
});

Deno.test("HpackDecoder sees hpack.js repeat itself", () => {
  const encoder = new TheirEncoder();
  const decoder = new HpackDecoder({ maxListBytes: 1000 });
  const fields = [[":method", "POST"], ["te", "trailers"], ["x-a", "1"]] as const;
  const repeated = Array.from({ length: 4 }, () => {
    assert.deepEqual(decoder.decode(encoder.encodeList(fields)), fields);
    return decoder.repeated;
  });
  // Added to the table; then noted; then remembered; then known.
  assert.deepEqual(repeated, [false, false, false, true]);
});

Deno.test("hpack.js reads what encodeHeaderList() wrote", () => {
  fc.assert(fc.property(fc.array(theirField), (fields) => {
    const list = fields.map(({ name, value }) => [name, value] as const);
    const decoded = new TheirDecoder().decode(
      Uint8Array.of(TABLE_SIZE_ZERO, ...encodeHeaderList(list)),
    );
    assert.deepEqual(decoded.map(({ name, value }) => [name, value]), list);
    for (const { name, neverIndex } of decoded) {
      assert.equal(neverIndex, ["authorization", "proxy-authorization", "cookie"].includes(name));
    }
  }));
});

const MAX_LIST_BYTES = 16_384;
const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS = 0x1;
const SETTINGS = 0x4;
const END_STREAM_AND_HEADERS = 0x5;

function frame(type: number, flags: number, stream: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(9 + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, payload.length << 8 | type);
  view.setUint8(4, flags);
  view.setUint32(5, stream);
  bytes.set(payload, 9);
  return bytes;
}

/** The header blocks that arrive on a connection, by stream. */
async function* headerBlocks(connection: Deno.Conn) {
  let bytes = new Uint8Array();
  for await (const chunk of connection.readable.values({ preventCancel: true })) {
    bytes = Uint8Array.of(...bytes, ...chunk);
    while (bytes.length >= 9) {
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      const end = 9 + (view.getUint32(0) >>> 8);
      if (bytes.length < end) break;
      if (view.getUint8(3) === HEADERS) {
        yield { stream: view.getUint32(5), block: bytes.slice(9, end) };
      }
      bytes = bytes.slice(end);
    }
  }
}

Deno.test("node:http2 and we read each other", async () => {
  const server = http2.createServer();
  server.on("stream", (stream: ServerHttp2Stream, headers) => {
    const { ":method": _method, ":scheme": _scheme, ":authority": _authority, ...echo } = headers;
    const { ":path": path, ...rest } = echo;
    stream.respond({ ":status": 200, "x-path": path, ...rest }, { endStream: true });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });

  const requests = Array.from({ length: 40 }, (_, i): HeaderList => [
    [":method", "POST"],
    [":scheme", "http"],
    [":path", `/echo.v1.Echo/${"Unary".repeat(i)}`],
    [":authority", "localhost"],
    ["content-type", "application/grpc"],
    ["te", "trailers"],
    ["authorization", "Bearer secret"],
    ["grpc-timeout", `${i % 5}S`],
    ["x-data-bin", "A".repeat(37 * i)],
  ]);
  const writer = connection.writable.getWriter();
  await writer.write(new TextEncoder().encode(PREFACE));
  await writer.write(frame(SETTINGS, 0, 0, new Uint8Array()));
  for (const [i, fields] of requests.entries()) {
    const update = i === 0 ? [TABLE_SIZE_ZERO] : [];
    const block = Uint8Array.of(...update, ...encodeHeaderList(fields));
    await writer.write(frame(HEADERS, END_STREAM_AND_HEADERS, 2 * i + 1, block));
  }

  const decoder = new HpackDecoder({ maxListBytes: MAX_LIST_BYTES });
  let answers = 0;
  for await (const { stream, block } of headerBlocks(connection)) {
    const fields = new Map(decoder.decode(block).map(([name, value]) => [name, value]));
    const request = requests[(stream - 1) / 2]!;
    assert.equal(fields.get(":status"), "200");
    assert.equal(fields.get("x-path"), request[2]![1]);
    for (const [name, value] of request.slice(4)) assert.equal(fields.get(name), value);
    if (++answers === requests.length) break;
  }
  assert.equal(answers, requests.length);

  connection.close();
  server.close();
  await once(server, "close");
});
