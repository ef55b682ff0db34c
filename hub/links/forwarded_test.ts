/**
 * A call through two hubs, as its caller and its server see it: everything that can go wrong between
 * the hubs is here. The call suite runs over the same way in tests/call_suite_forwarded_test.ts.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Buffer } from "node:buffer";
import { detailsIn } from "../../shared/grpc/rpc_error.ts";
import { prefixMessage } from "../../shared/grpc/message_prefix.ts";
import type { google_rpc_ErrorInfo as ErrorInfo } from "../../shared/gen/types.ts";
import { Status } from "../../shared/grpc/status.ts";
import { encodeHeaderList } from "../../shared/http2/hpack/encoder.ts";
import type { HeaderList } from "../../shared/http2/header_list.ts";
import { ErrorCode } from "../../shared/http2/frames.ts";
import type { Stream } from "../../shared/http2/stream.ts";
import { generateAuthority, signerOf } from "../../shared/tls/authority.ts";
import { generateCertificate } from "../../shared/tls/generate.ts";
import { VERSION } from "../../shared/version.ts";
import { until } from "../../tests/support/until.ts";
import { peerFields } from "../access/peer_fields.ts";
import { once } from "node:events";
import { dialCalls, type Dialled, dialTcp, dialTunnel } from "../testing/dialled.ts";
import { type LinkedHubOptions, LinkedHubs, PEER_SECRET, placeOf } from "../testing/linked_hubs.ts";
import { ANSWER, CALL, fieldsOf, trailers } from "../testing/relayed.ts";
import { FaultyPipe } from "../testing/faulty_pipe.ts";
import { LINK_DEAD_AFTER_S } from "./open_link.ts";
import { PeerDialler } from "./peer_dial.ts";
import { peerCredentials } from "./peer_port.ts";

const WAIT = ["x-hub-wait", "20s"] as const;
const EDGE = ["x-hub-server", "edge-1"] as const;
const TO_EDGE = encodeHeaderList([...CALL, EDGE, WAIT]);
const TO_EDGE_NOW = encodeHeaderList([...CALL, EDGE]);

/** Two hubs, a server at the second, and a caller at the first. */
async function begin(options: { a?: LinkedHubOptions; b?: LinkedHubOptions } = {}) {
  await using stack = new AsyncDisposableStack();
  const hubs = stack.use(await LinkedHubs.start({ a: options.a ?? {}, b: options.b ?? {} }));
  const server = stack.use(await dialTunnel(hubs.of("b").hub.tunnelAddress, "edge-1"));
  const caller = stack.use(await dialCalls(hubs.of("a").hub.callAddress));
  const all = stack.move();
  return { hubs, server, caller, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

function call(caller: Dialled, block = TO_EDGE, endStream = true): Stream {
  const stream = caller.recorder.request(block, endStream);
  caller.flush();
  return stream;
}

/** The stream on which the server got its n-th call of Echo. */
async function arrived(server: Dialled, nth = 1): Promise<{ line: string; stream: Stream }> {
  let seen: string[] = [];
  await until("the call at the server", () => {
    seen = server.recorder.log.filter((line) => /^open \d+ .*Echo/.test(line));
    return seen.length >= nth;
  });
  const line = seen[nth - 1]!;
  return { line, stream: server.recorder.streams.get(Number(line.split(" ")[1]))! };
}

function answer(server: Dialled, stream: Stream, ...fields: HeaderList): void {
  server.recorder.connection.headers(stream, ANSWER, false);
  server.recorder.connection.headers(stream, trailers(...fields), true);
  server.flush();
}

/** How a call ended for its caller. */
async function ended(caller: Dialled, { id }: Stream) {
  const line = await caller.heard(new RegExp(`^headers ${id} .*grpc-status`));
  const fields = fieldsOf(line);
  const bytes = Buffer.from(fields["grpc-status-details-bin"] ?? "", "base64");
  const info = detailsIn(new Uint8Array(bytes)).find(({ type }) => type === "google.rpc.ErrorInfo");
  const { reason, metadata } = (info?.value ?? {}) as ErrorInfo;
  return {
    status: Number(fields["grpc-status"]),
    hop: fields["x-hub-hop"],
    forwarded: fields["x-hub-forwarded"],
    reason,
    hub: metadata?.["hub"],
    text: line,
  };
}

Deno.test("a call goes to a server at another hub, and its answer comes back", async () => {
  await using world = await begin();
  const { hubs, server, caller } = world;
  hubs.put("edge-1", "b");
  const made = call(caller);
  const { line, stream } = await arrived(server);
  assert.match(line, /x-hub-operator=loopback/);
  assert.doesNotMatch(line, /x-hub-peer|x-hub-wait/);
  answer(server, stream, ["x-own", "1"]);
  const { status, hop, forwarded } = await ended(caller, made);
  assert.deepEqual([status, hop, forwarded], [Status.OK, "server", "1"]);
});

Deno.test("a call that waits is woken by the view, and by the link", async () => {
  await using world = await begin();
  const { hubs, server, caller } = world;
  // The hub of the place is not linked with, since its record is gone.
  hubs.tell(({ name, ...record }) => name === "b" ? undefined : { name, ...record });
  hubs.put("edge-1", "b");
  const first = call(caller);
  const missing = call(caller, TO_EDGE_NOW);
  assert.deepEqual(
    (({ status, reason, hub, forwarded }) => [status, reason, hub, forwarded])(
      await ended(caller, missing),
    ),
    [Status.UNAVAILABLE, "HUB_UNREACHABLE", "b", "0"],
  );
  hubs.tell();
  answer(server, (await arrived(server)).stream);
  assert.equal((await ended(caller, first)).status, Status.OK);
  hubs.take("edge-1");
  const second = call(caller);
  hubs.put("edge-1", "b");
  answer(server, (await arrived(server, 2)).stream);
  assert.equal((await ended(caller, second)).status, Status.OK);
});

Deno.test("a name is asked for, seen and counted over all hubs", async () => {
  await using world = await begin();
  const { hubs, caller } = world;
  const nowhere = call(caller, TO_EDGE_NOW);
  assert.equal((await ended(caller, nowhere)).status, Status.NOT_FOUND);
  hubs.put("edge-1", "b");
  hubs.put("edge-2", "b");
  const unnamed = call(caller, encodeHeaderList(CALL));
  assert.match((await ended(caller, unnamed)).text, /edge-1.*edge-2/);
  const near = call(caller, encodeHeaderList([...CALL, ["x-hub-server", "edge-3"]]));
  assert.match((await ended(caller, near)).text, /near to it are: edge-[12]/);
});

Deno.test("11: a tunnel that the view remembers and the hub does not have gets no call", async () => {
  await using world = await begin();
  const { hubs, server, caller } = world;
  hubs.put("edge-1", "b", { generation: 2 });
  hubs.put("edge-9", "b");
  for (const name of ["edge-1", "edge-9"]) {
    const made = call(caller, encodeHeaderList([...CALL, ["x-hub-server", name], WAIT]));
    const { status, reason, forwarded, hub } = await ended(caller, made);
    assert.deepEqual(
      [status, reason, forwarded, hub],
      [Status.UNAVAILABLE, "NOT_DELIVERED", "0", "b"],
    );
  }
  assert.deepEqual(server.recorder.log.filter((line) => /Echo/.test(line)), []);
});

Deno.test("6: calls on their way are unknown when their hub is lost, and later ones went nowhere", async () => {
  await using world = await begin();
  const { hubs, server, caller } = world;
  hubs.put("edge-1", "b");
  const made = call(caller);
  await arrived(server);
  hubs.of("b").hub.close();
  const lost = await ended(caller, made);
  assert.deepEqual(
    [lost.status, lost.reason, lost.forwarded],
    [Status.UNAVAILABLE, "OUTCOME_UNKNOWN", "1"],
  );
  await until(
    "the hub to be unreachable",
    async () => (await ended(caller, call(caller, TO_EDGE_NOW))).reason === "HUB_UNREACHABLE",
  );
});

Deno.test("6: a server with a tunnel to each hub is reached, though the hubs cannot reach each other", async () => {
  await using world = await begin();
  const { hubs, caller } = world;
  await using near = await dialTunnel(hubs.of("a").hub.tunnelAddress, "edge-1");
  hubs.put("edge-1", "b");
  hubs.of("b").hub.close();
  const made = call(caller);
  answer(near, (await arrived(near)).stream);
  assert.equal((await ended(caller, made)).status, Status.OK);
});

Deno.test("a tunnel that is lost at its own hub is unknown, and says so through both", async () => {
  await using world = await begin();
  const { hubs, server, caller } = world;
  hubs.put("edge-1", "b");
  const made = call(caller);
  await arrived(server);
  await server[Symbol.asyncDispose]();
  const { status, reason, hop, forwarded } = await ended(caller, made);
  assert.deepEqual(
    [status, reason, hop, forwarded],
    [Status.UNAVAILABLE, "OUTCOME_UNKNOWN", "hub", "1"],
  );
});

Deno.test("a caller's cancel and a deadline reach the server through both hubs", async () => {
  await using world = await begin();
  const { hubs, server, caller } = world;
  hubs.put("edge-1", "b");
  const made = call(caller, TO_EDGE, false);
  const { stream } = await arrived(server);
  caller.recorder.connection.reset(made, ErrorCode.CANCEL);
  caller.flush();
  await server.heard(new RegExp(`^reset ${stream.id} CANCEL peer`));
  const timed = call(caller, encodeHeaderList([...CALL, EDGE, ["grpc-timeout", "300m"]]));
  const second = await arrived(server, 2);
  assert.equal((await ended(caller, timed)).status, Status.DEADLINE_EXCEEDED);
  await server.heard(new RegExp(`^reset ${second.stream.id} CANCEL peer`));
});

Deno.test("a raw connection to a tunnel that is gone is told so by the owner, with its reason", async () => {
  await using world = await begin();
  const { hubs } = world;
  hubs.put("edge-1", "b", { generation: 2 });
  // The link is open when a call has gone over it.
  const { status } = await ended(world.caller, call(world.caller));
  assert.equal(status, Status.UNAVAILABLE);
  const socket = await dialTcp(hubs.of("a").hub.callAddress);
  socket.write('{"version":1,"server":"edge-1"}\n');
  const [bytes] = await once(socket, "data");
  const { ok, code } = JSON.parse(String(bytes));
  assert.deepEqual([ok, code], [false, "UNAVAILABLE"]);
  assert.match(String(bytes), /no such tunnel at this hub any more, nothing was delivered/);
  socket.destroy();
});

// ---- Who may

const TOKENS = { alice: "a".repeat(40), bob: "b".repeat(40) };

function authFile(rules: Readonly<Record<string, string>>): string {
  const operators = Object.entries(rules).map(([id, rule]) => {
    const sha256 = createHash("sha256").update(TOKENS[id as keyof typeof TOKENS]).digest("hex");
    return `  - id: ${id}\n    tokens: ["sha256:${sha256}"]\n    rules:\n      - ${rule}\n`;
  });
  const server = createHash("sha256").update("s".repeat(40)).digest("hex");
  return `version: 1\nallowLoopback: true\nservers:\n  - id: edges\n    tokens: ["sha256:${server}"]\n` +
    `    names: ["edge-*"]\noperators:\n${operators.join("")}`;
}

const ALL = '{ servers: "*", methods: "*", effect: allow }';

/** The same two hubs, each with an auth file of its own. */
async function guarded(rules: { a: Record<string, string>; b: Record<string, string> }) {
  await using stack = new AsyncDisposableStack();
  const dir = await Deno.makeTempDir({ prefix: "ghub-guarded-" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const write = async (hub: "a" | "b", own: Record<string, string>) => {
    const path = `${dir}/${hub}.yaml`;
    await Deno.writeTextFile(path, authFile(own), { mode: 0o600 });
    return path;
  };
  const world = stack.use(
    await begin({
      a: { authFile: await write("a", rules.a) },
      b: { authFile: await write("b", rules.b) },
    }),
  );
  const change = async (hub: "a" | "b", own: Record<string, string>) => {
    await write(hub, own);
    for (const part of world.hubs.of(hub).hub.reloadParts) await part.look();
  };
  const all = stack.move();
  return { ...world, change, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

function as(who: keyof typeof TOKENS): Uint8Array<ArrayBufferLike> {
  return encodeHeaderList([...CALL, EDGE, WAIT, ["authorization", `Bearer ${TOKENS[who]}`]]);
}

Deno.test("a denial at either hub counts, and the second one is named", async () => {
  await using world = await guarded({ a: { alice: ALL, bob: ALL }, b: { alice: ALL } });
  const { hubs, server, caller } = world;
  hubs.put("edge-1", "b");
  const good = call(caller, as("alice"));
  const { line, stream } = await arrived(server);
  assert.match(line, /x-hub-operator=alice/);
  assert.doesNotMatch(line, /authorization/);
  answer(server, stream);
  assert.equal((await ended(caller, good)).status, Status.OK);
  const bad = await ended(caller, call(caller, as("bob")));
  assert.deepEqual(
    [bad.status, bad.reason, bad.forwarded, bad.hub],
    [Status.PERMISSION_DENIED, "NOT_PERMITTED", "0", "b"],
  );
});

Deno.test("13: an operator who is revoked at one hub only is ended, at whichever end", async (t) => {
  for (const at of ["a", "b"] as const) {
    await t.step(`revoked at ${at}`, async () => {
      await using world = await guarded({ a: { alice: ALL }, b: { alice: ALL } });
      const { hubs, server, caller, change } = world;
      hubs.put("edge-1", "b");
      const made = call(caller, as("alice"), false);
      const { stream } = await arrived(server);
      await change(at, { bob: ALL });
      const { status, forwarded } = await ended(caller, made);
      assert.ok(status === Status.UNAUTHENTICATED || status === Status.PERMISSION_DENIED);
      assert.equal(forwarded, "1");
      await server.heard(new RegExp(`^reset ${stream.id} CANCEL peer`));
    });
  }
});

Deno.test("13: a raw connection ends when its operator may no longer call everything at the owner", async () => {
  await using world = await guarded({ a: { alice: ALL }, b: { alice: ALL } });
  const { hubs, server, change } = world;
  hubs.put("edge-1", "b");
  const socket = await dialTcp(hubs.of("a").hub.callAddress);
  await until("the link", async () => {
    const probe = call(world.caller, as("alice"), false);
    const { stream } = await arrived(server);
    answer(server, stream);
    return (await ended(world.caller, probe)).status === Status.OK;
  });
  socket.write(`{"version":1,"server":"edge-1","token":"${TOKENS.alice}"}\n`);
  const line = await server.heard(/^open \d+ .*Tunnel\/Connect/);
  assert.doesNotMatch(line, /x-hub-peer/);
  const stream = server.recorder.streams.get(Number(line.split(" ")[1]))!;
  server.recorder.connection.headers(stream, ANSWER, false);
  server.flush();
  const [accepted] = await once(socket, "data");
  assert.match(String(accepted), /"ok":true/);
  const closed = once(socket, "close");
  const noStop = '{ servers: "*", methods: /echo.v1.Echo/Stop, effect: deny }';
  await change("b", { alice: `${ALL}\n      - ${noStop}` });
  await closed;
});

Deno.test("12: labels that have changed while the call was on its way are judged as they are", async () => {
  const site = '{ servers: "*", labels: { site: a }, methods: "*", effect: allow }';
  await using world = await guarded({ a: { alice: site }, b: { alice: site } });
  const { hubs, server, caller } = world;
  // The first hub believes in the label; the tunnel itself has none.
  const info = { ...placeOf("edge-1", hubs.of("b").record).info, labels: { site: "a" } };
  hubs.put("edge-1", "b", { info });
  const { status, hub, forwarded } = await ended(caller, call(caller, as("alice")));
  assert.deepEqual([status, hub, forwarded], [Status.PERMISSION_DENIED, "b", "0"]);
  assert.deepEqual(server.recorder.log.filter((line) => /Echo/.test(line)), []);
});

Deno.test("the owner signs the voucher for a server that asks for one", async () => {
  await using hubs = await LinkedHubs.start({ a: {}, b: {} });
  const nonce = { "X-Hub-Meta-Nonce": "n".repeat(43) };
  await using server = await dialTunnel(hubs.of("b").hub.tunnelAddress, "edge-1", nonce);
  await using caller = await dialCalls(hubs.of("a").hub.callAddress);
  hubs.put("edge-1", "b");
  // What a caller says of itself is worth nothing.
  call(caller, encodeHeaderList([...CALL, EDGE, WAIT, ["x-hub-voucher", "forged"]]));
  const { line } = await arrived(server);
  const vouchers = line.match(/x-hub-voucher=\S+/g) ?? [];
  assert.equal(vouchers.length, 1);
  const [, payload = ""] = vouchers[0]!.split(".");
  assert.match(Buffer.from(payload, "base64url").toString(), /loopback/);
});

Deno.test("the owner's limits count, and name it", async () => {
  await using world = await begin({ b: { limits: { maxCallsPerServer: 1 } } });
  const { hubs, server, caller } = world;
  hubs.put("edge-1", "b");
  call(caller, TO_EDGE, false);
  await arrived(server);
  const { status, reason, hub, forwarded } = await ended(caller, call(caller));
  assert.deepEqual(
    [status, reason, hub, forwarded],
    [Status.RESOURCE_EXHAUSTED, "TOO_MANY_CALLS", "b", "0"],
  );
});

Deno.test("a hub that drains lets forwarded calls end, and takes no more", async () => {
  await using world = await begin();
  const { hubs, server, caller } = world;
  hubs.put("edge-1", "b");
  const made = call(caller);
  const { stream } = await arrived(server);
  const draining = hubs.of("b").hub.drain();
  await until("new calls to be refused", async () => {
    const { status, forwarded } = await ended(caller, call(caller, TO_EDGE_NOW));
    assert.equal(forwarded, "0");
    return status === Status.UNAVAILABLE;
  });
  answer(server, stream);
  assert.equal((await ended(caller, made)).status, Status.OK);
  await draining;
});

// ---- Links

/** What a hub's own dialler does, for a test that plays a hub. */
async function link(hubs: LinkedHubs<"a" | "b">, to: "a" | "b", secret = PEER_SECRET) {
  const dialler = new PeerDialler(await peerCredentials({ secret }));
  const { record } = hubs.of(to);
  const self = { name: "c", session: "session-of-c", version: VERSION, protocol: 2 };
  return await dialler.dial(record.peerAddress, {
    self,
    session: record.session,
    signal: AbortSignal.timeout(20_000),
  });
}

Deno.test("14: what a hub forwards that was forwarded to it goes nowhere", async () => {
  await using world = await begin();
  const { hubs, server } = world;
  hubs.put("edge-1", "b");
  const { link: played, first } = await link(hubs, "a");
  played.run(first);
  const heard = Promise.withResolvers<Record<string, string>>();
  const to = { server: "edge-1", generation: 1 };
  const block = encodeHeaderList([...CALL, ...peerFields({ name: "olga", how: "token" }, to)]);
  played.side.connection.request(block, true, {
    onHeaders: (_stream, fields) => heard.resolve(Object.fromEntries(fields)),
    onData() {},
    onReset: () => heard.reject(new Error("It was reset")),
    onCredit() {},
    onDrained() {},
  });
  const { "grpc-status": status, "x-hub-forwarded": forwarded } = await heard.promise;
  assert.deepEqual([status, forwarded], [String(Status.UNAVAILABLE), "0"]);
  assert.deepEqual(server.recorder.log.filter((line) => /Echo/.test(line)), []);
  played.close("The test is over");
});

Deno.test("15: whoever does not hold the secret gets no link, and learns nothing of it", async () => {
  await using world = await begin();
  const { hubs, caller } = world;
  await assert.rejects(
    link(hubs, "b", "another secret, as long as it must be"),
    /does not hold the secret/,
  );
  // A stranger at the address that the view has for a hub.
  await using stranger = await LinkedHubs.start({
    b: { peers: { secret: "another secret, as long as it must be" } },
  });
  const { peerAddress } = stranger.of("b").record;
  hubs.tell((record) => record.name === "b" ? undefined : record);
  hubs.tell((record) => record.name === "b" ? { ...record, peerAddress } : record);
  hubs.put("edge-1", "b");
  const { reason } = await ended(caller, call(caller, TO_EDGE_NOW));
  assert.equal(reason, "HUB_UNREACHABLE");
});

Deno.test("hubs with certificates of one authority are linked without a secret, and others are not", async () => {
  const authority = await generateAuthority("hubs");
  const authorityOfOthers = await generateAuthority("others");
  const hubOf = async ({ cert, key }: { cert: string; key: string }) => ({
    peers: {
      secret: undefined,
      ca: authority.cert,
      identity: await generateCertificate(["hub"], { authority: await signerOf({ cert, key }) }),
    },
  });
  await using world = await begin({ a: await hubOf(authority), b: await hubOf(authority) });
  const { hubs, server, caller } = world;
  hubs.put("edge-1", "b");
  const made = call(caller);
  answer(server, (await arrived(server)).stream);
  assert.equal((await ended(caller, made)).status, Status.OK);
  for (const other of [authorityOfOthers, undefined]) {
    const { peers } = other === undefined ? { peers: { ca: authority.cert } } : await hubOf(other);
    const dialler = new PeerDialler({
      ...await peerCredentials({ ...peers, secret: undefined }),
    });
    const { record } = hubs.of("b");
    const who = { name: "c", session: "session-of-c", version: VERSION, protocol: 1 };
    await assert.rejects(
      dialler.dial(record.peerAddress, {
        self: who,
        session: record.session,
        signal: AbortSignal.timeout(20_000),
      }),
      String(other),
    );
  }
});

Deno.test("24: a hub of a later protocol is linked with", async () => {
  await using hubs = await LinkedHubs.start({ a: {}, b: {} });
  const { link: played, first } = await link(hubs, "a");
  played.run(first);
  assert.equal(played.hub, "a");
  played.close("The test is over");
});

Deno.test("16: a link on which nothing moves any more is lost within seconds", async () => {
  await using world = await begin();
  const { hubs, server, caller } = world;
  await using pipe = await FaultyPipe.open(hubs.of("b").record.peerAddress);
  hubs.tell((record) => record.name === "b" ? undefined : record);
  hubs.tell((record) => record.name === "b" ? { ...record, peerAddress: pipe.address } : record);
  hubs.put("edge-1", "b");
  const made = call(caller, TO_EDGE, false);
  const { stream } = await arrived(server);
  pipe.freeze();
  const { status, reason, hub, text } = await ended(caller, made);
  assert.deepEqual([status, reason, hub], [Status.UNAVAILABLE, "OUTCOME_UNKNOWN", "b"]);
  // By its own silence, whatever time a slow machine takes for that; the other end notices by itself.
  assert.match(text, new RegExp(`gave no sign of life for ${LINK_DEAD_AFTER_S} s`));
  await server.heard(new RegExp(`^reset ${stream.id} CANCEL peer`));
});

Deno.test("17: 10 000 cancels over one link disturb nobody else", async () => {
  await using world = await begin();
  const { hubs, server, caller } = world;
  hubs.put("edge-1", "b");
  const kept = call(caller, TO_EDGE, false);
  const { stream } = await arrived(server);
  for (let made = 0; made < 10_000;) {
    // A caller's own connection has its bound on this; the link must bear what all callers do.
    await using other = await dialCalls(hubs.of("a").hub.callAddress);
    for (let n = 0; n < 1_000; n++, made++) {
      const one = other.recorder.request(TO_EDGE_NOW, false);
      other.recorder.connection.reset(one, ErrorCode.CANCEL);
    }
    other.flush();
    other.recorder.connection.ping();
    other.flush();
    await other.heard(/^pong/);
  }
  answer(server, stream);
  assert.equal((await ended(caller, kept)).status, Status.OK);
});

Deno.test("18: a slow reader behind a link does not hold up ten fast ones", async () => {
  await using world = await begin();
  const { hubs, server, caller } = world;
  hubs.put("edge-1", "b");
  const piece = prefixMessage(new Uint8Array(16_000));
  const send = (stream: Stream, times: number) => {
    server.recorder.connection.headers(stream, ANSWER, false);
    for (let n = 0; n < times; n++) server.recorder.connection.data(stream, piece, false);
    server.flush();
  };
  await using slow = await dialCalls(hubs.of("a").hub.callAddress);
  slow.recorder.consumes = false;
  call(slow);
  const { stream } = await arrived(server);
  // 16 MB, of which the caller takes none.
  send(stream, 1_000);
  const fast = Array.from({ length: 10 }, () => call(caller));
  for (let nth = 2; nth <= 11; nth++) {
    const { stream } = await arrived(server, nth);
    send(stream, 20);
    server.recorder.connection.headers(stream, trailers(), true);
    server.flush();
  }
  for (const one of fast) assert.equal((await ended(caller, one)).status, Status.OK);
});

// ---- What is written down

Deno.test("both hubs write a line, and each says which of the other it belongs to", async () => {
  const dir = await Deno.makeTempDir({ prefix: "ghub-audits-" });
  try {
    const lineOf = async (name: string) => {
      const text = await Deno.readTextFile(`${dir}/${name}`);
      return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line))
        .find(({ kind }) => kind === "call");
    };
    {
      await using world = await begin({
        a: { auditLog: `${dir}/a.jsonl` },
        b: { auditLog: `${dir}/b.jsonl` },
      });
      const { hubs, server, caller } = world;
      hubs.put("edge-1", "b");
      const made = call(caller);
      answer(server, (await arrived(server)).stream);
      await ended(caller, made);
    }
    const [first, second] = [await lineOf("a.jsonl"), await lineOf("b.jsonl")];
    assert.match(first.via, /^b\/[\w-]{8}-\d+$/);
    assert.equal(second.from, first.via.replace("b/", "a/"));
    assert.deepEqual([first.from, second.via], [undefined, undefined]);
    for (const line of [first, second]) {
      assert.deepEqual([line.who, line.server, line.status], ["loopback", "edge-1", "OK"]);
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
