/**
 * Valid conversations, spoilt: bits flipped, frames dropped, doubled, out of order, with wrong
 * lengths, types, flags and ids. A connection may answer what it likes, but it must not throw, hang
 * or keep more than it says.
 *
 * The seed of a run that fails is printed; `GHUB_TEST_SEED=…` plays it again.
 */
import assert from "node:assert/strict";
import { randomFrom, SEED } from "../testing/property.ts";
import { MAX_OUTPUT_DATA } from "./sender.ts";
import { Recorder } from "./testing/recorder.ts";
import {
  block,
  data,
  END_HEADERS,
  END_STREAM,
  frame,
  frames,
  goaway,
  headers,
  join,
  paddedData,
  ping,
  PREFACE,
  REQUEST,
  reset,
  RESPONSE,
  settings,
  Type,
  windowUpdate,
} from "./testing/wire.ts";

const FRAMES = 100_000;
const FRAMES_PER_RUN = 100;
const MAX_STREAMS = 20;
/** What may wait to be taken: DATA to its limit, and an answer to each frame. */
const MAX_OUTPUT = MAX_OUTPUT_DATA + 100 * FRAMES_PER_RUN;

type Random = (below: number) => number;

/** A peer that knows the rules, and keeps to most of them. */
class Honest {
  readonly #random: Random;
  readonly #role: "client" | "server";
  /** The id of the next stream (of a client). */
  #next = 1;

  constructor(random: Random, role: "client" | "server") {
    this.#random = random;
    this.#role = role;
  }

  frame(): Uint8Array {
    const random = this.#random;
    if (this.#role === "client" && (this.#next === 1 || random(4) === 0)) {
      this.#next += 2;
      return this.#open(this.#next - 2);
    }
    const id = 1 + 2 * random(this.#role === "client" ? this.#next >> 1 : MAX_STREAMS);
    const end = random(3) === 0 ? END_STREAM : 0;
    const some = [
      () => headers(id, [["grpc-status", "0"]], END_STREAM),
      () => this.#role === "client" ? ping() : headers(id, RESPONSE, end),
      () => data(id, new Uint8Array(random(40)), end),
      () => data(id, new Uint8Array(random(40)), end),
      () => data(id, new Uint8Array(random(random(4) === 0 ? 16_385 : 900)), end),
      () => paddedData(id, "some", random(256), end),
      () => windowUpdate(random(2) * id, 1 + random(100_000)),
      () => reset(id, random(16)),
      () => settings([4, random(200_000)], [5, 16_384 + random(10_000)]),
      () => frame(Type.PRIORITY, 0, id, new Uint8Array(5)),
      () => random(20) === 0 ? goaway(random(60)) : ping(),
    ];
    return some[random(some.length)]!();
  }

  #open(id: number): Uint8Array {
    const end = this.#random(3) === 0 ? END_STREAM : 0;
    if (this.#random(3) > 0) return headers(id, REQUEST, end);
    const fields = block([...REQUEST, ["x-some", "thing"]]);
    const cut = this.#random(fields.length);
    return join(
      frame(Type.HEADERS, end, id, fields.subarray(0, cut)),
      frame(Type.CONTINUATION, END_HEADERS, id, fields.subarray(cut)),
    );
  }
}

/** Spoils a conversation. */
function spoil(random: Random, conversation: Uint8Array[]): Uint8Array[] {
  // Few faults get far, many come soon.
  const rarely = 7 * (1 + random(30));
  return conversation.flatMap((bytes, i) => {
    switch (random(rarely)) {
      case 0:
        return [];
      case 1:
        return [bytes, bytes];
      case 2: // Out of order.
        return [conversation[random(conversation.length)]!, bytes];
      case 3: { // A bit, anywhere.
        const changed = bytes.slice();
        changed[random(changed.length)]! ^= 1 << random(8);
        return [changed];
      }
      case 4: { // Something in the frame's head: length, type, flags, id.
        const changed = bytes.slice();
        changed[random(9)] = random(256);
        return [changed];
      }
      case 5:
        return [bytes.subarray(0, random(bytes.length))];
      case 6: // Bytes of nobody.
        return [bytes, Uint8Array.from({ length: random(30) }, () => random(256))];
      default:
        return [conversation[i]!];
    }
  });
}

/** Plays one spoilt conversation to a fresh connection; the number of frames that it read. */
function run(random: Random, role: "client" | "server"): number {
  const end = new Recorder({ role, maxConcurrentStreams: MAX_STREAMS, connectionWindow: 1 << 18 });
  end.connection.start();
  end.take();
  if (role === "client") {
    for (let i = 0; i < MAX_STREAMS; i++) end.request(block(REQUEST), random(2) === 0);
    end.take();
  } else end.connection.receive(PREFACE);
  const peer = new Honest(random, role === "client" ? "server" : "client");
  const conversation = [
    settings(),
    ...Array.from({ length: FRAMES_PER_RUN }, () => peer.frame()),
  ];
  const spoilt = spoil(random, conversation);
  end.consumes = random(4) !== 0;
  let read = 0;
  for (const bytes of spoilt) {
    if (end.error !== undefined && random(8) === 0) break;
    for (let at = 0; at < bytes.length;) {
      const cut = at + 1 + random(random(2) === 0 ? 12 : 20_000);
      end.connection.receive(bytes.slice(at, cut));
      at = cut;
    }
    read++;
    answer(random, end);
    check(random, end);
  }
  end.connection.abort(8);
  assert.equal(end.connection.streamCount, 0);
  for (const stream of end.streams.values()) assert.equal(stream.queuedBytes, 0);
  return read;
}

/** What an application does meanwhile. */
function answer(random: Random, end: Recorder): void {
  for (const stream of end.streams.values()) {
    if (stream.closed || random(4) !== 0) continue;
    const what = random(5);
    if (what === 0) end.connection.headers(stream, block(RESPONSE), random(2) === 0);
    else if (what === 1) end.connection.reset(stream, random(14));
    else if (stream.headersSent && stream.queuedBytes < 100_000) {
      end.connection.data(stream, new Uint8Array(random(3_000)), what === 2);
    }
  }
  // What is over is forgotten, as an application would.
  for (const [id, stream] of end.streams) if (stream.closed) end.streams.delete(id);
}

function check(random: Random, end: Recorder): void {
  const { connection, log, faults, streams } = end;
  assert.deepEqual(faults, []);
  assert.ok(connection.outputBytes <= MAX_OUTPUT, `${connection.outputBytes} bytes wait`);
  assert.ok(connection.streamCount <= MAX_STREAMS, `${connection.streamCount} streams`);
  for (const stream of streams.values()) {
    assert.ok(stream.recvWindow >= 0 && stream.recvWindow < 2 ** 31);
    assert.ok(stream.sendWindow < 2 ** 31);
    assert.equal(stream.queuedBytes > 0, stream.queue !== undefined);
  }
  log.length = 0;
  if (random(3) === 0) frames(end.take()); // Throws if they are not whole.
}

Deno.test(`Connection stands ${FRAMES} spoilt frames`, async (t) => {
  for (const role of ["server", "client"] as const) {
    await t.step(`as ${role}`, () => {
      for (let read = 0, i = 0; read < FRAMES / 2; i++) {
        // Each run has a seed of its own: it can be played alone.
        const start = SEED + i;
        try {
          read += run(randomFrom(start), role);
        } catch (cause) {
          throw new Error(`Run ${i} failed: GHUB_TEST_SEED=${start} repeats it at once`, { cause });
        }
      }
    });
  }
});
