/**
 * The connection's windows, which all calls of a peer share: whatever happens to its calls, each
 * byte of DATA that the hub has taken is given back.
 *
 * @module
 */
import assert from "node:assert/strict";
import { release } from "../../shared/bytes/out_buffer.ts";
import type { Connection } from "../../shared/http2/connection.ts";
import { DEFAULT_WINDOW, ErrorCode, MAX_WINDOW } from "../../shared/http2/frames.ts";
import type { Stream } from "../../shared/http2/stream.ts";
import * as wire from "../../shared/http2/testing/wire.ts";
import { fc } from "../../shared/testing/property.ts";
import type { RelayedCall } from "./relayed_call.ts";
import { CALL, Relayed } from "../testing/relayed.ts";
import type { CallTarget } from "../peer/call_target.ts";

/** The hub gives its window back when half of it is consumed. */
const STEP_BYTES = 32_768;

/** A peer that writes frames by hand, keeps to the connection's window and to nothing else. */
class Peer {
  /** What the hub lets it send. */
  window = DEFAULT_WINDOW;
  readonly #hub: Connection;

  constructor(hub: Connection) {
    this.#hub = hub;
  }

  send(bytes: Uint8Array): void {
    this.#hub.receive(bytes);
    this.read();
  }

  data(id: number, length: number, { padding = 0, end = false } = {}): void {
    const size = padding === 0 ? length : 1 + length + padding;
    if (size > this.window || size > 16_384) return;
    this.window -= size;
    const flags = end ? wire.END_STREAM : 0;
    this.send(
      padding === 0
        ? wire.data(id, new Uint8Array(length), flags)
        : wire.paddedData(id, "x".repeat(length), padding, flags),
    );
  }

  /** Takes what the hub has for it. */
  read(): void {
    const views = this.#hub.take();
    for (const { type, id, payload } of wire.frames(wire.join(...views))) {
      if (type === wire.Type.WINDOW_UPDATE && id === 0) this.window += wire.number(payload);
    }
    for (const view of views) release(view);
  }
}

const step = fc.record({
  what: fc.constantFrom(
    "call",
    "call",
    "held call",
    "release",
    "deadline",
    "tick",
    "up data",
    "up data",
    "up trailers",
    "up reset",
    "up credit",
    "up fault",
    "up settings",
    "down head",
    "down data",
    "down data",
    "down trailers",
    "down reset",
    "down credit",
    "down fault",
    "down settings",
    "broken",
  ),
  pick: fc.nat(100),
  length: fc.nat(16_384),
  padding: fc.constantFrom(0, 0, 1, 255),
  end: fc.constantFrom(false, false, false, true),
});

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** A hub, its peers, and the calls that it holds. */
class Scene implements Disposable {
  readonly hub: Relayed;
  readonly caller: Peer;
  readonly server: Peer;
  readonly #held: PromiseWithResolvers<CallTarget>[] = [];
  #holds = false;
  #lastId = -1;

  constructor() {
    this.hub = new Relayed({
      hubWindow: DEFAULT_WINDOW,
      route: (call, endStream) => this.#route(call, endStream),
    });
    this.caller = new Peer(this.hub.near);
    this.server = new Peer(this.hub.far);
  }

  async step({ what, pick, length, padding, end }: Step): Promise<void> {
    const { hub, caller, server } = this;
    const call = hub.nearStreams[pick % hub.nearStreams.length];
    const below = hub.far.streams[pick % hub.far.streams.length];
    if (what === "call" || what === "held call") {
      this.#holds = what === "held call";
      caller.send(wire.headers(this.#lastId += 2, CALL as [string, string][], end ? 1 : 0));
    } else if (what === "release") this.#release(pick);
    else if (what === "tick") hub.upstream.resets.tick();
    else if (what === "up settings") caller.send(wire.settings([4, length * 8]));
    else if (what === "down settings") server.send(wire.settings([4, length * 8]));
    else if (what === "deadline") hub.calls[pick % hub.calls.length]?.onDeadline();
    else if (what.startsWith("up")) {
      if (call !== undefined) act(caller, call, { what: what.slice(3), length, padding, end });
    } else if (below !== undefined) {
      if (what === "broken") { for (let i = 0; i < 5; i++) server.data(below.id, 16_384); }
      else act(server, below, { what: what.slice(5), length, padding, end });
    }
    // A call that is held goes on in a later turn.
    await Promise.resolve();
    this.#read();
    hub.near.tick();
    hub.far.tick();
    assert.deepEqual(hub.faults, []);
  }

  /** Ends all that is still open. */
  async end(): Promise<void> {
    const { hub, caller } = this;
    for (const stream of hub.nearStreams) if (!stream.closed) caller.send(wire.reset(stream.id));
    for (const { resolve } of this.#held) resolve(hub.upstream);
    for (let turn = 0; turn < 5; turn++) await Promise.resolve();
    while (hub.far.streamCount > 0) hub.upstream.resets.tick();
    this.#read();
  }

  [Symbol.dispose](): void {
    this.hub[Symbol.dispose]();
  }

  #read(): void {
    for (const peer of [this.caller, this.server, this.caller, this.server]) peer.read();
  }

  #route(call: RelayedCall, endStream: boolean): void {
    if (!this.#holds) return call.forward(this.hub.upstream, endStream);
    const held = Promise.withResolvers<CallTarget>();
    this.#held.push(held);
    call.hold(() => held.promise, { ended: endStream });
  }

  #release(pick: number): void {
    const [held] = this.#held.splice(pick % (this.#held.length || 1), 1);
    if (pick % 3 === 0) held?.reject(new Error("It never came"));
    else held?.resolve(this.hub.upstream);
  }
}

/** Something that a peer does on a stream, be it open or closed. */
function act(
  peer: Peer,
  stream: Stream,
  { what, length, padding, end }: Omit<Step, "pick" | "what"> & { what: string },
): void {
  const { id } = stream;
  if (what === "data") peer.data(id, Math.max(1, length - 256), { padding, end });
  else if (what === "credit") peer.send(wire.windowUpdate(id, 1 + length));
  else if (what === "fault" && length % 2 === 0) peer.send(wire.windowUpdate(id, 0));
  else if (what === "fault") peer.send(wire.repeat(2, () => wire.windowUpdate(id, MAX_WINDOW)));
  else if (stream.closed) return;
  else if (what === "reset") peer.send(wire.reset(id, length % 2 === 0 ? 7 : ErrorCode.CANCEL));
  else if (what === "head") peer.send(wire.headers(id, wire.RESPONSE, end ? wire.END_STREAM : 0));
  else peer.send(wire.headers(id, [["grpc-status", "0"]], wire.END_STREAM));
}

Deno.test("Connection windows are whole again when all calls have ended, whatever happened", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 80, size: "max" }), async (steps) => {
      using scene = new Scene();
      const { hub, caller, server } = scene;
      await scene.step({ what: "call", pick: 0, length: 0, padding: 0, end: false });
      for (const one of steps) await scene.step(one);
      await scene.end();
      assert.deepEqual(hub.faults, []);
      assert.deepEqual([hub.near.streamCount, hub.far.streamCount], [0, 0]);
      assert.deepEqual([hub.nearSide.lent, hub.upstream.side.lent], [0, 0]);
      assert.equal(hub.ended.length, hub.calls.length);
      assert.equal(hub.callsLeft, hub.calls.length);
      assert.deepEqual([hub.near.waitingBytes, hub.far.waitingBytes], [0, 0]);
      for (const peer of [caller, server]) {
        // What is missing to the step at which the hub gives all of it back: not one byte more.
        let left = STEP_BYTES - (DEFAULT_WINDOW - peer.window);
        assert.ok(left > 0, `${STEP_BYTES - left} bytes are missing`);
        for (; left > 0; left -= Math.min(left, 16_384)) peer.data(1, Math.min(left, 16_384));
        assert.equal(peer.window, DEFAULT_WINDOW);
      }
    }),
    { numRuns: 300 },
  );
});
