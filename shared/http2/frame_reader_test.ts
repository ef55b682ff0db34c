import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { fc } from "../testing/property.ts";
import { FrameReader, type FrameSink } from "./frame_reader.ts";
import { ErrorCode } from "./frames.ts";
import {
  data,
  frame,
  join,
  paddedData,
  ping,
  settings,
  Type,
  windowUpdate,
} from "./testing/wire.ts";

/** Writes down what it is given; pieces of one DATA frame as one. */
class Sink implements FrameSink {
  readonly seen: string[] = [];
  #head = "";
  #body: Uint8Array[] = [];

  frame(type: number, flags: number, id: number, payload: Uint8Array): void {
    this.seen.push(`${type} ${flags} ${id} ${Buffer.from(payload).toString("hex")}`);
  }

  dataBegin(flags: number, id: number, length: number): void {
    this.#head = `data ${flags} ${id} ${length}`;
    this.#body = [];
  }

  dataPiece(piece: Uint8Array, left: number): void {
    this.#body.push(piece.slice());
    if (left === 0) this.seen.push(`${this.#head} ${Buffer.concat(this.#body).toString("hex")}`);
  }
}

function read(bytes: Uint8Array, cuts: readonly number[] = []): string[] {
  const sink = new Sink();
  const reader = new FrameReader(sink);
  let at = 0;
  for (const cut of cuts) {
    const piece = bytes.slice(at, at + cut);
    reader.push(piece);
    piece.fill(0xee); // Views are good during the call only.
    at += cut;
  }
  reader.push(bytes.slice(at));
  return sink.seen;
}

Deno.test("FrameReader cuts frames, and passes DATA on without its frame", () => {
  const bytes = join(settings(), data(3, "ab", 1), data(3, ""), paddedData(5, "x", 2), ping());
  assert.deepEqual(read(bytes), [
    "4 0 0 ",
    "data 1 3 2 6162",
    "data 0 3 0 ",
    "0 8 5 02780000",
    "6 0 0 0000000000000000",
  ]);
});

Deno.test("FrameReader ignores the reserved bit of a stream id", () => {
  assert.deepEqual(read(frame(Type.PING, 0, 0x80000005)), ["6 0 5 "]);
});

Deno.test("FrameReader gives the same wherever bytes break", () => {
  const one = fc.oneof(
    fc.tuple(
      fc.integer({ min: 0, max: 12 }),
      fc.nat(255),
      fc.nat(9),
      fc.uint8Array({ maxLength: 40 }),
    )
      .map(([type, flags, id, payload]) => frame(type, flags, id, payload)),
    fc.tuple(fc.nat(9), fc.uint8Array({ maxLength: 40 })).map(([id, payload]) => data(id, payload)),
  );
  fc.assert(fc.property(
    fc.array(one, { maxLength: 12 }).map((parts) => join(...parts)),
    fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 30 }),
    (bytes, cuts) => {
      const whole = read(bytes);
      assert.deepEqual(read(bytes, cuts), whole, "random cuts");
      assert.deepEqual(read(bytes, Array(bytes.length).fill(1)), whole, "byte by byte");
      assert.deepEqual(read(bytes, Array(bytes.length >> 1).fill(2)), whole, "in twos");
    },
  ));
});

Deno.test("FrameReader refuses a frame over 16384 bytes before its payload comes", () => {
  assert.equal(read(frame(Type.PING, 0, 0, new Uint8Array(16_384))).length, 1);
  for (const type of [Type.DATA, Type.HEADERS, 0x42]) {
    assert.throws(() => read(frame(type, 0, 1, new Uint8Array(), 16_385)), {
      code: ErrorCode.FRAME_SIZE_ERROR,
    });
  }
});

Deno.test("FrameReader.stop() ends it in the midst of its input", () => {
  const sink = new Sink();
  const reader = new FrameReader(sink);
  sink.frame = (type) => (sink.seen.push(String(type)), reader.stop());
  reader.push(join(ping(), windowUpdate(0, 1), data(1, "x")));
  reader.push(ping());
  assert.deepEqual(sink.seen, ["6"]);
});

Deno.test("B2: FrameReader stops after so many steps, and goes on with the rest", () => {
  const bytes = join(settings(), data(3, "ab", 1), data(3, ""), paddedData(5, "x", 2), ping());
  const sink = new Sink();
  const reader = new FrameReader(sink);
  const steps: number[] = [];
  for (let rest = bytes; rest.length > 0;) {
    const before = sink.seen.length;
    rest = rest.subarray(reader.push(rest, 2));
    steps.push(sink.seen.length - before);
  }
  assert.deepEqual(sink.seen, read(bytes));
  assert.ok(steps.length > 2 && steps.every((frames) => frames <= 2), steps.join());
});
