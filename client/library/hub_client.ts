/**
 * Calls through a hub, from a program.
 *
 *     HubClient ─▶ one connection, dialled with the first call and again after each loss ─▶ hub ─▶ servers
 *
 * Guarantees:
 * - A call that fails says where, and whether it may have been carried out ({@linkcode CallError}).
 * - A call is made once, but for one case: a hub that goes away has sent it back unread, and its request
 *   is still there. Then it is made once more, on a new connection.
 * - Nothing is left of a call that has ended, and nothing of a client that is disposed.
 *
 * @module
 */
import { deadline, TimeoutError } from "../../shared/async/deadline.ts";
import { parseHostPort } from "../../shared/cli/parse_host_port.ts";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import type { Channel } from "../../shared/grpc_client/channel.ts";
import { USUAL_ADDRESS } from "../../shared/registration/usual_address.ts";
import { parseProxy } from "../../shared/net/proxy.ts";
import { VERSION } from "../../shared/version.ts";
import { type Call, startCall } from "../call/call.ts";
import type { Way } from "../call/delivery.ts";
import type { CallRoute } from "../call/route.ts";
import { asciiHost } from "../connect/ascii_host.ts";
import { dial } from "../connect/dial.ts";
import { toCallError } from "./call_error.ts";
import { type GivenMetadata, type HubMetadata, toCallMetadata, toHubMetadata } from "./metadata.ts";
import { type HubMethod, type JsonMessage, toCalled } from "./method.ts";

/** Options of {@linkcode HubClient}. */
export interface HubClientOptions {
  /** The hub's call port, `host:port`. */
  readonly address: string;
  /** Speaks TLS. @default false: plain text, which a token must not travel in */
  readonly tls?: boolean | HubClientTls;
  /**
   * What says who calls. A function is asked for each call, so that a token that expires can be renewed.
   *
   * @default none
   */
  readonly token?: string | (() => string | Promise<string>);
  /**
   * The proxy that leads to the hub: `http://`, `https://`, `socks5://` or `socks5h://`.
   *
   * @default none; the environment is not asked
   */
  readonly proxy?: string;
  /** Time to connect, in milliseconds. @default 5000 */
  readonly connectTimeoutMs?: number;
  /** Asks a hub that is silent for this long for a sign of life, in milliseconds. @default 30000 */
  readonly keepaliveMs?: number;
  /** The longest message that is accepted, in bytes. @default 64 MiB */
  readonly maxMessageBytes?: number;
  /** What the program calls itself to the hub. @default ghub-client and its version */
  readonly userAgent?: string;
}

/** How a client speaks TLS. All texts are PEM. */
export interface HubClientTls {
  /** Authorities to trust. @default the system's */
  readonly ca?: string;
  /** The client's own certificate. @default none */
  readonly cert?: string;
  /** The private key of `cert`. */
  readonly key?: string;
  /** What the hub's certificate must be for. @default the host of the address */
  readonly serverName?: string;
  /** Takes any certificate: whoever is on the way can read and change everything. @default false */
  readonly insecureSkipVerify?: boolean;
}

/** Options of one call. */
export interface HubCallOptions {
  /** The server to call, `edge-1` or `edge-1/payments`. @default the hub itself, or its only server */
  readonly server?: string;
  /** Time for the whole call, in milliseconds; sent along as its deadline. @default no limit */
  readonly timeoutMs?: number;
  /** Sent along. @default none */
  readonly metadata?: GivenMetadata;
  /** Lets the hub wait this long for a server that is away, in milliseconds. @default 0 */
  readonly waitForServerMs?: number;
  /** Cancels the call. @default never */
  readonly signal?: AbortSignal;
}

/** One response, and what came with it. */
export interface HubReply<Res> {
  /** The response. */
  readonly response: Res;
  /** What came before it. */
  readonly headers: HubMetadata;
  /** What came after it. */
  readonly trailers: HubMetadata;
}

/**
 * Responses, as they come. To leave the loop cancels the call. It can be read once.
 *
 * The loop throws {@linkcode CallError} after the last response, if the call failed.
 */
export interface HubReplies<Res> extends AsyncIterable<Res> {
  /** What came before the first response; empty until then. */
  readonly headers: HubMetadata;
  /** What came after the last one; empty until then. */
  readonly trailers: HubMetadata;
}

/** Requests of a call, as they come. */
export type HubRequests<Req> = Iterable<Req> | AsyncIterable<Req>;

const DEFAULTS = {
  connectTimeoutMs: 5_000,
  keepaliveMs: 30_000,
  userAgent: `ghub-client/${VERSION}`,
};

/** Makes calls through a hub. Disposing ends those in flight. */
export class HubClient implements AsyncDisposable {
  readonly #options: HubClientOptions & typeof DEFAULTS;
  readonly #address: ReturnType<typeof parseHostPort>;
  readonly #tls: CallRoute["tls"];
  readonly #proxy: URL | undefined;
  readonly #closing = new AbortController();
  /** Also those that the hub has left, as long as calls go on there. */
  readonly #channels = new Set<Channel>();
  #latest: Promise<Channel> | undefined;

  /**
   * Does not connect yet: the first call does.
   *
   * @throws {Error} If an option cannot be used.
   */
  constructor(options: HubClientOptions) {
    const { host, port } = parseHostPort(options.address, {
      usualPort: USUAL_ADDRESS.callPort,
    });
    this.#options = { ...DEFAULTS, ...options };
    this.#address = { host: asciiHost(host), port };
    this.#tls = tlsSettings(this.#address.host, options.tls);
    this.#proxy = options.proxy === undefined ? undefined : parseProxy(options.proxy, "proxy");
  }

  /**
   * One request, one response.
   *
   * @throws {CallError} If the call fails.
   * @throws The signal's reason, when that fires.
   */
  async unary<Req, Res>(
    method: HubMethod<Req, Res>,
    request: Req,
    options: HubCallOptions = {},
  ): Promise<HubReply<Res>> {
    return await oneReply(this.#call(method, [request], options));
  }

  /** One request, many responses. */
  serverStream<Req, Res>(
    method: HubMethod<Req, Res>,
    request: Req,
    options: HubCallOptions = {},
  ): HubReplies<Res> {
    return this.#call(method, [request], options);
  }

  /**
   * Many requests, one response.
   *
   * @throws {CallError} If the call fails.
   * @throws What the requests throw; then the server gets no answer to send, for the call is cancelled.
   */
  async clientStream<Req, Res>(
    method: HubMethod<Req, Res>,
    requests: HubRequests<Req>,
    options: HubCallOptions = {},
  ): Promise<HubReply<Res>> {
    return await oneReply(this.#call(method, requests, options));
  }

  /** Many requests, many responses. The next request is asked for when the server has room for it. */
  bidi<Req, Res>(
    method: HubMethod<Req, Res>,
    requests: HubRequests<Req>,
    options: HubCallOptions = {},
  ): HubReplies<Res> {
    return this.#call(method, requests, options);
  }

  /**
   * A method by its name, without generated code: the server is asked for its description, by gRPC's
   * reflection. Requests and responses are objects of protobuf's JSON mapping then, as gclient takes
   * and prints them: enums are names, 64-bit integers are strings, bytes are base64, a `Duration` is
   * `"3.5s"`. A request with a field that its type does not have is refused.
   *
   * @param name `package.Service/Method`
   * @throws {CallError} If asking fails.
   * @throws {Error} If the server has no such method.
   */
  async method(
    name: string,
    { server, timeoutMs = Infinity, signal }: Pick<
      HubCallOptions,
      "server" | "timeoutMs" | "signal"
    > = {},
  ): Promise<HubMethod<JsonMessage, JsonMessage>> {
    const { Catalog } = await import("../call/catalog.ts");
    const { Reflection } = await import("../call/reflection.ts");
    const { ReflectionError } = await import("../call/reflection_errors.ts");
    const { describedMethod } = await import("./described_method.ts");
    const route: CallRoute = {
      address: this.#address,
      tls: this.#tls,
      proxy: this.#proxy,
      server,
      token: await this.#token(),
      raw: false,
      waitForServerMs: 0,
      headers: [],
      connectTimeoutMs: this.#options.connectTimeoutMs,
      signal: this.#until(signal),
      trace: undefined,
    };
    try {
      const reflection = new Reflection(route, Date.now() + timeoutMs);
      const catalog = new Catalog({
        files: undefined,
        reflection: () => Promise.resolve(reflection),
      });
      return describedMethod(await catalog.method(name));
    } catch (error) {
      if (!(error instanceof ReflectionError)) throw error;
      throw toCallError(error.failure.error, error.failure, undefined);
    }
  }

  /** Ends all calls and closes. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new Error("The client was disposed"));
    // A dial under way ends by the signal.
    await this.#latest?.catch(() => {});
    await Promise.all([...this.#channels].map((channel) => channel[Symbol.asyncDispose]()));
  }

  #call<Req, Res>(
    method: HubMethod<Req, Res>,
    requests: HubRequests<Req>,
    options: HubCallOptions,
  ): HubReplies<Res> {
    let call: Call<Res> | undefined;
    const started = (made: Call<Res>) => call = made;
    const responses = this.#responses(method, requests, { ...options, started });
    return {
      [Symbol.asyncIterator]: () => responses,
      get headers() {
        return toHubMetadata(call?.headers);
      },
      get trailers() {
        return toHubMetadata(call?.trailers);
      },
    };
  }

  async *#responses<Req, Res>(
    method: HubMethod<Req, Res>,
    requests: HubRequests<Req>,
    { timeoutMs = Infinity, started, ...options }: HubCallOptions & {
      readonly started: (call: Call<Res>) => void;
    },
  ): AsyncGenerator<Res, void, undefined> {
    const startMs = performance.now();
    const signal = this.#until(options.signal);
    for (let tries = 1;; tries++) {
      const leftMs = timeoutMs - (performance.now() - startMs);
      const channel = await this.#channel(leftMs, signal);
      const call = startCall<Res>(channel, {
        method: toCalled(method),
        requests: encoded(method, requests),
        metadata: await this.#metadata(options),
        timeoutMs: timeoutMs - (performance.now() - startMs),
        signal,
      });
      started(call);
      let count = 0;
      try {
        for await (const response of call.responses) {
          count++;
          yield response;
        }
        return;
      } catch (error) {
        if (signal.aborted || !(error instanceof RpcError)) throw error;
        const way: Way = { connected: true, refused: call.refused };
        const isLeft = call.refused && !channel.takesCalls && error.code === Status.UNAVAILABLE;
        if (isLeft && tries === 1 && count === 0 && Array.isArray(requests)) continue;
        throw toCallError(error, way, call.trailers);
      }
    }
  }

  async #metadata(
    { server, metadata: given = {}, waitForServerMs = 0 }: HubCallOptions,
  ): Promise<ReturnType<typeof toCallMetadata>> {
    const metadata = toCallMetadata(given);
    const token = await this.#token();
    if (server !== undefined) metadata.add("x-hub-server", server);
    if (token !== undefined) metadata.add("authorization", `Bearer ${token}`);
    if (waitForServerMs > 0) metadata.add("x-hub-wait", `${Math.ceil(waitForServerMs)}ms`);
    return metadata;
  }

  async #token(): Promise<string | undefined> {
    const { token } = this.#options;
    return typeof token === "function" ? await token() : token;
  }

  /** Fires with the caller's signal, and when the client is disposed. */
  #until(signal: AbortSignal | undefined): AbortSignal {
    return signal === undefined
      ? this.#closing.signal
      : AbortSignal.any([signal, this.#closing.signal]);
  }

  /** The connection for a new call. */
  async #channel(timeoutMs: number, signal: AbortSignal): Promise<Channel> {
    signal.throwIfAborted();
    try {
      return await deadline(this.#connected(), timeoutMs, { signal });
    } catch (error) {
      if (signal.aborted) throw error;
      const failed = error instanceof TimeoutError ? noTime(this.#options.address) : error;
      if (!(failed instanceof RpcError)) throw failed;
      throw toCallError(failed, { connected: false }, undefined);
    }
  }

  /** All calls that come while it is dialled share it. One that was just dialled is given as it is. */
  async #connected(): Promise<Channel> {
    const latest = this.#latest;
    if (latest !== undefined) {
      const channel = await latest;
      if (channel.takesCalls) return channel;
      // The hub has left it, or it is lost: whoever comes first dials another one.
      if (this.#latest !== latest) return await this.#connected();
    }
    return await (this.#latest = this.#dial());
  }

  async #dial(): Promise<Channel> {
    const { connectTimeoutMs: timeoutMs, keepaliveMs, userAgent, maxMessageBytes } = this.#options;
    try {
      const channel = await dial(this.#address, {
        tls: this.#tls,
        proxy: this.#proxy,
        timeoutMs,
        signal: this.#closing.signal,
        keepaliveMs,
        userAgent,
        ...(maxMessageBytes !== undefined && { maxMessageBytes }),
      });
      this.#channels.add(channel);
      void channel.closed.then(() => this.#channels.delete(channel));
      return channel;
    } catch (error) {
      this.#latest = undefined;
      throw error;
    }
  }
}

function noTime(address: string): RpcError {
  const message = `Cannot connect to ${address}: the time for the whole call was over before`;
  return new RpcError(Status.DEADLINE_EXCEEDED, message);
}

function tlsSettings(host: string, tls: HubClientOptions["tls"] = false): CallRoute["tls"] {
  if (tls === false) return undefined;
  const { serverName = host, insecureSkipVerify = false, ca, cert, key } = tls === true ? {} : tls;
  return { serverName: asciiHost(serverName), skipVerify: insecureSkipVerify, ca, cert, key };
}

async function oneReply<Res>(replies: HubReplies<Res>): Promise<HubReply<Res>> {
  // The call has checked that there is one, and no second.
  const [response] = await Array.fromAsync(replies);
  return { response: response as Res, headers: replies.headers, trailers: replies.trailers };
}

/** Requests as bytes, one after the other as the call asks for them. */
function encoded<Req>(
  method: HubMethod<Req, unknown>,
  requests: HubRequests<Req>,
): Iterable<Uint8Array> | AsyncIterable<Uint8Array> {
  if (Array.isArray(requests)) return requests.map((request) => method.requestSerialize(request));
  return (async function* () {
    for await (const request of requests) yield method.requestSerialize(request);
  })();
}
