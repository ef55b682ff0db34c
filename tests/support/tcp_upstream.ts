/**
 * Something to expose that is no gRPC server: each connection goes to a handler as raw bytes.
 *
 * The hub itself greets every upstream with HTTP/2; those connections get an empty HTTP/2 server,
 * so that the upstream's tunnel stays open.
 *
 * @module
 */
import { once } from "node:events";
import http2 from "node:http2";
import net from "node:net";
import { drop } from "./path.ts";

export type Handler = (socket: net.Socket) => void;

/** Bytes that tell HTTP/2 from all that tests send. */
const HTTP2 = "PRI ";

export class TcpUpstream implements AsyncDisposable {
  readonly address: string;
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();

  private constructor(server: net.Server, sockets: Set<net.Socket>) {
    this.#server = server;
    this.#sockets = sockets;
    this.address = `127.0.0.1:${(server.address() as net.AddressInfo).port}`;
  }

  static async listen(handler: Handler): Promise<TcpUpstream> {
    const greeter = http2.createServer();
    const sockets = new Set<net.Socket>();
    const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
      socket.on("error", () => {}); // It closes; the test looks at the other end.
      socket.once("readable", () => {
        const first = socket.read() as Uint8Array | null;
        if (first !== null) socket.unshift(first);
        const text = new TextDecoder().decode(first?.subarray(0, HTTP2.length) ?? undefined);
        if (text === HTTP2) greeter.emit("connection", socket);
        else handler(socket);
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new TcpUpstream(server, sockets);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    await Promise.all([closed, ...[...this.#sockets].map(drop)]);
  }
}

/** Sends back what comes, and the end with it. */
export function echoBytes(socket: net.Socket): void {
  socket.pipe(socket);
}
