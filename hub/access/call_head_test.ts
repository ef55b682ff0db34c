import assert from "node:assert/strict";
import type { Field, HeaderList } from "../../shared/http2/header_list.ts";
import { HpackDecoder } from "../../shared/http2/hpack/decoder.ts";
import { CallHeaders } from "./call_head.ts";

const CALL: HeaderList = [
  [":method", "POST"],
  [":scheme", "http"],
  [":path", "/a.B/C"],
  [":authority", "hub:9090"],
  ["content-type", "application/grpc"],
];

function decoded(block: Uint8Array): HeaderList {
  return new HpackDecoder({ maxListBytes: 65_536 }).decode(block);
}

Deno.test("CallHeaders reads what the hub cares for", async (t) => {
  const read = (...more: Field[]) => new CallHeaders([...CALL, ...more]);
  await t.step("path and authority", () => {
    const { path, authority, isGrpc, timeoutMs, authorization } = read();
    assert.deepEqual([path, authority, isGrpc, timeoutMs, authorization], [
      "/a.B/C",
      "hub:9090",
      true,
      undefined,
      undefined,
    ]);
  });
  await t.step("host stands in for :authority, and never replaces it", () => {
    assert.equal(read(["host", "other"]).authority, "hub:9090");
    assert.equal(new CallHeaders([CALL[0]!, ["host", "other"]]).authority, "other");
  });
  await t.step("the first authorization", () => {
    assert.equal(
      read(["authorization", "Bearer 1"], ["authorization", "Bearer 2"]).authorization,
      "Bearer 1",
    );
  });
  const TIMEOUTS: readonly [string, number | undefined][] = [
    ["1S", 1000],
    ["250m", 250],
    ["0n", 0],
    ["99999999H", 99_999_999 * 3.6e6],
    ["1", undefined],
    ["S", undefined],
    ["-1S", undefined],
    ["999999999S", undefined],
  ];
  for (const [text, ms] of TIMEOUTS) {
    await t.step(
      `grpc-timeout ${text}`,
      () => assert.equal(read(["grpc-timeout", text]).timeoutMs, ms),
    );
  }
  const GRPC: readonly [method: string, contentType: string | undefined, boolean][] = [
    ["POST", "application/grpc", true],
    ["POST", "application/grpc+proto", true],
    ["GET", "application/grpc", false],
    ["POST", "application/json", false],
    ["POST", undefined, false],
  ];
  for (const [method, type, expected] of GRPC) {
    await t.step(`${method} of ${type}: ${expected ? "gRPC" : "something else"}`, () => {
      const fields: Field[] = [
        [":method", method],
        ...(type === undefined ? [] : [["content-type", type] as const]),
      ];
      assert.equal(new CallHeaders(fields).isGrpc, expected);
    });
  }
});

Deno.test("CallHeaders.block() is what the server gets", () => {
  const fields: HeaderList = [
    ...CALL,
    ["authorization", "Bearer secret"],
    ["x-hub-server", "edge-1"],
    ["x-hub-wait", "30s"],
    ["x-hub-operator", "somebody else"],
    ["x-hub-voucher", "somebody else's"],
    ["x-bin", "\x00\xff"],
    ["x-secret", "s", true],
    ["x-bin", "again"],
  ];
  const head = new CallHeaders(fields);
  const kept: HeaderList = [...CALL, ["x-hub-server", "edge-1"], ["x-bin", "\x00\xff"], [
    "x-secret",
    "s",
    true,
  ], ["x-bin", "again"]];
  assert.deepEqual(decoded(head.block({ name: "olga", credentialUsed: true })), [
    ...kept,
    ["x-hub-operator", "olga"],
  ]);
  assert.deepEqual(decoded(head.block({ name: "olga", credentialUsed: true }, "v")), [
    ...kept,
    ["x-hub-operator", "olga"],
    ["x-hub-voucher", "v", true],
  ]);
  const passed = decoded(head.block({ name: "olga", credentialUsed: false }));
  assert.deepEqual(passed.find(([name]) => name === "authorization"), [
    "authorization",
    "Bearer secret",
    true,
  ]);
});

Deno.test("CallHeaders.block() is made once, for one operator and one way", () => {
  const head = new CallHeaders([...CALL, ["authorization", "Bearer secret"]]);
  const block = head.block({ name: "olga", credentialUsed: true });
  assert.equal(head.block({ name: "olga", credentialUsed: true }), block);
  assert.notEqual(head.block({ name: "olga", credentialUsed: true }, "v"), block);
  const rows: readonly [string, boolean][] = [["olga", false], ["-olga", false], ["-olga", true], [
    "ivan",
    true,
  ]];
  for (const [operator, drop] of rows) {
    const fields = decoded(head.block({ name: operator, credentialUsed: drop }));
    assert.deepEqual(fields.at(-1), ["x-hub-operator", operator]);
    assert.equal(fields.some(([name]) => name === "authorization"), !drop);
  }
});

Deno.test("CallHeaders.blockWithTimeout() has the deadline that is left", () => {
  const head = new CallHeaders([...CALL, ["grpc-timeout", "30S"], ["x-hub-wait", "20s"]]);
  assert.deepEqual(
    decoded(head.blockWithTimeout({ name: "olga", how: "token", credentialUsed: true }, {
      voucher: "v",
      timeout: "10S",
    })),
    [
      ...CALL,
      ["grpc-timeout", "10S"],
      ["x-hub-operator", "olga"],
      ["x-hub-voucher", "v", true],
    ],
  );
});
