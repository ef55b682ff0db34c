import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { once } from "node:events";
import net, { type AddressInfo } from "node:net";
import { UsageError } from "../../shared/cli/usage_error.ts";
import type {
  echo_v1_EchoResponse as EchoResponse,
  ghub_v1_Chunk as Chunk,
} from "../../shared/gen/types.ts";
import { decodeMessage } from "../../shared/grpc/service.ts";
import { root } from "../../shared/grpc/root.ts";
import { deadPort } from "../../tests/support/dead_port.ts";
import { until } from "../../tests/support/until.ts";
import { type ExposedUpstream, parseExpose } from "../upstream/upstream.ts";
import { type RunningServer, startServer } from "../server.ts";
import { testEcho } from "../testing/echo.ts";
import { frame, type HubTunnel, resultOf, TestHub } from "../testing/hub.ts";

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const SETTINGS = Buffer.from("000000040000000000", "hex");
/** How a TLS handshake begins: bytes that pass unread on raw connections. */
const HELLO = "\x16\x03\x01";

const at = (port: number): ExposedUpstream => ({
  name: "payments",
  address: { host: "127.0.0.1", port },
});

/** A TCP server of no protocol, and the connections that came. */
class Upstreams implements AsyncDisposable {
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();
  readonly #waiting: ((socket: net.Socket) => void)[] = [];
  readonly #accepted: net.Socket[] = [];

  constructor() {
    this.#server = net.createServer({ allowHalfOpen: true }, (socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      const waiting = this.#waiting.shift();
      if (waiting === undefined) this.#accepted.push(socket);
      else waiting(socket);
    });
  }

  static async start(): Promise<Upstreams> {
    const upstreams = new Upstreams();
    upstreams.#server.listen(0, "127.0.0.1");
    await once(upstreams.#server, "listening");
    return upstreams;
  }

  get upstream(): ExposedUpstream {
    const { port } = this.#server.address() as AddressInfo;
    return at(port);
  }

  get count(): number {
    return this.#sockets.size;
  }

  connection(): Promise<net.Socket> {
    const socket = this.#accepted.shift();
    if (socket !== undefined) return Promise.resolve(socket);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

function start(hub: TestHub, upstream: ExposedUpstream): Promise<RunningServer> {
  return startServer({
    name: "edge-1",
    hubUri: hub.uri,
    expose: [upstream],
    services: [testEcho()],
    backoff: { baseMs: 0 },
  });
}

/** The next tunnel of that name. */
async function tunnelOf(hub: TestHub, name: string): Promise<HubTunnel> {
  for (;;) {
    const tunnel = await hub.tunnel();
    if (tunnel.request.headers["x-hub-meta-name"] === name) return tunnel;
  }
}

/** A server with an upstream, and its tunnel of this name. */
async function exposing(name: string) {
  await using made = new AsyncDisposableStack();
  const upstreams = made.use(await Upstreams.start());
  const hub = made.use(await TestHub.start());
  made.use(await start(hub, upstreams.upstream));
  const tunnel = await tunnelOf(hub, name);
  const owned = made.move();
  return { upstreams, hub, tunnel, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** The next bytes. */
async function readBytes(socket: net.Socket, count: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  const take = (chunk: Uint8Array) => void chunks.push(chunk);
  socket.on("data", take);
  const length = () => chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  await until(`${count} bytes`, () => length() >= count);
  socket.off("data", take);
  return Buffer.concat(chunks).toString();
}

/** Reads to the end, and leaves the other direction open. */
async function readAll(socket: net.Socket): Promise<string> {
  const chunks: Uint8Array[] = [];
  socket.on("data", (chunk: Uint8Array) => chunks.push(chunk));
  await once(socket, "end");
  return Buffer.concat(chunks).toString();
}

Deno.test("parseExpose() reads NAME=HOST:PORT", async (t) => {
  const table: [text: string, name: string, host: string, port: number][] = [
    ["payments=127.0.0.1:50051", "payments", "127.0.0.1", 50051],
    ["a.b_c-1=db.local:1", "a.b_c-1", "db.local", 1],
    ["a=:50051", "a", "127.0.0.1", 50051],
    ["a=[::1]:50051", "a", "::1", 50051],
  ];
  for (const [text, name, host, port] of table) {
    await t.step(
      text,
      () => assert.deepEqual(parseExpose(text), { name, address: { host, port } }),
    );
  }
  for (const text of ["", "payments", "=h:1", "A=h:1", "a/b=h:1", "a=h", "a=h:0", "a=h:70000"]) {
    await t.step(`not ${text}`, () => assert.throws(() => parseExpose(text), UsageError));
  }
});

Deno.test("an exposed upstream has a tunnel of its own, registered when it is connected", async () => {
  await using exposed = await exposing("edge-1/payments");
  const { tunnel, upstreams } = exposed;
  const socket = await upstreams.connection();
  tunnel.stream.write(PREFACE);
  tunnel.stream.write("to the upstream");
  assert.equal(await readBytes(socket, 39), `${PREFACE}to the upstream`);
  socket.write(SETTINGS);
  assert.deepEqual((await once(tunnel.stream, "data"))[0], SETTINGS);
});

Deno.test("a lost upstream or tunnel ends the other one, and a new tunnel opens", async (t) => {
  await t.step("the upstream ends: what it sent arrives first", async () => {
    await using exposed = await exposing("edge-1/payments");
    const { tunnel, upstreams, hub } = exposed;
    const socket = await upstreams.connection();
    socket.end("y".repeat(300_000));
    let received = 0;
    tunnel.stream.on("data", (bytes: Uint8Array) => received += bytes.length);
    assert.match((await tunnel.closed)[1], /Upstream "payments" closed/);
    assert.equal(received, 300_000);
    await tunnelOf(hub, "edge-1/payments");
  });
  await t.step("the tunnel is cut", async () => {
    await using exposed = await exposing("edge-1/payments");
    const { tunnel, upstreams, hub } = exposed;
    const socket = await upstreams.connection();
    socket.resume();
    tunnel.socket.terminate();
    await once(socket, "end");
    await tunnelOf(hub, "edge-1/payments");
  });
});

Deno.test("C6: an upstream is registered when it can be reached, is tried every second, and is told about once", async () => {
  using dead = await deadPort();
  await using hub = await TestHub.start();
  const states: string[] = [];
  await using _server = await startServer({
    name: "edge-1",
    hubUri: hub.uri,
    expose: [at(dead.port)],
    onState: (name, state) => {
      if (name === "edge-1/payments") {
        states.push(state.state === "waiting" ? state.why : state.state);
      }
    },
  });
  await until("the third try", () => states.filter((state) => state === "dialing").length >= 3);
  assert.ok(!states.includes("serving"));
  assert.match(states[1]!, /^Cannot reach upstream "payments" at 127\.0\.0\.1:\d+: /);
  const names = hub.requests.map(({ headers }) => headers["x-hub-meta-name"]);
  assert.ok(!names.includes("edge-1/payments"), "the hub was told of it");
});

Deno.test("B1: without a policy too, an upstream gets HTTP/2 or not a byte", async (t) => {
  const words = "GET /reload HTTP/1.0\r\nx-hub-operator: root\r\n\r\n";
  await t.step("on its tunnel", async () => {
    await using exposed = await exposing("edge-1/payments");
    const { tunnel, upstreams } = exposed;
    const socket = await upstreams.connection();
    tunnel.stream.write(words);
    assert.equal(await readAll(socket), "");
    assert.match((await tunnel.closed)[1], /preface of HTTP\/2/);
  });
  await t.step("on a raw connection", async () => {
    await using exposed = await exposing("edge-1");
    const { tunnel, upstreams } = exposed;
    await upstreams.connection(); // the tunnel's
    const { send, result } = connect(tunnel, { "x-hub-upstream": "payments" });
    const socket = await upstreams.connection();
    send({ data: Buffer.from(words) });
    assert.equal(await readAll(socket), "");
    const { status, message } = await result;
    assert.equal(status, 14);
    assert.match(message, /preface of HTTP\/2/);
  });
});

Deno.test("an upstream that is slow to read makes the hub wait", async () => {
  await using exposed = await exposing("edge-1/payments");
  const { tunnel, upstreams } = exposed;
  const socket = await upstreams.connection();
  tunnel.stream.write(PREFACE);
  socket.pause();
  const piece = Buffer.alloc(1 << 20);
  let sent = 0;
  // Sockets and buffers in between take some; far less than this.
  while (sent < 64 && tunnel.stream.write(piece)) sent++;
  while (sent < 64) {
    const room = once(tunnel.stream, "drain").then(() => true);
    const stalled = new Promise<boolean>((resolve) => setTimeout(resolve, 300, false));
    if (!await Promise.race([room, stalled])) break;
    sent++;
    tunnel.stream.write(piece);
  }
  assert.ok(sent < 64, "64 MiB went into buffers");
  let received = 0;
  socket.on("data", (bytes) => received += bytes.length);
  socket.resume();
  const wanted = PREFACE.length + tunnel.stream.writableLength;
  await once(tunnel.stream, "drain");
  assert.ok(wanted > 0);
  await new Promise<void>((resolve) => {
    const check = () => received > sent * piece.length - 1 ? resolve() : setTimeout(check, 5);
    check();
  });
});

/** A raw connection through Tunnel/Connect, as the hub opens it. */
function connect(tunnel: HubTunnel, headers: Record<string, string> = {}) {
  const call = tunnel.open("/ghub.v1.Tunnel/Connect", headers);
  call.once("end", () => call.end());
  const send = (chunk: Chunk) => call.write(frame("ghub.v1.Tunnel", "Connect", chunk));
  return { call, send, result: resultOf<Chunk>(call, "ghub.v1.Tunnel", "Connect") };
}

const textOf = (chunks: Chunk[]) =>
  Buffer.concat(chunks.map(({ data }) => data ?? new Uint8Array())).toString("latin1");

Deno.test("Connect to an upstream pipes bytes and keeps half-close", async () => {
  await using exposed = await exposing("edge-1");
  const { tunnel, upstreams } = exposed;
  await upstreams.connection(); // the tunnel's
  const { call, send, result } = connect(tunnel, { "x-hub-upstream": "payments" });
  const socket = await upstreams.connection();
  const [headers] = await once(call, "response");
  assert.equal(headers[":status"], 200);
  send({ data: Buffer.from(`${HELLO}ques`) });
  send({ data: Buffer.from("tion"), fin: true });
  // The upstream sees the end of the question before it answers.
  assert.equal(await readAll(socket), `${HELLO}question`);
  socket.end("answer".repeat(20_000));
  const { status, responses } = await result;
  assert.equal(status, 0);
  assert.ok(textOf(responses) === "answer".repeat(20_000));
  assert.deepEqual(responses.map(({ fin }) => fin).filter(Boolean), [true]);
  assert.equal(responses.at(-1)?.fin, true);
});

Deno.test("Connect lets the upstream end first", async () => {
  await using exposed = await exposing("edge-1");
  const { tunnel, upstreams } = exposed;
  await upstreams.connection(); // the tunnel's
  const { call, send, result } = connect(tunnel, { "x-hub-upstream": "payments" });
  const socket = await upstreams.connection();
  const answered = once(call, "data");
  socket.end("last words");
  await answered;
  send({ data: Buffer.from(`${HELLO}still heard`), fin: true });
  assert.equal(await readAll(socket), `${HELLO}still heard`);
  const { status, responses } = await result;
  assert.deepEqual([status, textOf(responses)], [0, "last words"]);
});

Deno.test("Connect refuses what cannot be", async (t) => {
  await using hub = await TestHub.start();
  using dead = await deadPort();
  await using _server = await start(hub, at(dead.port));
  const tunnel = await tunnelOf(hub, "edge-1");
  await t.step("an unknown upstream", async () => {
    const { result } = connect(tunnel, { "x-hub-upstream": "payrolls" });
    const { status, message } = await result;
    assert.equal(status, 5);
    assert.match(message, /payrolls.*payments/);
  });
  await t.step("an upstream that is down", async () => {
    const { result } = connect(tunnel, { "x-hub-upstream": "payments" });
    const { status, message } = await result;
    assert.equal(status, 14);
    assert.match(message, /Cannot reach upstream "payments"/);
  });
});

Deno.test("a cancelled Connect ends the upstream's connection", async () => {
  await using exposed = await exposing("edge-1");
  const { tunnel, upstreams } = exposed;
  await upstreams.connection(); // the tunnel's
  const { call } = connect(tunnel, { "x-hub-upstream": "payments" });
  const socket = await upstreams.connection();
  await once(call, "response");
  call.close(8);
  socket.resume();
  await once(socket, "end");
});

/** HEADERS of a call of Echo/Unary on stream 1: static table and literals, RFC 7541 §6.2.2. */
function headersFrame(): Buffer {
  const literal = (name: string, value: string) =>
    Buffer.concat([
      Buffer.from([0, name.length]),
      Buffer.from(name),
      Buffer.from([value.length]),
      Buffer.from(value),
    ]);
  const block = Buffer.concat([
    Buffer.from([0x83, 0x86]), // :method POST, :scheme http
    literal(":path", "/echo.v1.Echo/Unary"),
    literal(":authority", "raw"),
    literal("content-type", "application/grpc"),
    literal("te", "trailers"),
  ]);
  return Buffer.concat([Buffer.from([0, 0, block.length, 1, 4, 0, 0, 0, 1]), block]);
}

Deno.test("Connect without an upstream reaches the server's own services", async () => {
  await using hub = await TestHub.start();
  using dead = await deadPort();
  await using _server = await start(hub, at(dead.port));
  const tunnel = await tunnelOf(hub, "edge-1");
  for (let i = 0; i < 5; i++) {
    const { send, result } = connect(tunnel);
    const message = frame("echo.v1.Echo", "Unary", { data: Buffer.from("raw") });
    const data = Buffer.concat([Buffer.from([0, 0, message.length, 0, 1, 0, 0, 0, 1]), message]);
    const goaway = Buffer.from("0000080700" + "00".repeat(12), "hex");
    send({ data: Buffer.concat([PREFACE, SETTINGS, headersFrame(), data]) });
    // As clients leave: GOAWAY and the end, while the answer is still on its way.
    send({ data: goaway, fin: true });
    const { status, responses } = await result;
    assert.equal(status, 0);
    assert.equal(responses.at(-1)?.fin, true);
    const answer = dataOf(Buffer.concat(responses.map(({ data }) => data ?? new Uint8Array())));
    const type = root.lookupType("echo.v1.EchoResponse");
    const echoed = decodeMessage<EchoResponse>(type, answer.subarray(5));
    assert.equal(Buffer.from(echoed.data!).toString(), "raw");
  }
});

/** The payload of the DATA frames in HTTP/2 bytes. */
function dataOf(bytes: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let rest = bytes; rest.length >= 9;) {
    const end = 9 + rest.readUIntBE(0, 3);
    if (rest[3] === 0) parts.push(rest.subarray(9, end));
    rest = rest.subarray(end);
  }
  return Buffer.concat(parts);
}
