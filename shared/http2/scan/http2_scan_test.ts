import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { type FrameHead, goawayFrame, Http2Scan } from "./http2_scan.ts";

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

function frame(type: number, length: number): Uint8Array {
  const bytes = new Uint8Array(9 + length).fill(7); // 7 is also the type of GOAWAY
  bytes.set([length >> 16, length >> 8, length, type, 0, 0, 0, 0, 1]);
  return bytes;
}

const SETTINGS = frame(4, 0);
const DATA = frame(0, 300);
const GOAWAY = frame(7, 8);
const EMPTY_GOAWAY = frame(7, 0);

/** Every way of passing the bytes: whole, one by one, and in twos. */
function* cuts(bytes: Uint8Array): Generator<Uint8Array[]> {
  yield [bytes];
  yield Array.from(bytes, (byte) => Uint8Array.of(byte));
  for (let i = 1; i < bytes.length; i++) yield [bytes.subarray(0, i), bytes.subarray(i)];
}

Deno.test("Http2Scan passes everything on and counts GOAWAY frames", () => {
  const bytes = Buffer.concat([PREFACE, SETTINGS, DATA, GOAWAY, DATA, EMPTY_GOAWAY]);
  for (const pieces of cuts(bytes)) {
    const seen: FrameHead[] = [];
    const scan = new Http2Scan({ fromClient: true, onFrame: (head) => seen.push(head) });
    const out = pieces.flatMap((piece) => scan.pass(piece));
    assert.deepEqual(Buffer.concat(out), bytes);
    assert.deepEqual(seen.map(({ type }) => type), [4, 0, 7, 0, 7]);
    assert.ok(seen.every(({ flags, streamId }) => flags === 0 && streamId === 1));
    assert.ok(scan.atBorder);
  }
});

Deno.test("Http2Scan.atBorder is false within a header block", () => {
  const scan = new Http2Scan({ fromClient: false });
  const header = (type: number, flags: number) =>
    Uint8Array.of(0, 0, 1, type, flags, 0, 0, 0, 1, 0x88);
  const borders = [
    header(1, 0), // HEADERS
    header(9, 0), // CONTINUATION
    header(9, 4), // … with END_HEADERS
    header(0, 0), // DATA
    header(1, 4),
  ].map((bytes) => {
    scan.pass(bytes);
    return scan.atBorder;
  });
  assert.deepEqual(borders, [false, false, true, true, true]);
});

Deno.test("Http2Scan takes GOAWAY frames out", () => {
  const bytes = Buffer.concat([SETTINGS, GOAWAY, DATA, EMPTY_GOAWAY, GOAWAY, SETTINGS, GOAWAY]);
  const rest = Buffer.concat([SETTINGS, DATA, SETTINGS]);
  for (const pieces of cuts(bytes)) {
    const seen: FrameHead[] = [];
    const scan = new Http2Scan({
      fromClient: false,
      onFrame: (head) => seen.push(head),
      dropGoaway: true,
    });
    const out = pieces.flatMap((piece) => scan.pass(piece));
    assert.deepEqual(Buffer.concat(out), rest);
    assert.deepEqual(seen.map(({ type }) => type), [4, 7, 0, 7, 7, 4, 7]);
  }
});

Deno.test("Http2Scan copies nothing when there is nothing to take out", () => {
  const scan = new Http2Scan({ fromClient: false, dropGoaway: true });
  const bytes = Buffer.concat([SETTINGS, DATA]);
  const [only, ...others] = scan.pass(bytes);
  assert.equal(only, bytes);
  assert.deepEqual(others, []);
});

Deno.test("Http2Scan.atBorder is true only between frames", () => {
  const scan = new Http2Scan({ fromClient: false });
  assert.ok(scan.atBorder);
  for (let i = 0; i < DATA.length - 1; i++) {
    scan.pass(DATA.subarray(i, i + 1));
    assert.ok(!scan.atBorder, `after ${i + 1} bytes`);
  }
  scan.pass(DATA.subarray(-1));
  assert.ok(scan.atBorder);
});

Deno.test("goawayFrame() is one", () => {
  assert.equal(
    Buffer.from(goawayFrame()).toString("hex"),
    "000008" + "07" + "00" + "00000000" + "7fffffff" + "00000000",
  );
});
