import assert from "node:assert/strict";
import { Status } from "../grpc/status.ts";
import { encodeHeaderList } from "../http2/hpack/encoder.ts";
import { Recorder } from "../http2/testing/recorder.ts";
import { frames, PREFACE, Type, type WireFrame } from "../http2/testing/wire.ts";
import type { ByteStream } from "./byte_stream.ts";
import { Channel } from "./channel.ts";

/** A server in memory that may fall silent: its connection stands, and nothing comes any more. */
class Peer implements ByteStream {
  readonly recorder: Recorder = new Recorder({ role: "server" });
  isSilent = false;
  readonly #seen: number[] = [];
  readonly #ready: Uint8Array[] = [];
  #wake = () => {};
  #closed = false;

  constructor() {
    this.recorder.connection.start();
    this.#flush();
  }

  /** PINGs that asked for an answer. */
  get pings(): number {
    const sent = frames(Uint8Array.from(this.#seen).subarray(PREFACE.length));
    return sent.filter(({ type, flags }: WireFrame) => type === Type.PING && flags === 0).length;
  }

  async read(): Promise<Uint8Array | undefined> {
    while (this.#ready.length === 0 && !this.#closed) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    return this.#ready.shift();
  }

  write(bytes: Uint8Array): Promise<void> {
    this.#seen.push(...bytes);
    if (!this.isSilent) {
      this.recorder.connection.receive(bytes.slice());
      this.#flush();
    }
    return Promise.resolve();
  }

  close(): void {
    this.#closed = true;
    this.#wake();
  }

  answer(): void {
    const stream = this.recorder.streams.get(1)!;
    this.recorder.connection.headers(
      stream,
      encodeHeaderList([[":status", "200"], ["content-type", "application/grpc"], [
        "grpc-status",
        "0",
      ]]),
      true,
    );
    this.#flush();
  }

  #flush(): void {
    const bytes = this.recorder.take();
    if (bytes.length > 0) this.#ready.push(bytes);
    this.#wake();
  }
}

/** A call on a channel that asks for signs of life, and how often it has asked. */
async function begin(keepaliveMs: number) {
  const peer = new Peer();
  const channel = new Channel(peer, {
    authority: "peer",
    keepaliveMs,
    keepaliveTimeoutMs: 500,
  });
  await channel.ready;
  const call = channel.call({ path: "/echo.v1.Echo/Unary" });
  await call.endSending();
  return { peer, channel, call };
}

async function until(reached: () => boolean): Promise<void> {
  while (!reached()) await new Promise((resolve) => setTimeout(resolve, 10));
}

Deno.test("Channel asks a quiet peer for a sign of life, and goes on when it gives one", async () => {
  const { peer, channel, call } = await begin(100);
  await using _ = channel;
  await until(() => peer.pings >= 2);
  assert.equal(call.isOver, false);
  peer.answer();
  assert.deepEqual(await call.ended, {});
});

Deno.test("Channel gives a peer up that gives no sign of life", async () => {
  const { peer, channel, call } = await begin(100);
  await using _ = channel;
  peer.isSilent = true;
  // A channel keeps no program running, so this test has to.
  await until(() => call.isOver);
  const { error } = await call.ended;
  assert.equal(error?.code, Status.UNAVAILABLE);
  assert.match(error.message, /gave no sign of life for 500 ms/);
  assert.equal(peer.pings, 1);
  const next = channel.call({ path: "/echo.v1.Echo/Unary" });
  assert.match((await next.ended).error!.message, /no sign of life/);
  assert.equal(next.refused, true);
});

Deno.test("Channel asks nobody for a sign of life unless it is told to", async () => {
  const { peer, channel, call } = await begin(Infinity);
  await using _ = channel;
  const { peer: other, channel: asking, call: third } = await begin(100);
  await using __ = asking;
  await until(() => other.pings >= 1);
  assert.equal(peer.pings, 0);
  call.cancel();
  third.cancel();
});
