/**
 * Dials a hub as a server does, with a WebSocket that does only what a tunnel needs: every byte
 * is copied by nobody and masked once, so that the far end is not the narrow place.
 *
 * @module
 */
import { WebSocketFrameReader } from "../../shared/websocket/frames.ts";
import { unmask } from "../../shared/websocket/unmask.ts";
import { release } from "../../shared/bytes/out_buffer.ts";
import { dial } from "./dial.ts";
import type { Wire } from "./wire.ts";

/** So often is a hub asked again that says it has too much to do. */
const MAX_TRIES = 100;
const READ_BYTES = 256 * 1024;
/** FIN and binary (RFC 6455 §5.2). */
const BINARY = 0x82;
const PING = 0x89;
const PONG = 0x8a;
const MASKED = 0x80;
/** Payload of one frame: with it the header (2 bytes, 2 of length, 4 of key) fits any headroom. */
const MAX_PAYLOAD = 0xffff;
/** The longest header that is written here. */
const HEADER_BYTES = 8;
const NO_BYTES = new Uint8Array();

/** Opens a tunnel for a server of this name at a `ws://` or `wss://` URI. */
export async function dialTunnel(uri: string, name: string): Promise<Wire> {
  for (let tries = 1;; tries++) {
    const answer = await openTunnel(uri, name);
    if ("wire" in answer) return answer.wire;
    const { head } = answer;
    const status = Number(head.split(" ", 2)[1]);
    if (tries === MAX_TRIES || (status !== 429 && status !== 503)) {
      throw new Error(`Cannot open tunnel "${name}": ${uri} answers ${head}`);
    }
    const retryAfterS = Number(/^retry-after: *(\d+)/im.exec(head)?.[1] ?? 1);
    await new Promise((resolve) => setTimeout(resolve, retryAfterS * 1000));
  }
}

/**
 * One try: a wire, or the head of the answer that refused it.
 *
 * @param more Further lines of the request's head.
 */
export async function openTunnel(
  uri: string,
  name: string,
  more: readonly string[] = [],
): Promise<{ readonly wire: Wire } | { readonly head: string }> {
  const { protocol, hostname, port, host, pathname } = new URL(uri);
  const alpn = protocol === "wss:" ? "http/1.1" : undefined;
  const connection = await dial({ hostname, port: Number(port), alpn });
  const request = [
    `GET ${pathname} HTTP/1.1`,
    `Host: ${host}`,
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    `Sec-WebSocket-Key: ${
      btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(16))))
    }`,
    "Sec-WebSocket-Protocol: ghub.h2.v1",
    `X-Hub-Meta-Name: ${name}`,
    `X-Hub-Meta-Instance: ${crypto.randomUUID()}`,
    ...more,
  ];
  await connection.write(new TextEncoder().encode(request.join("\r\n") + "\r\n\r\n"));
  let bytes = new Uint8Array();
  const buffer = new Uint8Array(4096);
  while (true) {
    const n = await connection.read(buffer);
    const text = String.fromCharCode(...bytes, ...buffer.subarray(0, n ?? 0));
    const end = text.indexOf("\r\n\r\n") + 4;
    bytes = Uint8Array.from(text, (char) => char.charCodeAt(0));
    if (end < 4 && n !== null) continue;
    if (text.startsWith("HTTP/1.1 101 ")) {
      return { wire: webSocketWire(connection, bytes.subarray(end)) };
    }
    connection.close();
    return { head: text };
  }
}

function webSocketWire(connection: Deno.Conn, early: Uint8Array): Wire {
  let closed = false;
  const controls: Uint8Array[] = [];
  let writing: Promise<void> = Promise.resolve();

  const writeAll = async (bytes: Uint8Array) => {
    for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
  };
  /** One write at a time: a pong must not fall into the middle of a frame. */
  const inTurn = (write: () => Promise<void>): Promise<void> => {
    writing = writing.then(write);
    return writing;
  };
  const control = (opcode: number, bytes: Uint8Array) => {
    controls.push(Uint8Array.of(opcode, MASKED | bytes.length, 0, 0, 0, 0, ...bytes));
    inTurn(async () => {
      for (const frame of controls.splice(0)) await writeAll(frame);
    }).catch(() => {}); // The read sees the same end.
  };

  return {
    async run(onBytes) {
      const reader = new WebSocketFrameReader({
        payload: onBytes,
        ping(bytes) {
          control(PONG, bytes);
        },
        pong() {},
        close() {
          closed = true;
          connection.close();
        },
      }, { requireMask: false });
      const buffer = new Uint8Array(READ_BYTES);
      try {
        reader.receive(early);
        while (!closed) {
          const n = await connection.read(buffer);
          if (n === null) return;
          reader.receive(buffer.subarray(0, n));
        }
      } catch (error) {
        if (!closed) throw error;
      }
    },
    write(views) {
      return inTurn(async () => {
        for (const view of views) {
          for (let at = 0; at < view.length; at += MAX_PAYLOAD) {
            await writeAll(seal(view, at, Math.min(view.length, at + MAX_PAYLOAD)));
          }
          release(view);
        }
      });
    },
    ping() {
      control(PING, NO_BYTES);
    },
    close() {
      if (closed) return;
      closed = true;
      connection.close();
    },
  };
}

/**
 * A frame around `view[start, end)`. Its header goes into the bytes before `start`: the headroom,
 * or what has left already.
 */
function seal(view: Uint8Array, start: number, end: number): Uint8Array {
  const length = end - start;
  const headerBytes = length < 126 ? 6 : HEADER_BYTES;
  const frame = new Uint8Array(
    view.buffer,
    view.byteOffset + start - headerBytes,
    headerBytes + length,
  );
  frame[0] = BINARY;
  if (length < 126) frame[1] = MASKED | length;
  else {
    frame[1] = MASKED | 126;
    frame[2] = length >>> 8;
    frame[3] = length;
  }
  const key = Math.random() * 2 ** 32 | 0;
  for (let i = 0; i < 4; i++) frame[headerBytes - 4 + i] = key >>> 8 * i;
  unmask(frame, headerBytes, frame.length, key, 0);
  return frame;
}
