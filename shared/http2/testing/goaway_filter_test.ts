import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { GoawayFilter } from "./goaway_filter.ts";

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const END_STREAM = 1;
const END_HEADERS = 4;

function frame(type: number, streamId: number, payload: readonly number[] = [], flags = 0) {
  return Buffer.from([0, 0, payload.length, type, flags, 0, 0, 0, streamId, ...payload]);
}
const settings = frame(4, 0);
const request = (id: number) => frame(1, id, [0x82], END_STREAM | END_HEADERS);
const answer = (id: number) =>
  Buffer.concat([frame(1, id, [0x88], END_HEADERS), frame(0, id, [7, 7, 7], END_STREAM)]);
const goaway = (last: number) => frame(7, 0, [0, 0, 0, last, 0, 0, 0, 0, 7, 7]);
const GOAWAY_LATER = frame(7, 0, [0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
const refusal = (id: number) => frame(3, id, [0, 0, 0, 7]);

/** A filter whose client has sent these requests. */
function filterAfter(...ids: number[]): GoawayFilter {
  const filter = new GoawayFilter();
  const sent = [PREFACE, settings, ...ids.map(request)];
  assert.deepEqual(filter.send(Buffer.concat(sent)), []);
  return filter;
}

function receive(filter: GoawayFilter, ...bytes: Uint8Array[]): Buffer {
  return Buffer.concat(bytes.flatMap((piece) => filter.receive(piece)));
}

Deno.test("GoawayFilter lets the streams that a GOAWAY allows go on", async (t) => {
  for (
    const [name, frames] of Object.entries({
      "any id": [GOAWAY_LATER],
      "the exact id": [goaway(1)],
      "one after the other": [GOAWAY_LATER, goaway(1)],
    })
  ) {
    await t.step(name, () => {
      const filter = filterAfter(1);
      assert.ok(!filter.leaving);
      assert.deepEqual(receive(filter, settings, ...frames), settings);
      assert.deepEqual([filter.leaving, filter.refused], [true, false]);
      assert.deepEqual(receive(filter, answer(1)), answer(1));
    });
  }
});

Deno.test("GoawayFilter refuses the streams above the last id, wherever the bytes are cut", () => {
  const bytes = Buffer.concat([settings, answer(1), goaway(3), answer(3)]);
  for (let cut = 0; cut <= bytes.length; cut++) {
    const filter = filterAfter(1, 3, 5, 7);
    const read = receive(filter, bytes.subarray(0, cut), bytes.subarray(cut)).toString("hex");
    assert.ok(filter.refused);
    const refusals = Buffer.concat([refusal(5), refusal(7)]).toString("hex");
    assert.equal(read.split(refusals).length, 2, `cut at ${cut}`);
    const rest = Buffer.concat([settings, answer(1), answer(3)]).toString("hex");
    assert.equal(read.replace(refusals, ""), rest, `cut at ${cut}`);
  }
});

Deno.test("GoawayFilter refuses a stream that is opened too late, between two frames", () => {
  const filter = filterAfter(1);
  assert.deepEqual(receive(filter, settings, goaway(1)), settings);
  assert.deepEqual(Buffer.concat(filter.send(request(3))), refusal(3));
  assert.ok(filter.refused);
  const bytes = answer(1);
  const start = receive(filter, bytes.subarray(0, 12));
  assert.deepEqual(filter.send(request(5)), []);
  const rest = receive(filter, bytes.subarray(12));
  assert.deepEqual(Buffer.concat([start, rest]), Buffer.concat([bytes, refusal(5)]));
});

Deno.test("GoawayFilter does not refuse twice, nor what is over", () => {
  const filter = filterAfter(1, 3);
  const bytes = Buffer.concat([settings, answer(1), goaway(0), goaway(0)]);
  const expected = Buffer.concat([settings, answer(1), refusal(3)]);
  assert.deepEqual(receive(filter, bytes), expected);
  assert.deepEqual(receive(filter, goaway(0)), Buffer.alloc(0));
});
