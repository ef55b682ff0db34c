import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { release } from "../bytes/out_buffer.ts";
import { ErrorCode } from "./frames.ts";
import { MAX_OUTPUT_DATA, Sender } from "./sender.ts";
import { Stream } from "./stream.ts";
import * as wire from "./testing/wire.ts";

/** A sender and what it says of its streams. */
function begin({ window = 100, frameBytes = 16_384 } = {}) {
  const said: string[] = [];
  const sender = new Sender(
    (stream) => said.push(`end ${stream.id}`),
    (urgent) => said.push(urgent ? "output" : "late output"),
  );
  sender.peer.maxFrameBytes = frameBytes;
  const events = {
    onHeaders() {},
    onData() {},
    onReset() {},
    onCredit() {},
    onDrained: ({ id }: Stream) => said.push(`drained ${id}`),
  };
  const open = (id: number) => {
    const stream = new Stream(id, events);
    stream.sendWindow = window;
    return stream;
  };
  /** What is sent, such as `3:20` for 20 bytes on stream 3, with a dot behind its end. */
  const sent = () => {
    const views = sender.take();
    const bytes = Buffer.concat(views);
    views.forEach(release);
    return wire.frames(bytes).map(({ type, flags, id, payload }) => {
      const end = (flags & wire.END_STREAM) !== 0 ? "." : "";
      return type === wire.Type.DATA
        ? `${id}:${payload.length}${end}`
        : `${names[type]} ${id}${end}`;
    });
  };
  const events_ = () => said.splice(0).filter((line) => !line.endsWith("output"));
  return { sender, open, sent, said, events: events_ };
}

const names = Object.fromEntries(Object.entries(wire.Type).map(([name, type]) => [type, name]));
const bytes = (length: number) => new Uint8Array(length);

Deno.test("Sender sends what a stream's window takes, and the rest with its credit", () => {
  const { sender, open, sent, events } = begin({ window: 100 });
  const stream = open(1);
  sender.data(stream, bytes(130), true);
  assert.deepEqual(sent(), ["1:100"]);
  assert.equal(stream.queuedBytes, 30);
  assert.equal(sender.waitingBytes, 30);
  assert.deepEqual(events(), []);
  assert.equal(sender.streamCredit(stream, 10), true);
  assert.deepEqual(sent(), ["1:10"]);
  assert.deepEqual(events(), ["drained 1"]);
  sender.streamCredit(stream, 1000);
  assert.equal(sender.waitingBytes, sender.out.bytes);
  assert.deepEqual(sent(), ["1:20."]);
  assert.equal(sender.waitingBytes, 0);
  assert.deepEqual(events(), ["end 1", "drained 1"]);
  assert.equal(stream.sendWindow, 980);
  assert.equal(stream.queuedBytes, 0);
});

Deno.test("Sender queues behind what is queued, in order", () => {
  const { sender, open, sent } = begin({ window: 0 });
  const stream = open(1);
  for (const word of ["one ", "two ", "three"]) sender.data(stream, wire.text(word), false);
  sender.streamCredit(stream, 2);
  sender.data(stream, new Uint8Array(), true);
  sender.streamCredit(stream, 100);
  assert.deepEqual(sent(), ["1:2", "1:11."]);
});

Deno.test("Sender sends an end without bytes whatever the window", () => {
  const { sender, open, sent, events } = begin({ window: -5 });
  sender.data(open(1), new Uint8Array(), true);
  assert.deepEqual(sent(), ["1:0."]);
  assert.deepEqual(events(), ["end 1"]);
});

Deno.test("Sender keeps trailers behind what is queued", () => {
  const { sender, open, sent, events } = begin({ window: 10 });
  const stream = open(1);
  sender.headers(stream, wire.block([[":status", "200"]]), false);
  sender.data(stream, bytes(25), false);
  sender.headers(stream, wire.block([["grpc-status", "0"]]), true);
  assert.deepEqual(sent(), ["HEADERS 1", "1:10"]);
  sender.streamCredit(stream, 15);
  assert.deepEqual(sent(), ["1:15", "HEADERS 1."]);
  assert.deepEqual(events(), ["end 1", "drained 1"]);
});

Deno.test("Sender says once, in front of the first header block, that it keeps no table", () => {
  const { sender, open } = begin();
  const block = wire.block([["a", "b"]]);
  for (const id of [1, 3]) sender.headers(open(id), block, true);
  const [first, second] = wire.frames(Buffer.concat(sender.take()));
  assert.deepEqual(first?.payload, wire.join(Uint8Array.of(0x20), block));
  assert.deepEqual(second?.payload, block);
});

Deno.test("Sender cuts DATA and header blocks to the peer's frame size", () => {
  const { sender, open, sent } = begin({ window: 1000, frameBytes: 100 });
  const stream = open(1);
  sender.headers(stream, bytes(250), false);
  sender.data(stream, bytes(250), true);
  assert.deepEqual(sent(), [
    "HEADERS 1",
    "CONTINUATION 1",
    "CONTINUATION 1",
    "1:100",
    "1:100",
    "1:50.",
  ]);
});

Deno.test("Sender lets streams that wait for the connection's window take turns", () => {
  const { sender, open, sent } = begin({ window: 1_000_000, frameBytes: 20_000 });
  const [filler, one, two, three] = [open(1), open(3), open(5), open(7)];
  sender.data(filler, bytes(65_535), false);
  assert.deepEqual(sent(), ["1:20000", "1:20000", "1:20000", "1:5535"]);
  for (const stream of [one, two, three]) sender.data(stream, bytes(50_000), true);
  assert.deepEqual(sent(), []);
  sender.connectionCredit(90_000);
  assert.deepEqual(sent(), ["3:20000", "5:20000", "7:20000", "3:20000", "5:10000"]);
  sender.connectionCredit(1_000_000);
  assert.deepEqual(sent(), ["7:20000", "3:10000.", "5:20000.", "7:10000."]);
});

Deno.test("Sender keeps DATA from an output that nobody takes, and lets streams take turns", () => {
  const { sender, open, sent } = begin({ window: 2 ** 30 });
  sender.connectionCredit(2 ** 30);
  const [first, second] = [open(1), open(3)];
  for (let i = 0; i < 100; i++) {
    sender.data(first, bytes(60_000), false);
    sender.data(second, bytes(60_000), false);
  }
  assert.ok(sender.out.bytes < MAX_OUTPUT_DATA + 2 * 60_000);
  const total = { 1: 0, 3: 0 };
  for (let round = 0; first.queuedBytes + second.queuedBytes + sender.out.bytes > 0; round++) {
    assert.ok(round < 100, "it goes on with what waits");
    assert.ok(sender.out.bytes < MAX_OUTPUT_DATA + 60_000, `${sender.out.bytes} bytes wait`);
    for (const frame of sent()) {
      const [id, length] = frame.split(":") as ["1" | "3", string];
      total[id] += Number(length);
    }
    const apart = Math.abs(total[1] - total[3]);
    if (round > 0) assert.ok(apart <= 120_000, `streams are ${apart} bytes apart`);
  }
  assert.deepEqual(total, { 1: 6_000_000, 3: 6_000_000 });
});

Deno.test("Sender says that there is output once, until it is taken", () => {
  const { sender, open, said } = begin();
  sender.data(open(1), bytes(5), false);
  sender.frame(wire.Type.PING, 0, 0, bytes(8));
  assert.deepEqual(said, ["output"]);
  sender.take();
  sender.frame32(wire.Type.WINDOW_UPDATE, 0, 5);
  assert.deepEqual(said, ["output", "output"]);
});

Deno.test("Sender.lateFrame() waits for what is urgent, unless late frames come to much", () => {
  const { sender, open, said } = begin();
  const late = () => sender.lateFrame(wire.Type.PING, 1, 0, bytes(8));
  late();
  late();
  assert.deepEqual(said.splice(0), ["late output"]);
  sender.data(open(1), bytes(1), false);
  late();
  assert.deepEqual(said.splice(0), ["output"]);
  sender.take().forEach(release);
  for (let i = 0; i < 100; i++) late();
  assert.deepEqual(said.splice(0), ["late output", "output"]);
});

Deno.test("Sender.drop() forgets what is queued, which counts as drained", () => {
  const { sender, open, sent, events } = begin({ window: 10 });
  const stream = open(1);
  sender.data(stream, bytes(50), true);
  sender.drop(stream);
  assert.deepEqual(events(), ["drained 1"]);
  assert.equal(stream.queuedBytes, 0);
  sender.streamCredit(stream, 100);
  sender.connectionCredit(100);
  assert.deepEqual(sent(), ["1:10"]);
  sender.drop(stream);
  assert.deepEqual(events(), [], "a second time drops nothing");
});

Deno.test("Sender keeps to windows that settings made negative (RFC 9113 §6.9.2)", () => {
  const { sender, open, sent } = begin({ window: 100 });
  const stream = open(1);
  sender.data(stream, bytes(80), false);
  sender.streamCredit(stream, -90);
  assert.equal(stream.sendWindow, -70);
  sender.data(stream, bytes(10), true);
  sender.streamCredit(stream, 70);
  assert.deepEqual(sent(), ["1:80"]);
  sender.streamCredit(stream, 10);
  assert.deepEqual(sent(), ["1:10."]);
});

Deno.test("Sender takes a stream out of the queue whose window has shrunk below zero", () => {
  const { sender, open, sent, events } = begin({ window: 65_535 });
  const [filler, waiting] = [open(1), open(3)];
  sender.data(filler, bytes(65_535), false);
  sender.data(waiting, bytes(10), true);
  sender.streamCredit(waiting, -65_540);
  sent();
  sender.connectionCredit(1000);
  assert.deepEqual([sent(), events()], [[], []]);
  sender.streamCredit(waiting, 5 + 10);
  assert.deepEqual(sent(), ["3:10."]);
});

Deno.test("Sender tells a window that overflows", () => {
  const { sender, open } = begin({ window: 2 ** 31 - 1 });
  assert.equal(sender.streamCredit(open(1), 1), false);
  assert.throws(() => sender.connectionCredit(2 ** 31 - 1), { code: ErrorCode.FLOW_CONTROL_ERROR });
});
