/**
 * A server that takes every call and remembers which ones came: whoever was not seen by any witness
 * did not get through the hub.
 *
 * @module
 */
import { once } from "node:events";
import http2 from "node:http2";
import type { Duplex } from "node:stream";
import { createWebSocketStream, WebSocket } from "../../shared/websocket/ws.ts";
import { within } from "./until.ts";

/** What a witness saw of a call. */
export interface Sighting {
  readonly server: string;
  readonly path: string;
  readonly headers: http2.IncomingHttpHeaders;
}

export interface WitnessOptions {
  readonly uri: string;
  readonly name: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly seen: Pick<Sighting[], "push">;
  /** Further options of the WebSocket client, such as `cert` and `key`. */
  readonly tls?: object;
}

/** A refused registration, as the hub told it. */
export class RefusedError extends Error {
  readonly status: number;
  readonly body: { readonly code: string; readonly message: string };

  constructor(status: number, body: RefusedError["body"]) {
    super(`${status} ${body.code}: ${body.message}`);
    this.status = status;
    this.body = body;
  }
}

/** Whether this is the hub's own greeting, which is no call of anybody. */
export function isGreeting(headers: http2.IncomingHttpHeaders): boolean {
  return headers[":path"] === "/ghub.v1.Tunnel/Welcome" && !("x-hub-operator" in headers);
}

/** Takes every call, and answers OK without a message. */
export function witnessServer(name: string, seen: WitnessOptions["seen"]): http2.Http2Server {
  const server = http2.createServer();
  server.on("sessionError", () => {});
  server.on("stream", (stream, headers) => {
    const call = stream as http2.ServerHttp2Stream;
    const path = String(headers[":path"]);
    if (!isGreeting(headers)) seen.push({ server: name, path, headers });
    call.on("error", () => {});
    if (path === "/ghub.v1.Tunnel/Connect") {
      // The raw connection stands, and says no more.
      call.respond({ ":status": 200, "content-type": "application/grpc" });
      return;
    }
    const open = String(headers["x-hold"] ?? "") !== "";
    call.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
    call.on("wantTrailers", () => call.sendTrailers({ "grpc-status": "0" }));
    if (!open) call.end();
  });
  return server;
}

/** A server of its own name, in this very process. */
export class Witness implements AsyncDisposable {
  readonly name: string;
  /** How its tunnel ended. */
  readonly closed: Promise<{ code: number; reason: string }>;
  readonly #socket: WebSocket;
  readonly #stream: Duplex;

  private constructor(name: string, socket: WebSocket, stream: Duplex) {
    this.name = name;
    this.#socket = socket;
    this.#stream = stream;
    this.closed = new Promise((resolve) =>
      socket.once("close", (code, reason) => resolve({ code, reason: String(reason) }))
    );
  }

  /** @throws {RefusedError} If the hub does not let it register. */
  static async start(
    { uri, name, headers = {}, seen, tls = {} }: WitnessOptions,
  ): Promise<Witness> {
    const socket = new WebSocket(uri, {
      headers: { "x-hub-meta-name": name, ...headers },
      perMessageDeflate: false,
      ...tls,
    });
    const refused = new Promise<RefusedError>((resolve) =>
      socket.once("unexpected-response", async (_request, response) => {
        let body = "";
        for await (const chunk of response) body += chunk;
        resolve(new RefusedError(response.statusCode ?? 0, JSON.parse(body)));
      })
    );
    const stream = createWebSocketStream(socket);
    stream.on("error", () => {}); // The tunnel closes, and that is seen.
    socket.on("error", () => {});
    const server = witnessServer(name, seen);
    server.emit("connection", stream);
    const witness = new Witness(name, socket, stream);
    const opened = once(socket, "open").then(() => undefined);
    opened.catch(() => {});
    const failed = await within(`server "${name}"`, Promise.race([opened, refused]));
    if (failed !== undefined) {
      await witness[Symbol.asyncDispose]();
      throw failed;
    }
    return witness;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#socket.readyState !== WebSocket.CLOSED) this.#socket.terminate();
    this.#stream.destroy();
    await within(`the end of "${this.name}"`, this.closed);
  }
}
