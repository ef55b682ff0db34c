import assert from "node:assert/strict";
import { CallMetadata } from "../../shared/grpc/call_metadata.ts";
import { errorInfo, RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status, type StatusName } from "../../shared/grpc/status.ts";
import type { Way } from "./delivery.ts";
import { mayAskNext, mostTelling } from "./hub_turn.ts";

const HUB = { "x-hub-hop": "hub", "x-hub-forwarded": "0" };
const LOST = { "x-hub-hop": "hub", "x-hub-forwarded": "1" };
const SERVER = { "x-hub-hop": "server", "x-hub-forwarded": "1" };
const REACHED: Way = { connected: true };
const UNREACHED: Way = { connected: false };

function failed(code: StatusName, trailers: Record<string, string> = {}, reason?: string) {
  const metadata = CallMetadata.received(Object.entries(trailers));
  const details = reason === undefined ? [] : [errorInfo(reason, "ghub", {})];
  return new RpcError(Status[code], "…", { metadata, details });
}

Deno.test("the next hub is asked only if this one certainly did not deliver the call", async (t) => {
  const table: [what: string, error: RpcError, way: Way, next: boolean][] = [
    ["it cannot be reached", failed("UNAVAILABLE"), UNREACHED, true],
    ["it goes away without a look", failed("UNAVAILABLE"), { ...REACHED, refused: true }, true],
    ["it drains", failed("UNAVAILABLE", HUB), REACHED, true],
    ["the server is away there", failed("UNAVAILABLE", HUB, "SERVER_OFFLINE"), REACHED, true],
    ["the server was never there", failed("NOT_FOUND", HUB, "SERVER_NOT_FOUND"), REACHED, true],
    ["… in raw mode", failed("NOT_FOUND", HUB, "SERVER_NOT_FOUND"), UNREACHED, true],
    ["it was lost while the call was open", failed("UNAVAILABLE"), REACHED, false],
    ["it lost the tunnel", failed("UNAVAILABLE", LOST), REACHED, false],
    ["the server says no", failed("UNAVAILABLE", SERVER), REACHED, false],
    ["the server does not find it", failed("NOT_FOUND", SERVER), REACHED, false],
    ["a bad credential", failed("UNAUTHENTICATED", HUB), REACHED, false],
    ["… in raw mode", failed("UNAUTHENTICATED", HUB), UNREACHED, false],
    ["no permission", failed("PERMISSION_DENIED", HUB), REACHED, false],
    ["a limit", failed("RESOURCE_EXHAUSTED", HUB), REACHED, false],
    ["several servers, and none is named", failed("INVALID_ARGUMENT", HUB), REACHED, false],
    ["no time is left", failed("DEADLINE_EXCEEDED"), UNREACHED, false],
  ];
  for (const [what, error, way, next] of table) {
    await t.step(what, () => assert.equal(mayAskNext(error, way), next));
  }
});

Deno.test("what a hub said counts more than that another one is away", () => {
  const away = { address: "a", error: failed("UNAVAILABLE"), way: UNREACHED };
  const never = { address: "b", error: failed("NOT_FOUND", HUB, "SERVER_NOT_FOUND"), way: REACHED };
  const offline = {
    address: "c",
    error: failed("UNAVAILABLE", HUB, "SERVER_OFFLINE"),
    way: REACHED,
  };
  assert.equal(mostTelling([away, never]), never);
  assert.equal(mostTelling([never, offline, away]), offline);
  assert.equal(mostTelling([away]), away);
  assert.equal(mostTelling([{ ...never, way: UNREACHED }, away])?.address, "b");
});
