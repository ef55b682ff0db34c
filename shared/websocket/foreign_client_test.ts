/**
 * Frames and upgrade against a foreign WebSocket client (npm:ws) over a real socket.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { once } from "node:events";
import { WebSocket } from "./ws.ts";
import { CloseCode } from "./close_codes.ts";
import {
  closeFrame,
  controlFrame,
  HEADROOM,
  Opcode,
  sealFrame,
  WebSocketFrameReader,
} from "./frames.ts";
import {
  checkUpgrade,
  errorResponse,
  HttpError,
  readRequestHead,
  SUBPROTOCOL,
  upgradeResponse,
} from "./upgrade.ts";
import { WebSocketError } from "./web_socket_error.ts";

async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}

/** Accepts one connection, upgrades it, sends every payload byte back, and says how it closed. */
async function echoOnce(listener: Deno.Listener): Promise<string> {
  using conn = await listener.accept();
  const chunks: Uint8Array[] = [];
  let read: ReturnType<typeof readRequestHead>;
  const buffer = new Uint8Array(16 * 1024);
  while (read === undefined) {
    const n = await conn.read(buffer);
    if (n === null) return "gone during the upgrade";
    chunks.push(buffer.slice(0, n));
    try {
      read = readRequestHead(new Uint8Array(Buffer.concat(chunks)));
      if (read !== undefined) await writeAll(conn, upgradeResponse(checkUpgrade(read.head)));
    } catch (error) {
      assert.ok(error instanceof HttpError);
      await writeAll(conn, errorResponse(error));
      return error.code;
    }
  }
  const out: Uint8Array[] = [];
  let closed: string | undefined;
  const reader = new WebSocketFrameReader({
    payload(bytes) {
      const copy = new Uint8Array(HEADROOM + bytes.length);
      copy.set(bytes, HEADROOM);
      out.push(sealFrame(copy, HEADROOM, copy.length));
    },
    ping: (bytes) => out.push(controlFrame(Opcode.PONG, bytes)),
    pong: (bytes) => closed = `pong ${Buffer.from(bytes)}`,
    close: (code, reason) => {
      closed = `${code} ${reason}`;
      out.push(closeFrame(code, reason));
    },
  }, { requireMask: true });
  for (let bytes = read.rest;;) {
    try {
      reader.receive(bytes);
    } catch (error) {
      assert.ok(error instanceof WebSocketError);
      closed = `${error.closeCode}`;
      out.push(closeFrame(error.closeCode, error.message));
    }
    for (const frame of out.splice(0)) await writeAll(conn, frame);
    if (closed !== undefined) return closed;
    const n = await conn.read(buffer);
    if (n === null) return "gone";
    bytes = buffer.subarray(0, n);
  }
}

function dial(listener: Deno.TcpListener, protocol = SUBPROTOCOL): WebSocket {
  return new WebSocket(`ws://127.0.0.1:${listener.addr.port}/ws`, protocol, {
    perMessageDeflate: false,
  });
}

Deno.test("a foreign client gets its bytes back through FrameReader and sealFrame()", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const echo = echoOnce(listener);
  const socket = dial(listener);
  await once(socket, "open");
  assert.equal(socket.protocol, SUBPROTOCOL);

  const sizes = [0, 1, 125, 126, 65_535, 65_536];
  const sent = sizes.map((size) => Buffer.from(crypto.getRandomValues(new Uint8Array(size))));
  const total = sent.reduce((sum, { length }) => sum + length, 0);
  const received: Uint8Array[] = [];
  const complete = new Promise<void>((resolve) => {
    socket.on("message", (data, isBinary) => {
      assert.ok(isBinary);
      received.push(data as Buffer);
      if (Buffer.concat(received).length === total) resolve();
    });
  });
  const pong = once(socket, "pong");
  for (const message of sent) {
    // In two fragments, with a ping in between.
    socket.send(message.subarray(0, message.length >> 1), { fin: false });
    socket.ping("are you there");
    socket.send(message.subarray(message.length >> 1), { fin: true });
  }
  assert.equal(String((await pong)[0]), "are you there");
  await complete;
  assert.deepEqual(Buffer.concat(received), Buffer.concat(sent));

  const closed = once(socket, "close");
  socket.close(1000, "done");
  assert.equal(await echo, "1000 done");
  const [code, reason] = await closed;
  assert.equal(`${code} ${reason}`, "1000 done");
});

Deno.test("a foreign client understands why it is closed", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const echo = echoOnce(listener);
  const socket = dial(listener);
  await once(socket, "open");
  const closed = once(socket, "close");
  socket.send("text");
  assert.equal(await echo, "1003");
  const [code, reason] = await closed;
  assert.equal(code, CloseCode.UNSUPPORTED_DATA);
  assert.match(String(reason), /^Text messages/);
});

Deno.test("a foreign client can read why it is refused", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const echo = echoOnce(listener);
  const socket = dial(listener, "mqtt");
  const [, response] = await once(socket, "unexpected-response");
  assert.equal(response.statusCode, 400);
  const body = await new Response(response).text();
  assert.equal(JSON.parse(body).code, "SUBPROTOCOL");
  assert.equal(await echo, "SUBPROTOCOL");
});
