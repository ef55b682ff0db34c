import assert from "node:assert/strict";
import { Status } from "../../shared/grpc/status.ts";
import type { Connection } from "../../shared/http2/connection.ts";
import { ErrorCode } from "../../shared/http2/frames.ts";
import type { Stream } from "../../shared/http2/stream.ts";
import { MAX_WAITING_RESETS, RESET_BURST, ResetPacer, RESETS_PER_S } from "./reset_pacer.ts";
import { ANSWER, CALL, Relayed, trailers } from "../testing/relayed.ts";

function resetsSeen(hub: Relayed): number {
  return hub.server.log.filter((line) => /^reset \d+ CANCEL peer$/.test(line)).length;
}

/** Opens calls and cancels them at once, as an operator who has lost patience with a whole fleet. */
function cancelMany(hub: Relayed, count: number): Stream[] {
  return Array.from({ length: count }, (_, i) => {
    const call = hub.call();
    hub.caller.connection.reset(call, ErrorCode.CANCEL);
    if (i % 100 === 0) hub.near.tick();
    return call;
  });
}

Deno.test("ResetPacer: what is too much waits, and is sent second by second", () => {
  using hub = new Relayed({ maxStreams: 3000 });
  cancelMany(hub, RESET_BURST + 100);
  hub.settle();
  assert.equal(resetsSeen(hub), RESET_BURST);
  assert.equal(hub.ended.length, RESET_BURST + 100, "for the caller it is over at once");
  for (let s = 1; s <= 3; s++) {
    hub.upstream.resets.tick();
    hub.settle();
    assert.equal(resetsSeen(hub), RESET_BURST + s * RESETS_PER_S);
  }
  hub.upstream.resets.tick();
  hub.settle();
  assert.equal(resetsSeen(hub), RESET_BURST + 100);
  assert.deepEqual(hub.left(), { streams: 0, lent: 0 });
});

Deno.test("ResetPacer: a stream that ends meanwhile needs none", () => {
  using hub = new Relayed({ maxStreams: 3000 });
  const waiting = cancelMany(hub, RESET_BURST + 50).slice(-50);
  for (const call of waiting) {
    const { connection } = hub.server;
    connection.headers(hub.answering(call), ANSWER, false);
    connection.data(hub.answering(call), new Uint8Array(200_000), false);
    connection.headers(hub.answering(call), trailers(), true);
    hub.settle();
    // No more than its first window came: nobody grants it more.
    connection.reset(hub.answering(call), ErrorCode.NO_ERROR);
  }
  hub.settle();
  hub.upstream.resets.tick();
  hub.settle();
  assert.equal(resetsSeen(hub), RESET_BURST);
  assert.deepEqual(hub.left(), { streams: 0, lent: 0 });
});

Deno.test("ResetPacer: some operators who leave all that they can leave some to another", () => {
  const fake = { reset: () => {} } as unknown as Connection;
  const resets = new ResetPacer(fake);
  const leave = (operator: string) => resets.reset({ closed: false } as Stream, 0, operator);
  for (let i = 0; i < RESET_BURST; i++) leave("first");
  for (const operator of ["a", "b", "c", "d"]) {
    while (!resets.isFullFor(operator)) leave(operator);
    assert.ok(resets.waitingOf(operator) <= MAX_WAITING_RESETS);
  }
  assert.equal(resets.isFullFor("e"), false);
});

Deno.test("ResetPacer: while too many of an operator wait, its calls are told that nothing was delivered", () => {
  using hub = new Relayed({ maxStreams: 3000 });
  cancelMany(hub, RESET_BURST + MAX_WAITING_RESETS);
  const refused = hub.call();
  assert.equal(hub.upstream.resets.isFullFor("olga"), true);
  assert.equal(hub.upstream.resets.isFullFor("oleg"), false, "another operator is not to blame");
  assert.match(
    hub.heard(refused).join(),
    new RegExp(`grpc-status=${Status.UNAVAILABLE} .*x-hub-forwarded=0`),
  );
  hub.upstream.resets.tick();
  hub.settle();
  hub.call(CALL, true);
  assert.equal(hub.calls.at(-1)!.state, "forwarded");
  hub.upstream.lost = "cable cut";
  hub.far.abort(ErrorCode.INTERNAL_ERROR);
  hub.server.connection.abort(ErrorCode.CANCEL);
  hub.upstream.resets.tick();
  hub.settle();
  assert.deepEqual(hub.left(), { streams: 0, lent: 0 });
});
