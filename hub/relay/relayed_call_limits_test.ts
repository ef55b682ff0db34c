import assert from "node:assert/strict";
import { errorInfo, RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import { type Field, type HeaderList, headerListBytes } from "../../shared/http2/header_list.ts";
import { encodeHeaderList } from "../../shared/http2/hpack/encoder.ts";
import type { Stream } from "../../shared/http2/stream.ts";
import { errorBlock } from "./answer_headers.ts";
import { CALL, fieldsOf, Relayed } from "../testing/relayed.ts";

/** A call whose section reaches the server with exactly so many bytes, as the server counts them. */
function callOf(bytes: number): HeaderList {
  const added = headerListBytes([["x-hub-operator", "olga"], ["x-fill", ""]]);
  return [...CALL, ["x-fill", "v".repeat(bytes - headerListBytes(CALL) - added)]];
}

function lastHeaders(hub: Relayed, call: Stream): string {
  return hub.heard(call).findLast((line) => line.startsWith("headers"))!;
}

function endOf(hub: Relayed, call: Stream): Record<string, string> {
  return fieldsOf(lastHeaders(hub, call));
}

Deno.test("B6: a call whose metadata the server would not take is refused by the hub", async (t) => {
  const table: [what: string, limit: number, bytes: number, passes: boolean][] = [
    ["at the limit of gRPC's C core", 8192, 8192, true],
    ["above it", 8192, 8193, false],
    ["at a small limit", 1024, 1024, true],
    ["above a small limit", 1024, 1025, false],
    ["a server that takes much", 1 << 20, 30_000, true],
  ];
  for (const [what, limit, bytes, passes] of table) {
    await t.step(what, () => {
      using hub = new Relayed({ serverListBytes: limit });
      const other = hub.call();
      const call = hub.call(callOf(bytes));
      if (passes) assert.equal(hub.heardBelow(call).length, 1);
      else {
        const end = endOf(hub, call);
        assert.equal(end["grpc-status"], String(Status.RESOURCE_EXHAUSTED));
        assert.equal(end["x-hub-hop"], "hub");
        assert.equal(end["x-hub-forwarded"], "0");
        assert.match(lastHeaders(hub, call), new RegExp(`${bytes} bytes.* takes ${limit}`));
      }
      assert.equal(hub.server.streams.size, passes ? 2 : 1);
      hub.server.connection.headers(hub.answering(other), ANSWERED, true);
      hub.settle();
      assert.equal(endOf(hub, other)["grpc-status"], "0", "calls of others go on");
      assert.deepEqual(hub.faults, []);
    });
  }
});

const ANSWERED = encodeHeaderList([[":status", "200"], ["grpc-status", "0"]]);

Deno.test("B6: an answer that the caller would not take ends that call alone", async (t) => {
  for (const where of ["headers", "trailers"] as const) {
    await t.step(where, () => {
      using hub = new Relayed({ callerListBytes: 8192 });
      const other = hub.call();
      const call = hub.call();
      const below = hub.answering(call);
      const large: Field = ["x-fill", "v".repeat(8300)];
      const { connection } = hub.server;
      if (where === "headers") {
        connection.headers(below, encodeHeaderList([[":status", "200"], large]), false);
      } else {
        connection.headers(below, encodeHeaderList([[":status", "200"]]), false);
        connection.headers(below, encodeHeaderList([["grpc-status", "0"], large]), true);
      }
      hub.settle();
      const end = endOf(hub, call);
      assert.equal(end["grpc-status"], String(Status.RESOURCE_EXHAUSTED));
      assert.equal(end["x-hub-hop"], "hub");
      assert.equal(end["x-hub-forwarded"], "1");
      connection.headers(hub.answering(other), ANSWERED, true);
      hub.settle();
      assert.equal(endOf(hub, other)["grpc-status"], "0", "calls of others go on");
      assert.deepEqual(hub.faults, []);
    });
  }
});

Deno.test("B6: an error of the hub fits what the caller takes, the status always", async (t) => {
  const error = new RpcError(Status.UNAVAILABLE, "é".repeat(700), {
    details: [errorInfo("R", "ghub", { text: "x".repeat(1500) })],
  });
  const sizes = [Infinity, 11_000, 8192, 1024, 0].map((maxListBytes) =>
    errorBlock(error, { trailersOnly: true, forwarded: false, maxListBytes }).length
  );
  for (const [i, limit] of [Infinity, 11_000, 8192, 1024].entries()) {
    await t.step(`${limit}`, () => assert.ok(sizes[i]! <= limit));
  }
  await t.step("with as much as fits", () => {
    assert.ok(sizes[0]! > sizes[2]! && sizes[2]! > sizes[3]! && sizes[3]! > 0);
    assert.equal(sizes[3], sizes[4]);
  });
});

Deno.test("B6: no more calls are open at a server than it has announced", () => {
  using hub = new Relayed({ maxStreams: 2 });
  const calls = [hub.call(), hub.call(), hub.call()];
  assert.equal(hub.server.streams.size, 2);
  assert.equal(endOf(hub, calls[2]!)["grpc-status"], String(Status.UNAVAILABLE));
  assert.equal(endOf(hub, calls[2]!)["x-hub-forwarded"], "0");
});
