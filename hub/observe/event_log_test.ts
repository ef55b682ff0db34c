import assert from "node:assert/strict";
import { configureLog, resetLog } from "../../shared/cli/log.ts";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import { ActivityFeed } from "./activity_feed.ts";
import { BlockChain } from "../audit/block_chain.ts";
import type { AuditSink } from "../audit/record.ts";
import { AuditWriter } from "../audit/writer.ts";
import type { RelayedCall } from "../relay/relayed_call.ts";
import { EventLog } from "./event_log.ts";
import { CallHeaders } from "../access/call_head.ts";

/** A journal, and what it has written. */
function begin() {
  let text = "";
  const sink: AuditSink = {
    write(bytes) {
      text += new TextDecoder().decode(bytes);
      return Promise.resolve(bytes.length);
    },
  };
  const audit = new AuditWriter(new BlockChain(sink));
  let ids = 0;
  const journal = new EventLog({
    activity: new ActivityFeed(),
    audit,
    nextId: () => `id-${++ids}`,
  });
  const written = async (): Promise<Record<string, unknown>[]> => {
    await audit[Symbol.asyncDispose]();
    return text.trimEnd().split("\n").map((line) => JSON.parse(line));
  };
  return { journal, written };
}

/** The part of a call that the journal looks at. */
function call(head: CallHeaders, more: Partial<RelayedCall> = {}): RelayedCall {
  return {
    head,
    server: "edge-1",
    identity: { name: "alice" },
    remoteAddress: "192.0.2.7:4711",
    bytesUp: 1,
    bytesDown: 2,
    startedMs: performance.now(),
    ...more,
  } as RelayedCall;
}

const head = (path: string) => new CallHeaders([[":path", path]]);

Deno.test("EventLog.callEnded() writes down each call as it was, also of one head", async () => {
  const { journal, written } = begin();
  const one = head("/echo.v1.Echo/Unary");
  journal.callEnded(call(one), Status.OK, "");
  journal.callEnded(call(one, { bytesUp: 7 }), Status.CANCELLED, 'a "reason"\nof \u2028 two lines');
  journal.callEnded(call(one, { server: "edge-2" }), Status.OK, "");
  const bob = { name: 'b"ob', subject: "Bob\u0000" } as RelayedCall["identity"];
  journal.callEnded(call(one, { identity: bob }), Status.OK, "");
  journal.callEnded(call(one), Status.OK, "");
  const lines = await written();
  const shown = lines.map(({ time: _, durationMs, prev: _prev, ...rest }) => {
    assert.ok(Number(durationMs) >= 0);
    return rest;
  });
  const first = {
    kind: "call",
    who: "alice",
    peer: "192.0.2.7:4711",
    server: "edge-1",
    method: "/echo.v1.Echo/Unary",
    status: "OK",
    bytesUp: 1,
    bytesDown: 2,
    id: "id-1",
  };
  assert.deepEqual(shown, [
    first,
    {
      ...first,
      status: "CANCELLED",
      bytesUp: 7,
      reason: 'a "reason"\nof \u2028 two lines',
      id: "id-2",
    },
    { ...first, server: "edge-2", id: "id-3" },
    { ...first, who: 'b"ob', subject: "Bob\u0000", id: "id-4" },
    { ...first, id: "id-5" },
  ]);
});

Deno.test("EventLog.callEnded() cuts the method of a stranger", async () => {
  const { journal, written } = begin();
  journal.callEnded(call(head(`/${'"'.repeat(1_000)}`)), Status.UNIMPLEMENTED, "");
  const [line] = await written();
  assert.equal(line!["method"], `/${'"'.repeat(255)}`);
});

Deno.test("F9: what was refused before it said a name is told as a connection", async () => {
  const { journal, written } = begin();
  const lines: string[] = [];
  await configureLog({ write: (line) => lines.push(line), journal: false });
  try {
    const why = { code: "INVALID_ARGUMENT", message: "No name" };
    for (const server of ["", "edge-1"]) {
      journal.serverRefused({ peer: "192.0.2.7:4711", server, who: "" }, why);
    }
  } finally {
    await resetLog();
    journal.close();
  }
  const [nameless = "", named = ""] = lines;
  assert.match(nameless, /Refused a connection from \S*192\.0\.2\.7:4711\S*: "?No name/);
  assert.match(named, /Refused server edge-1 from /);
  assert.equal((await written()).length, 2);
});

Deno.test("B2: 300 calls of an honest operator leave 300 lines, whatever strangers do meanwhile", async () => {
  const { journal, written } = begin();
  const no = new RpcError(Status.UNAUTHENTICATED, "No credential");
  const one = head("/echo.v1.Echo/Unary");
  const strangers = 60_000;
  for (let i = 0; i < strangers; i++) {
    if (i % 200 === 0) journal.callEnded(call(one), Status.OK, "");
    const peer = `198.51.100.9:${i % 60_000}`;
    const asked = { peer, server: "edge-1", who: "" };
    const raw = { id: "1", server: "edge-1", remoteAddress: peer, who: "" };
    if (i % 3 === 0) journal.callRefused(one, peer, no);
    else if (i % 3 === 1) journal.serverRefused(asked, { code: "UNAUTHENTICATED", message: "No" });
    else journal.rawRefused(raw, no);
  }
  journal.close();
  const lines = await written();
  assert.equal(lines.filter(({ who }) => who === "alice").length, 300);
  const others = lines.filter(({ who }) => who === "");
  assert.ok(others.length < 100, `${others.length} lines of strangers`);
  const told = others.reduce((sum, { times = 1 }) => sum + Number(times), 0);
  assert.equal(told, strangers, "each of them is told of");
  assert.equal(lines.some(({ dropped }) => dropped !== undefined), false);
});
