/**
 * Raw connections between a real socket of a caller and a server in memory.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { ghub_v1_Chunk as Chunk } from "../../shared/gen/types.ts";
import { MessageReader, prefixMessage } from "../../shared/grpc/message_prefix.ts";
import { root } from "../../shared/grpc/root.ts";
import type { RpcError } from "../../shared/grpc/rpc_error.ts";
import { decodeMessage, encodeMessage } from "../../shared/grpc/service.ts";
import { Status } from "../../shared/grpc/status.ts";
import { release } from "../../shared/bytes/out_buffer.ts";
import { Connection, type ConnectionEvents } from "../../shared/http2/connection.ts";
import { ErrorCode } from "../../shared/http2/frames.ts";
import { encodeHeaderList } from "../../shared/http2/hpack/encoder.ts";
import { Recorder } from "../../shared/http2/testing/recorder.ts";
import { RawConnection } from "./raw_connection.ts";
import { ResetPacer } from "../peer/reset_pacer.ts";
import { ReceiveBudget } from "../peer/receive_budget.ts";
import type { CallTarget } from "../peer/call_target.ts";

const CHUNK = root.lookupType("ghub.v1.Chunk");

/** A tunnel to a server that a test plays: bytes move by themselves, turn by turn. */
class TunnelInMemory implements ConnectionEvents {
  readonly server = new Recorder({ role: "server" });
  readonly far = new Connection(this, { role: "client" });
  readonly upstream: CallTarget & { lost: string | undefined } = {
    name: "edge-1",
    hop: "server",
    side: new ReceiveBudget(this.far),
    resets: new ResetPacer(this.far),
    lost: undefined,
    callsTotal: 0,
  };
  /** What came up, as chunks. */
  readonly chunks: Chunk[] = [];
  readonly #reader = new MessageReader(1 << 20);
  #moving = false;
  #seen = 0;

  constructor() {
    this.server.onOutput = () => this.#wake();
    this.far.start();
    this.server.connection.start();
  }

  get stream() {
    return this.server.streams.get(1)!;
  }

  /** Bytes that came up. */
  get up(): string {
    return Buffer.concat(this.chunks.map(({ data }) => data ?? new Uint8Array())).toString(
      "latin1",
    );
  }

  accept(): void {
    this.server.connection.headers(this.stream, encodeHeaderList([[":status", "200"]]), false);
  }

  send(chunk: Chunk): void {
    this.server.connection.data(this.stream, prefixMessage(encodeMessage(CHUNK, chunk)), false);
  }

  end(status: number): void {
    this.server.connection.headers(
      this.stream,
      encodeHeaderList([["grpc-status", String(status)]]),
      true,
    );
  }

  onOutput(): void {
    this.#wake();
  }
  onRequest(): never {
    throw new Error("A server opened a stream");
  }
  onGoaway(): void {}
  onPong(): void {}
  onError(error: Error): never {
    throw error;
  }
  onFault(error: unknown): never {
    throw error;
  }

  #wake(): void {
    if (this.#moving) return;
    this.#moving = true;
    queueMicrotask(() => {
      this.#moving = false;
      for (
        const [from, to] of [[this.far, this.server.connection], [
          this.server.connection,
          this.far,
        ]] as const
      ) {
        for (const view of from.take()) {
          to.receive(view);
          release(view);
        }
      }
      this.#read();
    });
  }

  #read(): void {
    const { log } = this.server;
    for (; this.#seen < log.length; this.#seen++) {
      const [, content] = /^data 1 ("(?:[^"\\]|\\.)*")/.exec(log[this.#seen]!) ?? [];
      if (content === undefined) continue;
      for (const message of this.#reader.push(Buffer.from(JSON.parse(content), "latin1"))) {
        this.chunks.push(decodeMessage<Chunk>(CHUNK, message));
      }
    }
  }
}

/** Both ends of a real connection. */
async function sockets(): Promise<[ours: Deno.TcpConn, theirs: Deno.TcpConn]> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepted = listener.accept();
  const theirs = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  const ours = await accepted;
  listener.close();
  return [ours, theirs];
}

/** Waits for a fact. */
async function until(fact: () => boolean): Promise<void> {
  while (!fact()) await new Promise((done) => setTimeout(done, 1));
}

async function readAll(conn: Deno.Conn): Promise<string> {
  const parts: Uint8Array[] = [];
  const buffer = new Uint8Array(65_536);
  for (let n = await conn.read(buffer); n !== null; n = await conn.read(buffer)) {
    parts.push(buffer.slice(0, n));
  }
  return Buffer.concat(parts).toString("latin1");
}

async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}

const OLGA = { name: "olga", how: "token" } as const;
const text = (value: string) => new TextEncoder().encode(value);
const patient = () => new AbortController().signal;

/** A raw connection that its server has accepted, joined with a socket. */
async function joined(first = "") {
  const tunnel = new TunnelInMemory();
  const raw = new RawConnection(tunnel.upstream, { expose: "", operator: OLGA });
  const open = raw.open(patient());
  await until(() => tunnel.server.streams.size === 1);
  tunnel.accept();
  await open;
  const [ours, theirs] = await sockets();
  return { tunnel, raw, theirs, result: raw.join(ours, text(first)) };
}

Deno.test("RawConnection asks the server for a connection", async () => {
  const tunnel = new TunnelInMemory();
  using raw = new RawConnection(tunnel.upstream, { expose: "payments", operator: OLGA });
  const open = raw.open(patient());
  await until(() => tunnel.server.streams.size === 1);
  const [line] = tunnel.server.log;
  for (
    const part of [
      ":path=/ghub.v1.Tunnel/Connect",
      "x-hub-operator=olga",
      "x-hub-upstream=payments",
    ]
  ) {
    assert.ok(line!.includes(part), part);
  }
  assert.equal(tunnel.upstream.callsTotal, 1);
  tunnel.accept();
  await open;
});

Deno.test("RawConnection keeps half-close, whoever begins", async (t) => {
  await t.step("the caller", async () => {
    const { tunnel, theirs, result } = await joined("first ");
    await writeAll(theirs, text("question"));
    await theirs.closeWrite();
    await until(() => tunnel.chunks.some(({ fin }) => fin));
    assert.equal(tunnel.up, "first question");
    tunnel.send({ data: text("answer ") });
    tunnel.send({ data: text("in two") });
    tunnel.send({ fin: true });
    tunnel.end(Status.OK);
    assert.equal(await readAll(theirs), "answer in two");
    theirs.close();
    assert.deepEqual(await result, { bytesUp: 14, bytesDown: 13, status: Status.OK, reason: "" });
    assert.equal(tunnel.far.streamCount, 0);
  });
  await t.step("the server", async () => {
    const { tunnel, theirs, result } = await joined();
    tunnel.send({ data: text("all I say"), fin: true });
    assert.equal(await readAll(theirs), "all I say");
    await writeAll(theirs, text("still heard"));
    await until(() => tunnel.up === "still heard");
    await theirs.closeWrite();
    await until(() => tunnel.chunks.some(({ fin }) => fin));
    tunnel.end(Status.OK);
    assert.equal((await result).status, Status.OK);
    theirs.close();
  });
});

Deno.test("RawConnection carries megabytes both ways at once, and no end waits for the other", async () => {
  const { tunnel, theirs, result } = await joined();
  const bytes = Buffer.alloc(3_000_000, "0123456789");
  const up = writeAll(theirs, bytes).then(() => theirs.closeWrite());
  for (let at = 0; at < bytes.length; at += 60_000) {
    tunnel.send({ data: bytes.subarray(at, at + 60_000) });
  }
  tunnel.send({ fin: true });
  assert.equal(await readAll(theirs), bytes.toString());
  await up;
  await until(() => tunnel.chunks.some(({ fin }) => fin));
  assert.equal(tunnel.up, bytes.toString());
  tunnel.end(Status.OK);
  const { bytesUp, bytesDown } = await result;
  assert.deepEqual([bytesUp, bytesDown], [bytes.length, bytes.length]);
  theirs.close();
});

Deno.test("RawConnection holds a server whose caller does not read", async () => {
  const { tunnel, theirs, result } = await joined();
  // More than both sockets' buffers and the window take.
  const piece = new Uint8Array(60_000);
  for (let i = 0; i < 400; i++) tunnel.send({ data: piece });
  await until(() => tunnel.stream.sendWindow === 0 && tunnel.server.connection.outputBytes === 0);
  assert.ok(tunnel.stream.queuedBytes > 0, "the rest waits at the server");
  const all = readAll(theirs);
  await until(() => tunnel.stream.queuedBytes === 0);
  tunnel.end(Status.OK);
  assert.equal((await all).length, 400 * piece.length);
  await result;
  theirs.close();
});

Deno.test("RawConnection takes thousands of tiny chunks", async () => {
  const { tunnel, theirs, result } = await joined();
  for (let i = 0; i < 20_000; i++) tunnel.send({ data: text(String(i % 10)) });
  tunnel.end(Status.OK);
  assert.equal(await readAll(theirs), "0123456789".repeat(2000));
  await result;
  theirs.close();
});

Deno.test("RawConnection ends", async (t) => {
  await t.step("when the caller is gone: the server hears a reset", async () => {
    const { tunnel, theirs, result } = await joined();
    theirs.close();
    await until(() => tunnel.chunks.some(({ fin }) => fin));
    tunnel.server.connection.reset(tunnel.stream, ErrorCode.CANCEL);
    assert.notEqual((await result).status, Status.OK);
    assert.equal(tunnel.far.streamCount, 0);
  });
  await t.step("when the server resets", async () => {
    const { tunnel, theirs, result } = await joined();
    tunnel.send({ data: text("some") });
    tunnel.server.connection.reset(tunnel.stream, ErrorCode.INTERNAL_ERROR);
    assert.equal(await readAll(theirs), "some");
    const { status, reason } = await result;
    assert.equal(status, Status.INTERNAL);
    assert.match(reason, /INTERNAL_ERROR/);
    theirs.close();
  });
  await t.step("when the tunnel is lost", async () => {
    const { tunnel, theirs, result } = await joined();
    tunnel.upstream.lost = "cable cut";
    tunnel.far.abort(ErrorCode.INTERNAL_ERROR);
    const { status, reason } = await result;
    assert.equal(status, Status.UNAVAILABLE);
    assert.match(reason, /cable cut/);
    theirs.close();
  });
  await t.step("when the server sends what are no chunks", async () => {
    const { tunnel, theirs, result } = await joined();
    tunnel.server.connection.data(tunnel.stream, Uint8Array.of(0, 0, 0, 0, 2, 0xff, 0xff), false);
    assert.equal((await result).status, Status.INTERNAL);
    theirs.close();
  });
  await t.step("when the server sends a chunk that is too large", async () => {
    const { tunnel, theirs, result } = await joined();
    tunnel.server.connection.data(tunnel.stream, Uint8Array.of(0, 0xff, 0, 0, 0), false);
    assert.equal((await result).status, Status.INTERNAL);
    theirs.close();
  });
  await t.step("when it is disposed before it was joined", async () => {
    const tunnel = new TunnelInMemory();
    {
      using raw = new RawConnection(tunnel.upstream, { expose: "", operator: OLGA });
      const open = raw.open(patient());
      await until(() => tunnel.server.streams.size === 1);
      tunnel.accept();
      tunnel.send({ data: text("early") });
      await open;
    }
    await until(() => tunnel.stream.closed);
    assert.equal(tunnel.far.streamCount, 0);
  });
});

Deno.test("RawConnection.open() fails", async (t) => {
  const opening = async () => {
    const tunnel = new TunnelInMemory();
    const raw = new RawConnection(tunnel.upstream, { expose: "", operator: OLGA });
    const stop = new AbortController();
    const error = raw.open(stop.signal).then(
      () => assert.fail("It is open"),
      (error: RpcError) => (raw[Symbol.dispose](), error),
    );
    await until(() => tunnel.server.streams.size === 1);
    return { tunnel, stop, error };
  };
  await t.step("when the server knows no raw mode", async () => {
    const { tunnel, error } = await opening();
    tunnel.server.connection.headers(
      tunnel.stream,
      encodeHeaderList([[":status", "200"], ["grpc-status", "12"]]),
      true,
    );
    assert.equal((await error).code, Status.FAILED_PRECONDITION);
  });
  await t.step("when it resets", async () => {
    const { tunnel, error } = await opening();
    tunnel.server.connection.reset(tunnel.stream, ErrorCode.REFUSED_STREAM);
    assert.equal((await error).code, Status.UNAVAILABLE);
  });
  await t.step("when it says nothing in time", async () => {
    const { tunnel, stop, error } = await opening();
    stop.abort();
    assert.equal((await error).code, Status.DEADLINE_EXCEEDED);
    assert.equal(tunnel.far.streamCount, 0);
  });
  await t.step("when the time was over before it began", async () => {
    const tunnel = new TunnelInMemory();
    using raw = new RawConnection(tunnel.upstream, { expose: "", operator: OLGA });
    await assert.rejects(raw.open(AbortSignal.abort()), { code: Status.DEADLINE_EXCEEDED });
  });
});
