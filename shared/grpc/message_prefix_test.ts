import assert from "node:assert/strict";
import { MessageReader, prefixMessage } from "./message_prefix.ts";
import { RpcError } from "./rpc_error.ts";
import { Status } from "./status.ts";

const messages = [[], [1], [2, 3, 4], new Array(300).fill(9)].map((m) => Uint8Array.from(m));
const stream = Uint8Array.from(messages.flatMap((message) => [...prefixMessage(message)]));

Deno.test("MessageReader gives the same messages however the bytes are cut", () => {
  for (const step of [1, 2, 5, 7, stream.length]) {
    const reader = new MessageReader(1000);
    const read: Uint8Array[] = [];
    for (let at = 0; at < stream.length; at += step) {
      read.push(...reader.push(stream.subarray(at, at + step)));
    }
    assert.deepEqual(read, messages, `in steps of ${step}`);
  }
});

Deno.test("MessageReader refuses what is too large or compressed", () => {
  const refuses = (bytes: number[], code: number) =>
    assert.throws(
      () => new MessageReader(10).push(Uint8Array.from(bytes)),
      (error) => error instanceof RpcError && error.code === code,
    );
  refuses([0, 0, 0, 0, 11], Status.RESOURCE_EXHAUSTED);
  refuses([1, 0, 0, 0, 1, 0], Status.INTERNAL);
});
