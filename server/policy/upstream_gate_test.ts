import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { Flag, FrameType, PREFACE } from "../../shared/http2/frames.ts";
import { encodeHeaderList } from "../../shared/http2/hpack/encoder.ts";
import {
  BAD,
  Bench,
  bytesOf,
  call,
  data,
  fieldsOf,
  framesOf,
  GOOD,
  head,
  OPENING,
  SETTINGS,
} from "./testing/gate.ts";

/** Path, authority and voucher are put into the dynamic table, and stand there at 64, 63 and 62. */
const ADDED = Buffer.from([
  ...[0x83, 0x86, 0x44, 7, ...Buffer.from("/a.B/No"), 0x41, 6, ...Buffer.from("edge-1")],
  ...[0x40, 13, ...Buffer.from("x-hub-voucher"), 5, ...Buffer.from("alice")],
]);
/** The next path moves them on by one: authority and voucher are taken from 64 and 63. */
const REUSED = Buffer.from([0x83, 0x86, 0x44, 7, ...Buffer.from("/a.B/Ok"), 0xc0, 0xbf]);

Deno.test("UpstreamGate lets through what is allowed and nothing else, however the bytes are cut", () => {
  const window = bytesOf({
    type: FrameType.WINDOW_UPDATE,
    flags: 0,
    id: 3,
    payload: Buffer.from([0, 0, 0, 9]),
  });
  const reset = (id: number) =>
    bytesOf({ type: FrameType.RST_STREAM, flags: 0, id, payload: Buffer.from([0, 0, 0, 8]) });
  const bytes = Buffer.concat([
    PREFACE,
    SETTINGS,
    call(1, GOOD),
    call(3, BAD),
    data(3, "secret"),
    data(1, "hello"),
    window,
    data(3, "secret", Flag.END_STREAM),
    call(5, GOOD.subarray(0, 20), 0),
    bytesOf({
      type: FrameType.CONTINUATION,
      flags: Flag.END_HEADERS,
      id: 5,
      payload: Buffer.from(GOOD.subarray(20)),
    }),
    call(7, BAD, Flag.END_HEADERS | Flag.END_STREAM),
    reset(7),
    data(5, "", Flag.END_STREAM),
    reset(1),
  ]);
  function* cuts(): Generator<Uint8Array[]> {
    yield [bytes];
    yield Array.from(bytes, (byte) => Uint8Array.of(byte));
    for (let i = 1; i < bytes.length; i++) yield [bytes.subarray(0, i), bytes.subarray(i)];
  }
  for (const pieces of cuts()) {
    const bench = new Bench();
    const out = bench.pass(...pieces);
    assert.deepEqual(out.subarray(0, PREFACE.length), Buffer.from(PREFACE));
    const passed = framesOf(out.subarray(PREFACE.length));
    assert.deepEqual(passed.map(({ type, id }) => [type, id]), [
      [FrameType.SETTINGS, 0],
      [FrameType.HEADERS, 1],
      [FrameType.DATA, 1],
      [FrameType.HEADERS, 5],
      [FrameType.DATA, 5],
      [FrameType.RST_STREAM, 1],
    ]);
    for (const frame of passed.filter(({ type }) => type === FrameType.HEADERS)) {
      const fields = fieldsOf(frame);
      assert.deepEqual(fields.filter(([name]) => name.startsWith("x-hub")), [
        ["x-hub-operator", "alice"],
      ]);
    }
    const answers = bench.toHub.flatMap(framesOf);
    const refusals = answers.filter(({ type }) => type === FrameType.HEADERS);
    assert.deepEqual(refusals.map(({ id }) => id), [3, 7]);
    assert.ok(
      fieldsOf(refusals[0]!).some(([name, value]) => name === "grpc-status" && value === "7"),
    );
    // The hub gets back what was dropped.
    const credit = answers.filter(({ type }) => type === FrameType.WINDOW_UPDATE);
    assert.ok(credit.every(({ id }) => id === 0));
    assert.equal(credit.reduce((sum, { payload }) => sum + payload.readUInt32BE(), 0), 12);
    assert.equal(bench.kept.size, 1);
    assert.equal(bench.broken, "");
  }
});

Deno.test("UpstreamGate keeps the header tables in step when it leaves a call out", () => {
  const bench = new Bench();
  const out = bench.pass(OPENING, call(1, ADDED), call(3, REUSED));
  const [, frame] = framesOf(out.subarray(PREFACE.length));
  assert.equal(frame?.id, 3, bench.broken);
  assert.deepEqual(fieldsOf(frame), [
    [":method", "POST"],
    [":scheme", "http"],
    [":path", "/a.B/Ok"],
    [":authority", "edge-1"],
    ["x-hub-operator", "alice"],
  ]);
});

Deno.test("UpstreamGate ends a call that is no longer allowed, not in the middle of a frame", () => {
  const bench = new Bench();
  bench.pass(OPENING, call(1, GOOD), call(3, GOOD));
  const text = data(1, "hello");
  const first = bench.pass(text.subarray(0, 11));
  bench.allowed = false;
  for (const kept of [...bench.kept]) kept.end(kept.recheck()!);
  assert.deepEqual(bench.pushed, []);
  const rest = framesOf(Buffer.concat([first, bench.pass(text.subarray(11), data(3, "more"))]));
  assert.deepEqual(rest.map(({ type, id }) => [type, id]), [
    [FrameType.DATA, 1],
    [FrameType.RST_STREAM, 1],
    [FrameType.RST_STREAM, 3],
  ]);
  const resets = bench.toHub.flatMap(framesOf).filter(({ type }) => type === FrameType.RST_STREAM);
  assert.deepEqual(resets.map(({ id, payload }) => [id, payload[3]]), [[1, 0xc], [3, 0xc]]);
  assert.equal(bench.kept.size, 0);
});

Deno.test("UpstreamGate keeps nothing of calls that are over", () => {
  const bench = new Bench();
  bench.pass(OPENING, call(1, GOOD), call(3, GOOD), call(5, GOOD), call(7, GOOD));
  assert.equal(bench.kept.size, 4);
  bench.gate.fromUpstream({ type: FrameType.HEADERS, flags: Flag.END_STREAM, streamId: 1 });
  bench.gate.fromUpstream({ type: FrameType.DATA, flags: Flag.END_STREAM, streamId: 3 });
  bench.gate.fromUpstream({ type: FrameType.RST_STREAM, flags: 0, streamId: 5 });
  bench.gate.fromUpstream({ type: FrameType.SETTINGS, flags: 1, streamId: 0 });
  assert.equal(bench.kept.size, 1);
  bench.gate[Symbol.dispose]();
  assert.equal(bench.kept.size, 0);
});

Deno.test("UpstreamGate says when the hub breaks HTTP/2, and lets nothing more through", async (t) => {
  const rows: [what: string, bytes: Uint8Array, says: RegExp][] = [
    ["a block that is no HPACK", call(1, Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff)), /./],
    ["a block that is interrupted", Buffer.concat([call(1, GOOD, 0), data(1, "x")]), /interrupted/],
    [
      "CONTINUATION of nothing",
      bytesOf({
        type: FrameType.CONTINUATION,
        flags: 4,
        id: 1,
        payload: Buffer.alloc(0),
      }),
      /CONTINUATION/,
    ],
    ["a frame that is too long", Buffer.from([0xff, 0, 0, 0, 0, 0, 0, 0, 1]), /limit/],
    [
      "an endless list",
      call(
        1,
        encodeHeaderList([...head("/a.B/Ok", "alice"), ["x", "y".repeat(15_000)]]).slice(0, 15_000),
      ),
      /./,
    ],
  ];
  for (const [what, bytes, says] of rows) {
    await t.step(what, () => {
      const bench = new Bench();
      bench.pass(OPENING);
      bench.pass(bytes);
      assert.match(bench.broken, says);
      assert.equal(bench.pass(call(9, GOOD)).length, 0);
    });
  }
});
