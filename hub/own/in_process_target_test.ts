import assert from "node:assert/strict";
import { once } from "node:events";
import { duplexPair } from "../../shared/bytes/duplex_pair.ts";
import { encodeHeaderList } from "../../shared/http2/hpack/encoder.ts";
import { Recorder } from "../../shared/http2/testing/recorder.ts";
import { goaway, join, settings } from "../../shared/http2/testing/wire.ts";
import { OwnUpstream } from "./in_process_target.ts";
import { CALL } from "../testing/relayed.ts";

/** An upstream with a call in flight, and the far end of its connection. */
async function begin() {
  const [ours, theirs] = duplexPair();
  theirs.on("error", () => {});
  const upstream = new OwnUpstream(ours);
  const call = new Recorder({ role: "client" });
  upstream.side.connection.request(encodeHeaderList(CALL), true, call);
  await once(theirs, "readable");
  return { upstream, call, ours, theirs };
}

Deno.test("OwnUpstream whose connection breaks is lost, and so are its calls", async (t) => {
  for (const error of [undefined, new Error("Session ended")]) {
    await t.step(String(error), async () => {
      const { upstream, call, ours, theirs } = await begin();
      const closed = new Promise<void>((resolve) => ours.once("close", () => resolve()));
      theirs.destroy(error);
      theirs.resume();
      ours.resume();
      await closed;
      assert.match(upstream.lost!, /closed the connection/);
      assert.deepEqual(call.log, ["reset 1 CANCEL us"]);
      upstream.close();
    });
  }
});

Deno.test("OwnUpstream whose stream ids are nearly used up takes no more calls", async () => {
  const { upstream, ours, theirs } = await begin();
  upstream.tick();
  assert.equal(upstream.isLeaving, false);
  // A billion calls later.
  Object.defineProperty(upstream.side.connection, "isWornOut", { value: true });
  upstream.tick();
  assert.equal(upstream.isLeaving, true);
  assert.equal(upstream.lost, undefined, "calls in flight go on");
  upstream.close();
  assert.equal(ours.destroyed, true);
  theirs.destroy();
});

Deno.test("OwnUpstream that is told to leave takes no more calls, and those in flight go on", async () => {
  const { upstream, call, ours, theirs } = await begin();
  theirs.write(join(settings(), goaway(2 ** 31 - 1)));
  while (!upstream.isLeaving) await new Promise((done) => setTimeout(done, 1));
  assert.equal(upstream.side.connection.canRequest, false);
  assert.equal(upstream.lost, undefined);
  assert.deepEqual(call.log, []);
  upstream.close();
  assert.deepEqual(call.log, ["reset 1 CANCEL us"]);
  assert.equal(ours.destroyed, true);
  theirs.destroy();
});
