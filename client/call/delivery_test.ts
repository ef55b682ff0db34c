import { Metadata } from "@grpc/grpc-js";
import assert from "node:assert/strict";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status, type StatusName } from "../../shared/grpc/status.ts";
import { type Delivery, deliveryOf, type Hop, hopOf } from "./delivery.ts";

type Row = [
  code: StatusName,
  connected: boolean,
  hop: string | undefined,
  forwarded: string | undefined,
  delivery: Delivery,
  at: Hop,
];

Deno.test("deliveryOf() says not delivered only when that is certain", async (t) => {
  const table: Row[] = [
    ["UNAVAILABLE", false, undefined, undefined, "not-delivered", "client → hub"],
    ["DEADLINE_EXCEEDED", false, undefined, undefined, "not-delivered", "client → hub"],
    ["UNAVAILABLE", true, "hub", "0", "not-delivered", "hub"],
    ["NOT_FOUND", true, "hub", "0", "not-delivered", "hub"],
    ["UNAVAILABLE", true, "hub", "1", "unknown", "hub → server"],
    ["DEADLINE_EXCEEDED", true, "hub", "1", "unknown", "hub → server"],
    ["FAILED_PRECONDITION", true, "server", "1", "answered", "server"],
    ["UNAVAILABLE", true, "server", "1", "answered", "server"],
    // It ran out of time, or was stopped in the middle: what it was doing may go on.
    ["DEADLINE_EXCEEDED", true, "server", "1", "unknown", "server"],
    ["CANCELLED", true, "server", "1", "unknown", "server"],
    ["UNKNOWN", true, "server", "1", "unknown", "server"],
    // Nobody said anything: made here when the connection broke or time ran out.
    ["UNAVAILABLE", true, undefined, undefined, "unknown", undefined],
    ["DEADLINE_EXCEEDED", true, undefined, undefined, "unknown", undefined],
    ["CANCELLED", true, undefined, undefined, "unknown", undefined],
    ["INTERNAL", true, undefined, undefined, "unknown", undefined],
    // A server without a hub before it.
    ["FAILED_PRECONDITION", true, undefined, undefined, "answered", undefined],
    ["UNIMPLEMENTED", true, undefined, undefined, "answered", undefined],
  ];
  for (const [code, connected, hop, forwarded, delivery, at] of table) {
    await t.step(`${code} connected=${connected} hop=${hop} forwarded=${forwarded}`, () => {
      const metadata = new Metadata();
      if (hop !== undefined) metadata.set("x-hub-hop", hop);
      if (forwarded !== undefined) metadata.set("x-hub-forwarded", forwarded);
      const error = new RpcError(Status[code], "", { metadata });
      assert.equal(deliveryOf(error, { connected }), delivery);
      assert.equal(hopOf(error, { connected }), at);
    });
  }
});

Deno.test("C10: deliveryOf() remembers that an earlier try may have been carried out", () => {
  const away = new RpcError(Status.UNAVAILABLE, "Cannot connect");
  assert.equal(deliveryOf(away, { connected: false, perhapsBefore: true }), "unknown");
  const refused = new RpcError(Status.FAILED_PRECONDITION, "no");
  assert.equal(deliveryOf(refused, { connected: true, perhapsBefore: true }), "answered");
});
