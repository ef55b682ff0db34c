import http2 from "node:http2";
import { Buffer } from "node:buffer";
import { once } from "node:events";
import assert from "node:assert/strict";
import { Status } from "../../shared/grpc/status.ts";
import { RawTunnel } from "../../tests/support/raw_tunnel.ts";
import { until } from "../../tests/support/until.ts";
import { startHub } from "../hub.ts";
import { CallMetadata } from "../../shared/grpc/call_metadata.ts";
import { OPERATOR_FIELD } from "../../shared/vouchers/voucher.ts";
import { checkUnread, MAX_UNREAD_BYTES } from "./unread_answers.ts";

const ANYWHERE = { hostname: "127.0.0.1", port: 0 };
/** Their list is twice as long as what the relay itself takes of an answer that nobody reads. */
const SERVERS = 60;
const CALLS = 100;
const LABELS = Array.from({ length: 32 }, (_, i) => `key-${i}=${"v".repeat(60)}`).join(",");

Deno.test("B4: answers of the hub that nobody reads are in its memory account until their calls end", async () => {
  const hub = await startHub({ tunnelListen: ANYWHERE, callListen: ANYWHERE });
  await using stack = new AsyncDisposableStack();
  stack.defer(async () => {
    hub.close();
    await hub.closed;
  });
  for (let i = 0; i < SERVERS; i++) {
    const headers = { "X-Hub-Meta-Labels": LABELS };
    stack.use(await RawTunnel.open(hub.tunnelAddress, { name: `edge-${i}`, headers }));
  }
  // A window of nothing: no byte of an answer can leave the hub.
  const session = http2.connect(`http://${hub.callAddress}`, {
    settings: { initialWindowSize: 0 },
  });
  session.on("error", () => {});
  stack.defer(() => session.destroy());
  await once(session, "localSettings");
  const answer = SERVERS * LABELS.length;
  const idle = hub.usage().bufferedBytes;
  const calls = Array.from({ length: CALLS }, () => listServers(session));
  await until("the account to know of them", () => {
    return hub.usage().bufferedBytes - idle >= CALLS * answer;
  });
  for (const call of calls) call.close(http2.constants.NGHTTP2_CANCEL);
  await until("all to be given back", () => hub.usage().bufferedBytes <= idle + answer);
});

Deno.test("B4: an operator who leaves too much unread gets no more, and others do", () => {
  const call = (operator: string, unreadBytes: number) => {
    const metadata = new CallMetadata();
    metadata.add(OPERATOR_FIELD, operator);
    return { metadata, unreadBytes };
  };
  const half = MAX_UNREAD_BYTES / 2;
  const connections = [{ calls: [call("alice", half), call("bob", 1)] }, {
    calls: [call("alice", half)],
  }];
  assert.throws(() => checkUnread("alice", connections), { code: Status.RESOURCE_EXHAUSTED });
  checkUnread("bob", connections);
  checkUnread("alice", connections.slice(1));
});

function listServers(session: http2.ClientHttp2Session): http2.ClientHttp2Stream {
  const stream = session.request({
    ":method": "POST",
    ":path": "/ghub.v1.Hub/ListServers",
    "content-type": "application/grpc",
    te: "trailers",
  });
  stream.on("error", () => {});
  stream.end(Buffer.alloc(5));
  return stream;
}
