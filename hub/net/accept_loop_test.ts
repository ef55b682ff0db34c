import assert from "node:assert/strict";
import { acceptLoop, type Acceptor } from "./accept_loop.ts";
import type { PeerConn } from "./peer.ts";
import { wordOnItsWay } from "../testing/word.ts";

/** Gives these, one after the other; then it waits until it is closed. */
function scripted(results: readonly (Error | PeerConn)[]): Acceptor {
  const left = [...results];
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => {});
  return {
    accept() {
      const next = left.shift();
      if (next === undefined) return promise;
      return next instanceof Error ? Promise.reject(next) : Promise.resolve(next);
    },
    close() {
      left.length = 0;
      reject(new Deno.errors.BadResource("closed"));
    },
  };
}

const CONN = {} as PeerConn;

Deno.test("acceptLoop is not held up by peers that are gone before they are taken", async () => {
  const stop = new AbortController();
  // With a pause for each, the last one would be served after a quarter of an hour.
  const gone = Array.from({ length: 10_000 }, () => new Deno.errors.NotConnected("gone"));
  const served = Promise.withResolvers<void>();
  const loop = acceptLoop(scripted([...gone, CONN]), () => {
    served.resolve();
    return Promise.resolve();
  }, stop);
  await served.promise;
  stop.abort();
  await loop;
});

Deno.test("acceptLoop goes on when there were no file descriptors, and ends with its signal", async () => {
  const stop = new AbortController();
  let served = 0;
  const full = new Error("Too many open files (os error 24)");
  const loop = acceptLoop(scripted([CONN, full, CONN]), () => {
    if (++served === 2) stop.abort();
    return Promise.resolve();
  }, stop);
  await loop;
  assert.equal(served, 2);
});

Deno.test("B2: acceptLoop lets the event loop look at its sockets while peers dial without a pause", async () => {
  const stop = new AbortController();
  const { read } = await wordOnItsWay();
  void read.then(() => stop.abort());
  const peers = 5_000;
  let served = 0;
  await acceptLoop(scripted(Array(peers).fill(CONN)), () => {
    for (const end = performance.now() + 1; performance.now() < end;);
    if (++served === peers) stop.abort();
    return Promise.resolve();
  }, stop);
  assert.ok(served < peers, "it was read while there was much to do");
});
