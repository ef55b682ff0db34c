import assert from "node:assert/strict";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { CallHeaders } from "./call_head.ts";
import { peerFields, readPeerFields } from "./peer_fields.ts";

const OLGA = { name: "olga", how: "token" } as const;
const TO = { server: "edge-1", generation: 7 };

Deno.test("what one hub writes of a call, another one reads", () => {
  for (
    const operator of [
      OLGA,
      { name: "Größe, 100 %", how: "jwt", subject: "a\nb;c", expiresAtMs: 1_796_000_000_000 },
    ] as const
  ) {
    assert.deepEqual(readPeerFields(peerFields(operator, TO)), { operator, to: TO });
    assert.deepEqual(readPeerFields(peerFields(operator)), { operator, to: undefined });
  }
});

Deno.test("half a character in a credential's words is no fault", () => {
  const read = readPeerFields(peerFields({ ...OLGA, subject: "a\ud800" }, TO));
  assert.ok(!(read instanceof RpcError));
  assert.equal(read.operator.subject, "a\ufffd");
});

Deno.test("what no hub can have written is refused", () => {
  const good = peerFields(OLGA, TO);
  const without = (name: string) => good.filter(([field]) => field !== `x-hub-peer-${name}`);
  for (
    const fields of [
      [],
      without("operator"),
      without("how"),
      without("generation"),
      [...without("how"), ["x-hub-peer-how", "guess"] as const],
      [...without("generation"), ["x-hub-peer-generation", "-1"] as const],
      [...good, ["x-hub-peer-until", "soon"] as const],
      [...good, ["x-hub-peer-subject", "%zz"] as const],
      [...good, ["x-hub-peer-operator", "root"] as const],
    ]
  ) assert.ok(readPeerFields(fields) instanceof RpcError, JSON.stringify(fields));
});

Deno.test("no server gets a field that is between hubs, whoever sent it", () => {
  const head = new CallHeaders([
    [":method", "POST"],
    [":path", "/echo.v1.Echo/Unary"],
    ["x-hub-peer-operator", "root"],
    ["x-hub-peer-anything", "1"],
    ["x-own", "kept"],
  ]);
  const sender = { ...OLGA, credentialUsed: true };
  const text = new TextDecoder("latin1").decode(head.block(sender));
  assert.match(text, /x-own/);
  assert.doesNotMatch(text, /x-hub-peer/);
  const forwarded = new TextDecoder("latin1").decode(
    head.blockForPeer(sender, { ...TO, hub: "b", link: "1" }),
  );
  assert.doesNotMatch(forwarded, /root|x-hub-peer-anything/);
  assert.match(forwarded, /x-hub-peer-operator/);
});
