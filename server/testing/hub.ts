/**
 * A hub's end of tunnels for tests, from foreign parts: npm:ws and node:http2.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { once } from "node:events";
import http, { type IncomingMessage } from "node:http";
import http2 from "node:http2";
import https from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { CloseCode } from "../../shared/websocket/close_codes.ts";
import { type WebSocket, WebSocketServer } from "../../shared/websocket/ws.ts";
import { root } from "../../shared/grpc/root.ts";
import { decodeMessage, encodeMessage } from "../../shared/grpc/service.ts";
import { FrameType } from "../../shared/http2/frames.ts";
import { goawayFrame, Http2Scan } from "../../shared/http2/scan/http2_scan.ts";
import { WebSocketStream } from "../tunnel/web_socket_stream.ts";

export interface TestHubOptions {
  /** Stand in its 101, beside those of the WebSocket. */
  readonly headers?: (request: IncomingMessage) => Readonly<Record<string, string>>;
  /** Serves wss. */
  readonly tls?: https.ServerOptions;
  /** Answers an upgrade in place of the hub, and returns `true`, to refuse it. */
  readonly refuse?: (request: IncomingMessage, socket: Duplex) => boolean;
}

/** Listens on a free port of 127.0.0.1. */
export class TestHub implements AsyncDisposable {
  readonly #server: http.Server;
  readonly #sockets = new Set<Socket>();
  readonly #accepted: HubTunnel[] = [];
  readonly #awaited: ((tunnel: HubTunnel) => void)[] = [];
  readonly #tls: boolean;
  /** Upgrade requests so far, also refused ones. */
  readonly requests: IncomingMessage[] = [];

  private constructor({ tls, refuse = () => false, headers = () => ({}) }: TestHubOptions) {
    this.#tls = tls !== undefined;
    this.#server = tls === undefined ? http.createServer() : https.createServer(tls);
    const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
    sockets.on("headers", (lines: string[], request: IncomingMessage) => {
      for (const [name, value] of Object.entries(headers(request))) lines.push(`${name}: ${value}`);
    });
    this.#server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.once("close", () => this.#sockets.delete(socket));
    });
    this.#server.on("upgrade", (request: IncomingMessage, socket: Socket, head: Buffer) => {
      this.requests.push(request);
      if (refuse(request, socket)) return;
      sockets.handleUpgrade(request, socket, head, (webSocket: WebSocket) => {
        const tunnel = new HubTunnel(webSocket, request);
        const awaited = this.#awaited.shift();
        if (awaited === undefined) this.#accepted.push(tunnel);
        else awaited(tunnel);
      });
    });
  }

  static async start(options: TestHubOptions = {}): Promise<TestHub> {
    const hub = new TestHub(options);
    hub.#server.listen(0, "127.0.0.1");
    await once(hub.#server, "listening");
    return hub;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** What to dial. */
  get uri(): URL {
    return new URL(`${this.#tls ? "wss" : "ws"}://127.0.0.1:${this.port}/ws`);
  }

  /** Resolves with the next tunnel that no one has taken yet. */
  tunnel(): Promise<HubTunnel> {
    const tunnel = this.#accepted.shift();
    if (tunnel !== undefined) return Promise.resolve(tunnel);
    return new Promise((resolve) => this.#awaited.push(resolve));
  }

  /** Cuts every connection, without a word. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.cut();
    await closed;
  }
}

/** What a call gave back. */
export interface CallResult<T> {
  /** gRPC status, or `undefined` if none came. */
  readonly status: number | undefined;
  readonly message: string;
  readonly responses: T[];
}

/** One tunnel, seen from the hub. HTTP/2 begins with the first call. */
export class HubTunnel {
  readonly socket: WebSocket;
  readonly request: IncomingMessage;
  /** Resolves when the server said GOAWAY. */
  readonly goaway: Promise<void>;
  /** Resolves with code and reason when the WebSocket has closed. */
  readonly closed: Promise<readonly [code: number, reason: string]>;
  readonly stream: WebSocketStream;
  #session: http2.ClientHttp2Session | undefined;

  constructor(socket: WebSocket, request: IncomingMessage) {
    this.socket = socket;
    this.request = request;
    request.socket.setNoDelay(true);
    const goaway = Promise.withResolvers<void>();
    this.goaway = goaway.promise;
    this.closed = new Promise((resolve) => {
      socket.once("close", (code: number, reason: Buffer) => resolve([code, String(reason)]));
    });
    this.stream = new WebSocketStream(socket, {
      inbound: new Http2Scan({
        fromClient: false,
        // What comes from an upstream need not be HTTP/2 here.
        dropGoaway: !String(request.headers["x-hub-meta-name"]).includes("/"),
        onFrame: ({ type }) => {
          if (type === FrameType.GOAWAY) goaway.resolve();
        },
      }),
    });
    this.stream.on("error", () => {});
  }

  /** The HTTP/2 connection in it. */
  get session(): http2.ClientHttp2Session {
    return this.#session ??= this.#connect();
  }

  #connect(): http2.ClientHttp2Session {
    const session = http2.connect("http://tunnel", {
      createConnection: () => this.stream,
    } as http2.ClientSessionOptions);
    session.on("error", () => {});
    this.stream.once("close", () => session.destroy());
    return session;
  }

  /** Opens a call of that path; the caller writes and ends it. */
  open(path: string, headers: Record<string, string> = {}): http2.ClientHttp2Stream {
    const stream = this.session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
      ...headers,
    });
    stream.on("error", () => {});
    return stream;
  }

  /** One call with one request. */
  async call<T>(
    service: string,
    method: string,
    request: object,
    headers: Record<string, string> = {},
  ): Promise<CallResult<T>> {
    const stream = this.open(`/${service}/${method}`, headers);
    stream.end(frame(service, method, request));
    return await resultOf<T>(stream, service, method);
  }

  /** Says that no more calls will come; the session here does not know of it. */
  sayGoaway(): void {
    this.stream.write(goawayFrame());
  }

  close(code: number = CloseCode.GOING_AWAY, reason = ""): void {
    this.socket.close(code, reason);
  }
}

function typesOf(service: string, method: string) {
  const found = root.lookupService(service).methods[method]!;
  found.resolve();
  return { request: found.resolvedRequestType!, response: found.resolvedResponseType! };
}

/** A request with its gRPC prefix. */
export function frame(service: string, method: string, request: object): Buffer {
  const bytes = encodeMessage(typesOf(service, method).request, request);
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([prefix, bytes]);
}

/** Reads a call to its end. */
export async function resultOf<T>(
  stream: http2.ClientHttp2Stream,
  service: string,
  method: string,
): Promise<CallResult<T>> {
  let end: http2.IncomingHttpHeaders = {};
  stream.on("response", (headers) => {
    if (headers["grpc-status"] !== undefined) end = headers;
  });
  stream.on("trailers", (headers) => end = headers);
  const chunks: Uint8Array[] = [];
  stream.on("data", (chunk: Uint8Array) => chunks.push(chunk));
  await new Promise((resolve) => stream.once("close", resolve));
  const responses: T[] = [];
  for (let rest = Buffer.concat(chunks); rest.length >= 5;) {
    const length = rest.readUInt32BE(1);
    responses.push(decodeMessage(typesOf(service, method).response, rest.subarray(5, 5 + length)));
    rest = rest.subarray(5 + length);
  }
  const status = end["grpc-status"];
  return {
    status: status === undefined ? undefined : Number(status),
    message: decodeURIComponent(String(end["grpc-message"] ?? "")),
    responses,
  };
}
