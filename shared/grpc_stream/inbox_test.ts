import assert from "node:assert/strict";
import { prefixMessage } from "../grpc/message_prefix.ts";
import { RpcError } from "../grpc/rpc_error.ts";
import { Status } from "../grpc/status.ts";
import { Inbox } from "./inbox.ts";

const bytes = (length: number) => new Uint8Array(length).fill(7);

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

const exhausted = (error: unknown) =>
  error instanceof RpcError && error.code === Status.RESOURCE_EXHAUSTED;

const WINDOW = 1000;

function inbox(maxMessageBytes: number): Inbox {
  return new Inbox({ maxMessageBytes, windowBytes: WINDOW });
}

Deno.test("Inbox gives the same messages wherever the bytes are cut", () => {
  const sizes = [0, 1, 5, 300, 0, 70_000];
  const whole = joined(sizes.map((size) => prefixMessage(bytes(size))));
  for (const step of [1, 2, 3, 7, 1000, whole.length]) {
    const box = inbox(100_000);
    const got: number[] = [];
    for (let at = 0; at < whole.length; at += step) {
      box.push(whole.subarray(at, at + step));
      for (let next; (next = box.take()) !== undefined;) got.push(next.bytes.length);
    }
    assert.deepEqual(got, sizes);
    assert.equal(box.isInside, false);
    assert.equal(box.heldBytes, 0);
  }
});

Deno.test("Inbox refuses a message over the limit before it has come, and keeps those before it", () => {
  const box = inbox(10);
  const both = joined([prefixMessage(bytes(3)), prefixMessage(bytes(11)).subarray(0, 5)]);
  assert.throws(() => box.push(both), exhausted);
  assert.equal(box.take()?.bytes.length, 3);
  assert.equal(box.take(), undefined);
});

Deno.test("Inbox refuses a flag that gRPC does not have", () => {
  const message = prefixMessage(bytes(1));
  message[0] = 2;
  assert.throws(() => inbox(10).push(message), /unknown flag 2/);
});

Deno.test("Inbox grants a window, and more only for the message that is waited for", () => {
  const box = inbox(100_000);
  assert.equal(box.credit(0, false), WINDOW);
  assert.equal(box.credit(600, false), 0, "less than half a window is no frame of its own");
  const message = prefixMessage(bytes(5000));
  box.push(message.subarray(0, WINDOW));
  assert.equal(box.credit(0, false), 0, "nobody reads");
  assert.equal(box.credit(0, true), message.length - WINDOW, "as much as it needs");
  box.push(message.subarray(WINDOW));
  assert.equal(box.credit(0, true), 0, "it is whole");
  assert.equal(box.take()?.bytes.length, 5000);
  assert.equal(box.credit(0, true), WINDOW);
});

Deno.test("Inbox holds empty messages as the bytes they are", () => {
  const box = inbox(10);
  const empty = prefixMessage(bytes(0));
  for (let i = 0; i < 100; i++) box.push(empty);
  assert.equal(box.heldBytes, 500);
  box.clear();
  assert.equal(box.heldBytes, 0);
  assert.equal(box.take(), undefined);
});
