/**
 * Peers that dial a running hub over real sockets, and speak HTTP/2 as a test tells them. For tests.
 *
 * @module
 */
import { once } from "node:events";
import net from "node:net";
import { WebSocket } from "ws";
import type { ConnectionOptions } from "../../shared/http2/connection.ts";
import { encodeHeaderList } from "../../shared/http2/hpack/encoder.ts";
import { Recorder } from "../../shared/http2/testing/recorder.ts";

const UNIMPLEMENTED = encodeHeaderList([[":status", "200"], ["grpc-status", "12"]]);

/** A recorder whose bytes travel: it hears and answers as soon as it can. */
export class Dialled implements AsyncDisposable {
  readonly recorder: Recorder;
  /** Resolves when the hub has closed. */
  readonly ended: Promise<void>;
  readonly #send: (bytes: Uint8Array) => void;
  readonly #close: () => void;
  #wake: () => void = () => {};

  constructor(role: ConnectionOptions["role"], wire: {
    readonly ended: Promise<void>;
    onBytes(listener: (bytes: Uint8Array) => void): void;
    send(bytes: Uint8Array): void;
    close(): void;
  }) {
    this.recorder = new Recorder({ role });
    this.ended = wire.ended;
    this.#send = (bytes) => wire.send(bytes);
    this.#close = () => wire.close();
    this.recorder.connection.start();
    wire.onBytes((bytes) => {
      this.recorder.connection.receive(bytes);
      this.flush();
      this.#wake();
    });
    this.flush();
  }

  flush(): void {
    const bytes = this.recorder.take();
    if (bytes.length > 0) this.#send(bytes);
  }

  /** Resolves with the line of the log that matches. */
  async heard(pattern: RegExp): Promise<string> {
    for (;;) {
      const line = this.recorder.log.find((line) => pattern.test(line));
      if (line !== undefined) return line;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#close();
    await this.ended;
  }
}

/** A server that dials in. It knows nothing of hubs: Welcome is answered with UNIMPLEMENTED. */
export async function dialTunnel(
  address: string,
  name: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Dialled> {
  const socket = new WebSocket(address, {
    headers: { "X-Hub-Meta-Name": name, ...headers },
    perMessageDeflate: false,
  });
  const early: Uint8Array[] = [];
  let listen: (bytes: Uint8Array) => void = (bytes) => early.push(bytes);
  socket.on("message", (bytes: Uint8Array) => listen(new Uint8Array(bytes)));
  socket.on("error", () => {});
  const ended = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  await once(socket, "open");
  const server = new Dialled("server", {
    ended,
    onBytes(listener) {
      listen = listener;
      // When all is set up: a Welcome that came with the upgrade's answer must be answered too.
      queueMicrotask(() => early.splice(0).forEach((bytes) => listener(bytes)));
    },
    send: (bytes) => socket.send(bytes),
    close: () => socket.terminate(),
  });
  const { recorder } = server;
  recorder.onEvent = (stream, event) => {
    if (event === "request" && recorder.log.at(-1)!.includes("Tunnel/Welcome")) {
      recorder.connection.headers(stream, UNIMPLEMENTED, true);
    }
  };
  return server;
}

/** A TCP connection to the hub, whatever is said on it. */
export async function dialTcp(address: string): Promise<net.Socket> {
  const { hostname, port } = new URL(address.includes("://") ? address : `http://${address}`);
  const socket = net.connect({ host: hostname, port: Number(port), allowHalfOpen: false });
  socket.on("error", () => {});
  await once(socket, "connect");
  return socket;
}

/** An operator's client. */
export async function dialCalls(address: string): Promise<Dialled> {
  const socket = await dialTcp(address);
  return new Dialled("client", {
    ended: new Promise((resolve) => socket.once("close", () => resolve())),
    onBytes: (listener) =>
      socket.on("data", (bytes: Uint8Array) => listener(new Uint8Array(bytes))),
    send: (bytes) => void socket.write(bytes),
    close: () => socket.destroy(),
  });
}
