/**
 * What tests of dialling share: a peer that does what a test says, a proxy, and a dial to them.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { once } from "node:events";
import net, { type AddressInfo } from "node:net";
import { dial, type DialOptions, type OpenSocket } from "../dial/dial.ts";
import { DialError } from "../dial/dial_error.ts";
import { TestHub, type TestHubOptions } from "./hub.ts";

export const registration = {
  name: "edge-1",
  labels: {},
  instance: crypto.randomUUID(),
  version: "1",
};

/** A TCP server that does what a test says, and its connections. */
export class Peer implements AsyncDisposable {
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();
  /** Resolves when the first connection has closed. */
  readonly gone: Promise<void>;

  private constructor(onConnection: (socket: net.Socket) => void) {
    const gone = Promise.withResolvers<void>();
    this.gone = gone.promise;
    this.#server = net.createServer((socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.once("close", () => gone.resolve());
      onConnection(socket);
    });
  }

  static async start(onConnection: (socket: net.Socket) => void): Promise<Peer> {
    const peer = new Peer(onConnection);
    peer.#server.listen(0, "127.0.0.1");
    await once(peer.#server, "listening");
    return peer;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

/** Dials, and closes what was opened. */
export async function tryDial(hubUri: URL, options: Partial<DialOptions> = {}): Promise<string> {
  return await dial({ hubUri, registration, ...options }, close);
}

function close({ socket }: OpenSocket): string {
  socket.terminate();
  return "open";
}

/** How a dial fails. */
export async function failure(hubUri: URL, options: Partial<DialOptions> = {}): Promise<DialError> {
  try {
    await tryDial(hubUri, options);
  } catch (error) {
    assert.ok(error instanceof DialError, String(error));
    return error;
  }
  throw new assert.AssertionError({ message: "The dial did not fail" });
}

/** A real HTTP proxy: CONNECT, with or without a password. */
export async function startProxy(user?: string): Promise<Peer & { readonly seen: string[] }> {
  const seen: string[] = [];
  const peer = await Peer.start((socket) => {
    socket.once("data", (data) => {
      const head = String(data);
      seen.push(head);
      const wanted = user && `Proxy-Authorization: Basic ${Buffer.from(user).toString("base64")}`;
      if (wanted && !head.includes(wanted)) {
        return socket.end("HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n");
      }
      const [, host = "", port = ""] = /^CONNECT (\S+):(\d+) HTTP/.exec(head) ?? [];
      const far = net.connect(Number(port), host, () => {
        socket.write("HTTP/1.1 200 OK\r\n\r\n");
        far.pipe(socket).pipe(far);
      });
      far.on("error", () => socket.destroy());
      far.on("close", () => socket.destroy());
      socket.on("close", () => far.destroy());
    });
  });
  return Object.assign(peer, { seen });
}

/** Runs with a hub of foreign parts. */
export async function withHub(
  options: TestHubOptions,
  run: (hub: TestHub) => Promise<void>,
): Promise<void> {
  await using hub = await TestHub.start(options);
  await run(hub);
}
