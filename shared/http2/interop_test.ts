/**
 * `node:http2` as the peer, over real sockets: live, in both roles, and what it sent once more, cut
 * in other places.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { once } from "node:events";
import http2 from "node:http2";
import net, { type AddressInfo } from "node:net";
import type { ConnectionOptions } from "./connection.ts";
import { ErrorCode } from "./frames.ts";
import type { HeaderList } from "./header_list.ts";
import { encodeHeaderList } from "./hpack/encoder.ts";
import type { Stream } from "./stream.ts";
import { feed, merged, Recorder } from "./testing/recorder.ts";

const BODY = Buffer.alloc(150_000, "abcdefghij");
const TRAILERS = encodeHeaderList([["grpc-status", "0"]]);

function request(path: string): Uint8Array {
  return encodeHeaderList([
    [":method", "POST"],
    [":scheme", "http"],
    [":path", path],
    [":authority", "hub"],
    ["te", "trailers"],
  ]);
}

/** A recorder on a socket, which also keeps what came in. */
class OnSocket {
  readonly recorder: Recorder;
  readonly received: Uint8Array[] = [];
  readonly #socket: net.Socket;
  #wake: () => void = () => {};

  constructor(socket: net.Socket, options: ConnectionOptions) {
    this.#socket = socket;
    this.recorder = new Recorder(options);
    socket.on("data", (bytes: Uint8Array) => {
      this.received.push(bytes.slice());
      this.recorder.connection.receive(bytes);
      this.flush();
      this.#wake();
    });
    socket.on("error", () => {});
    this.recorder.connection.start();
    this.flush();
  }

  flush(): void {
    const bytes = this.recorder.take();
    if (bytes.length > 0) this.#socket.write(bytes);
  }

  /** Resolves when the log has a line that begins like this. */
  async until(...beginnings: readonly string[]): Promise<void> {
    const seen = () =>
      beginnings.every((text) => this.recorder.log.some((line) => line.startsWith(text)));
    while (!seen()) await new Promise<void>((resolve) => this.#wake = resolve);
  }

  async close(): Promise<void> {
    const closed = once(this.#socket, "close");
    this.#socket.destroy();
    await closed;
  }
}

async function listen(server: net.Server | http2.Http2Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

/** Events of each stream, without what depends on timing: where DATA was cut, when credit came. */
function essence({ log }: Recorder): Record<string, string[]> {
  const lines = log.filter((line) => !/^(credit|drained|pong|goaway)/.test(line));
  const streams = Object.groupBy(lines, (line) => line.split(" ", 2)[1]!);
  return Object.fromEntries(Object.entries(streams).map(([id, all]) => [id, merged(all!)]));
}

/** Gives recorded bytes to a fresh end in other pieces: the same events must follow. */
async function testReplay(
  t: Deno.TestContext,
  end: OnSocket,
  prepare: () => Recorder,
): Promise<void> {
  const bytes = new Uint8Array(Buffer.concat(end.received));
  let seed = 1;
  const random = () => 1 + (seed = seed * 48_271 % 2_147_483_647) % 3000;
  const cuts = { "one by one": () => 1, "in twos": () => 2, "in sevens": () => 7, random };
  for (const [name, cut] of Object.entries(cuts)) {
    await t.step(`the same bytes, ${name}`, () => {
      const recorder = prepare();
      feed(recorder.connection, bytes, cut);
      assert.equal(recorder.error, undefined);
      assert.deepEqual(essence(recorder), essence(end.recorder));
    });
  }
}

/** Answers as the path says: all of it back, a status alone, a reset. */
function answer(stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders): void {
  stream.on("error", () => {});
  const path = headers[":path"];
  if (path === "/reset") return void stream.close(http2.constants.NGHTTP2_ENHANCE_YOUR_CALM);
  if (path === "/alone") return void stream.respond({ ":status": 404 }, { endStream: true });
  stream.respond({ ":status": 200, "x-kind": "echo" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  stream.pipe(stream);
}

Deno.test("Connection as client speaks with node:http2", async (t) => {
  const server = http2.createServer({ settings: { initialWindowSize: 20_000 } });
  const sessions: http2.ServerHttp2Session[] = [];
  server.on("session", (session) => sessions.push(session)).on("stream", answer);
  const socket = net.connect(await listen(server), "127.0.0.1");
  const end = new OnSocket(socket, { role: "client" });
  const { connection } = end.recorder;
  const paths = ["/echo", "/alone", "/reset", "/echo"];

  const [first, , , second] = paths.map((path) => end.recorder.request(request(path)));
  connection.data(first!, BODY, true);
  connection.data(second!, BODY.subarray(0, 40_000), false);
  connection.headers(second!, encodeHeaderList([["x-late", "yes"]]), true);
  end.flush();
  await end.until("headers 1 grpc-status", "headers 3", "reset 5", "headers 7 grpc-status");
  await end.close();
  for (const session of sessions) session.destroy();
  server.close();
  await once(server, "close");

  const { 1: echoed, 3: alone, 5: reset, 7: trailers } = essence(end.recorder);
  assert.match(echoed![0]!, /^headers 1 :status=200 .*x-kind=echo/);
  assert.deepEqual(echoed!.slice(1), [`data 1 "${BODY}"`, "headers 1 grpc-status=0 end"]);
  assert.match(alone!.join(), /^headers 3 :status=404 .* end/);
  assert.equal(reset!.at(-1), "reset 5 ENHANCE_YOUR_CALM peer");
  assert.equal(trailers!.at(-1), "headers 7 grpc-status=0 end");

  await testReplay(t, end, () => {
    const recorder = new Recorder({ role: "client" });
    recorder.connection.start();
    const streams = paths.map((path) => recorder.request(request(path)));
    for (const i of [0, 3]) recorder.connection.data(streams[i]!, new Uint8Array(), true);
    return recorder;
  });
});

/** What a client of `node:http2` got for a request. */
async function ask(session: http2.ClientHttp2Session, path: string, body: Uint8Array) {
  const stream = session.request({ ":method": "POST", ":path": path, "x-kind": "asked" });
  const got = { status: 0, trailers: {} as http2.IncomingHttpHeaders, code: -1, body: "" };
  stream.on("response", (headers) => got.status = headers[":status"] ?? 0);
  stream.on("trailers", (headers) => got.trailers = headers);
  stream.on("data", (bytes: Uint8Array) => got.body += Buffer.from(bytes).toString());
  stream.on("error", () => {});
  stream.end(body);
  await new Promise<void>((resolve) => stream.once("close", () => resolve()));
  got.code = stream.rstCode ?? -1;
  return got;
}

/** A server that answers as `answer` above does, but for the content, which is its own. */
function serve(recorder: Recorder): Recorder {
  const { connection } = recorder;
  recorder.onEvent = (stream, event) => {
    if (event === "request") begin(stream, recorder.log.at(-1)!);
    if (stream.remoteEnd) connection.headers(stream, TRAILERS, true);
  };
  const begin = (stream: Stream, line: string) => {
    if (line.includes(":path=/reset")) return connection.reset(stream, ErrorCode.ENHANCE_YOUR_CALM);
    const found = line.includes(":path=/echo");
    const head: HeaderList = [[":status", found ? "200" : "404"], ["x-kind", "echo"]];
    connection.headers(stream, encodeHeaderList(head), !found);
    connection.data(stream, BODY, false);
  };
  return recorder;
}

Deno.test("Connection as server speaks with node:http2", async (t) => {
  const { promise: accepted, resolve } = Promise.withResolvers<OnSocket>();
  const server = net.createServer((socket) => {
    const end = new OnSocket(socket, { role: "server" });
    serve(end.recorder);
    resolve(end);
  });
  const session = http2.connect(`http://127.0.0.1:${await listen(server)}`, {
    settings: { initialWindowSize: 30_000, maxFrameSize: 20_000 },
  });
  const [echo, alone, reset] = await Promise.all([
    ask(session, "/echo", BODY),
    ask(session, "/alone", BODY.subarray(0, 9)),
    ask(session, "/reset", BODY.subarray(0, 9)),
  ]);
  assert.equal(echo.status, 200);
  assert.equal(echo.body, BODY.toString());
  assert.equal(echo.trailers["grpc-status"], "0");
  assert.deepEqual([alone.status, alone.body, alone.code], [404, "", ErrorCode.NO_ERROR]);
  assert.equal(reset.code, ErrorCode.ENHANCE_YOUR_CALM);
  const end = await accepted;
  const ended = new Promise<void>((resolve) => session.once("close", () => resolve()));
  session.close();
  await ended;
  const closed = once(server, "close");
  server.close();
  await closed;

  const asked = essence(end.recorder)[1]!;
  assert.match(asked[0]!, /^open 1 .*:path=\/echo/);
  assert.ok(asked[1]!.startsWith(`data 1 "${BODY}"`));
  await testReplay(t, end, () => {
    const recorder = new Recorder({ role: "server" });
    recorder.connection.start();
    return serve(recorder);
  });
});
