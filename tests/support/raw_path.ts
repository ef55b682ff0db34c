/**
 * The two ways to a server that carry bytes end to end: the JSON handshake and HTTP CONNECT.
 *
 * @module
 */
import { once } from "node:events";
import net from "node:net";
import { type DialOptions, dialTcp, drop, type Path } from "./path.ts";
import { EchoClient } from "./echo_client.ts";
import { within } from "./until.ts";

/** The hub's answer to a handshake. */
export interface HandshakeAnswer {
  readonly ok: boolean;
  readonly server?: string;
  readonly tunnel?: string;
  readonly code?: string;
  readonly message?: string;
  readonly servers?: readonly string[];
}

/** Reads one line; what follows it stays in the socket. */
export async function readLine(socket: net.Socket, max = 64 * 1024): Promise<string> {
  let line = "";
  while (true) {
    const byte = socket.read(1) as Uint8Array | null;
    if (byte === null) {
      if (socket.readableEnded || socket.destroyed) return line;
      await within("a line", Promise.race([once(socket, "readable"), once(socket, "end")]));
      continue;
    }
    if (byte[0] === 10) return line;
    line += String.fromCharCode(byte[0]!);
    if (line.length > max) throw new Error(`Read ${max} bytes without an end of line`);
  }
}

/** Dials the call port and shakes hands by JSON. */
export async function shakeHands(
  address: string,
  request: object,
  options: DialOptions = {},
): Promise<{ socket: net.Socket; answer: HandshakeAnswer }> {
  const socket = await dialTcp(address, options);
  socket.write(JSON.stringify({ version: 1, ...request }) + "\n");
  return { socket, answer: JSON.parse(await readLine(socket)) };
}

/** Dials the call port and shakes hands by CONNECT. */
export async function connectTo(
  address: string,
  target: string,
  headers: Readonly<Record<string, string>> = {},
  options: DialOptions = {},
): Promise<{ socket: net.Socket; status: number; head: string }> {
  const socket = await dialTcp(address, options);
  const fields = Object.entries({ host: target, ...headers }).map(([k, v]) => `${k}: ${v}\r\n`);
  socket.write(`CONNECT ${target} HTTP/1.1\r\n${fields.join("")}\r\n`);
  let head = "";
  for (let line = ""; (line = await readLine(socket)) !== "\r" && line !== "";) head += line + "\n";
  return { socket, status: Number(head.split(" ")[1]), head };
}

/**
 * A path by JSON handshake. grpc-js takes no ready-made connection, so that its clients go
 * through a small listener of this path.
 */
export async function handshakePath(
  address: string,
  server: string,
  token?: string,
): Promise<Path & AsyncDisposable> {
  const dial = async () => {
    const request = token === undefined ? { server } : { server, token };
    const { socket, answer } = await shakeHands(address, request);
    if (!answer.ok) throw new Error(`Cannot shake hands: ${answer.code} ${answer.message}`);
    return socket;
  };
  const door = await openDoor(dial);
  return {
    name: `raw to ${server} by JSON handshake`,
    metadata: {},
    dial,
    client: (channel = {}) => new EchoClient(door.address, { channel }),
    [Symbol.asyncDispose]: () => door[Symbol.asyncDispose](),
  };
}

/** A path by HTTP CONNECT, as grpc-js takes it with `http_proxy` in its environment. */
export function connectPath(address: string, server: string): Path {
  const target = `${server}:443`;
  return {
    name: `raw to ${server} by CONNECT`,
    metadata: {},
    dial: async () => {
      const { socket, status, head } = await connectTo(address, target);
      if (status !== 200) throw new Error(`Cannot CONNECT to ${target}: ${head}`);
      return socket;
    },
    client: (channel = {}) =>
      new EchoClient(address, {
        channel: { ...channel, "grpc.http_connect_target": `dns:${target}` },
      }),
  };
}

/** A listener that carries each connection over one that `dial` opens. */
async function openDoor(
  dial: () => Promise<net.Socket>,
): Promise<{ address: string } & AsyncDisposable> {
  const sockets = new Set<net.Socket>();
  const keep = (socket: net.Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", () => {}); // It closes, and so does the other one.
  };
  const server = net.createServer({ noDelay: true, allowHalfOpen: true }, async (inner) => {
    keep(inner);
    try {
      const outer = await dial();
      keep(outer);
      inner.pipe(outer).pipe(inner);
      inner.once("close", () => outer.destroy());
      outer.once("close", () => inner.destroy());
    } catch {
      inner.destroy();
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  return {
    address: `127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      await Promise.all([closed, ...[...sockets].map(drop)]);
    },
  };
}
