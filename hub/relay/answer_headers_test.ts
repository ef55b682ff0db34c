import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { decodeStatus, errorInfo, RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import { ErrorCode } from "../../shared/http2/frames.ts";
import { firstValue, type HeaderList } from "../../shared/http2/header_list.ts";
import { HpackDecoder } from "../../shared/http2/hpack/decoder.ts";
import {
  answerBlock,
  brokenError,
  busyError,
  errorBlock,
  lostError,
  resetError,
  statusOf,
} from "./answer_headers.ts";

function decoded(block: Uint8Array): HeaderList {
  return new HpackDecoder({ maxListBytes: 65_536 }).decode(block);
}

Deno.test("answerBlock() says who answered, whatever the server says", () => {
  const fields: HeaderList = [
    ["grpc-status", "0"],
    ["x-hub-hop", "hub"],
    ["x-hub-forwarded", "0"],
    ["x-own", "\xff", true],
  ];
  for (const repeated of [false, true]) {
    const ending = decoded(answerBlock(fields, { endStream: true, repeated, hop: "server" }));
    assert.deepEqual(ending, [
      ["grpc-status", "0"],
      ["x-own", "\xff", true],
      ["x-hub-hop", "server"],
      ["x-hub-forwarded", "1"],
    ]);
    const head = decoded(answerBlock(fields, { endStream: false, repeated, hop: "server" }));
    assert.deepEqual(head, ending.slice(0, 2), "not before the end");
    const own: HeaderList = [...fields];
    const hub = decoded(answerBlock(own, { endStream: true, repeated, hop: "hub" }));
    assert.deepEqual(hub.slice(2), [["x-hub-hop", "hub"], ["x-hub-forwarded", "0"]]);
  }
});

Deno.test("answerBlock() and errorBlock() tell the id of a call that failed, and no other", () => {
  const fields: HeaderList = [["grpc-status", "5"], ["x-hub-call-id", "of another"]];
  const failed = { endStream: true, repeated: true, callId: "ours-7" } as const;
  const hop = [["x-hub-hop", "server"], ["x-hub-forwarded", "1"]];
  assert.deepEqual(decoded(answerBlock(fields, { ...failed, hop: "server" })), [
    ...[["grpc-status", "5"], ...hop, ["x-hub-call-id", "ours-7"]],
  ]);
  // Its caller asks this hub, whose line tells the call at the other one.
  assert.deepEqual(decoded(answerBlock(fields, { ...failed, hop: "peer" })), [
    ...[["grpc-status", "5"], ["x-hub-call-id", "ours-7"]],
  ]);
  const other = answerBlock(fields, { ...failed, callId: "ours-8", hop: "peer" });
  assert.equal(firstValue(decoded(other), "x-hub-call-id"), "ours-8", "it is not remembered");
  const plain = answerBlock(fields, { ...failed, callId: undefined, hop: "server" });
  assert.deepEqual(decoded(plain), [["grpc-status", "5"], ...hop]);
  const error = new RpcError(Status.NOT_FOUND, "No");
  const block = errorBlock(error, { trailersOnly: true, forwarded: false, callId: "ours-9" });
  assert.equal(firstValue(decoded(block), "x-hub-call-id"), "ours-9");
});

Deno.test("answerBlock() remembers a repeated list, as head and as end", () => {
  const fields: HeaderList = [["a", "b"]];
  const options = { endStream: true, repeated: true, hop: "server" } as const;
  const first = answerBlock(fields, options);
  assert.equal(answerBlock(fields, options), first);
  assert.notEqual(answerBlock(fields, { ...options, endStream: false }), first);
  assert.notEqual(answerBlock(fields, { ...options, repeated: false }), first);
});

Deno.test("errorBlock() is a whole response, or trailers", () => {
  const error = new RpcError(Status.UNAVAILABLE, "Away, später", {
    details: [errorInfo("GONE", "ghub", { server: "edge-1" })],
  });
  const whole = decoded(errorBlock(error, { trailersOnly: true, forwarded: false }));
  assert.deepEqual(whole.slice(0, 4), [
    [":status", "200"],
    ["content-type", "application/grpc"],
    ["grpc-status", "14"],
    ["grpc-message", "Away, sp%C3%A4ter"],
  ]);
  assert.equal(firstValue(whole, "x-hub-hop"), "hub");
  assert.equal(firstValue(whole, "x-hub-forwarded"), "0");
  const details = decodeStatus(
    Buffer.from(firstValue(whole, "grpc-status-details-bin")!, "base64"),
  );
  assert.deepEqual([details.code, details.message], [14, "Away, später"]);
  const ending = decoded(errorBlock(error, { trailersOnly: false, forwarded: true }));
  assert.deepEqual(ending, [...whole.slice(2, -1), ["x-hub-forwarded", "1"]]);
});

Deno.test("statusOf()", async (t) => {
  const rows: readonly [string | undefined, number][] = [
    ["0", 0],
    ["5", 5],
    ["16", 16],
    ["17", Status.UNKNOWN],
    ["-1", Status.UNKNOWN],
    ["", Status.UNKNOWN],
    [" 0", Status.UNKNOWN],
    ["0x0", Status.UNKNOWN],
    ["00", Status.UNKNOWN],
    ["1e0", Status.UNKNOWN],
    ["OK", Status.UNKNOWN],
    [undefined, Status.UNKNOWN],
  ];
  for (const [text, code] of rows) {
    await t.step(`${text}: ${code}`, () => {
      assert.equal(statusOf(text === undefined ? [] : [["grpc-status", text]]), code);
    });
  }
});

Deno.test("errors of the hop say what happened, and to whom", async (t) => {
  const { UNAVAILABLE, CANCELLED, INTERNAL, RESOURCE_EXHAUSTED } = Status;
  const rows: readonly [RpcError, number, RegExp, string][] = [
    [
      resetError("edge-1", ErrorCode.REFUSED_STREAM),
      UNAVAILABLE,
      /reset the call: REFUSED_STREAM/,
      "NOT_DELIVERED",
    ],
    [resetError("edge-1", ErrorCode.CANCEL), CANCELLED, /CANCEL/, "RESET_BY_SERVER"],
    [resetError("edge-1", 0xbeef), INTERNAL, /0xbeef/, "RESET_BY_SERVER"],
    [
      brokenError("edge-1", ErrorCode.PROTOCOL_ERROR),
      INTERNAL,
      /is not HTTP\/2: PROTOCOL_ERROR/,
      "ANSWER_NOT_USABLE",
    ],
    [
      brokenError("edge-1", ErrorCode.ENHANCE_YOUR_CALM),
      RESOURCE_EXHAUSTED,
      /more than 32 KiB of metadata/,
      "ANSWER_NOT_USABLE",
    ],
    [
      brokenError("edge-1", ErrorCode.INTERNAL_ERROR),
      INTERNAL,
      /unexpected error in the hub/,
      "ANSWER_NOT_USABLE",
    ],
    [
      lostError("edge-1", "cable cut"),
      UNAVAILABLE,
      /outcome unknown: cable cut/,
      "OUTCOME_UNKNOWN",
    ],
    [busyError("edge-1"), UNAVAILABLE, /nothing was delivered/, "NOT_DELIVERED"],
  ];
  for (const [error, code, message, reason] of rows) {
    await t.step(error.message, () => {
      assert.equal(error.code, code);
      assert.match(error.message, message);
      assert.match(error.message, /"edge-1"/);
      const info = error.details[0]!.value as { reason: string; metadata: { server: string } };
      assert.deepEqual([info.reason, info.metadata.server], [reason, "edge-1"]);
    });
  }
});
