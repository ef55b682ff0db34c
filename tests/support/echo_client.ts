/**
 * A caller of Echo for tests: promises in front of a grpc-js client.
 *
 * @module
 */
import {
  type ChannelCredentials,
  type ChannelOptions,
  Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientUnaryCall,
  type ClientWritableStream,
  Metadata,
  type MethodDefinition,
} from "@grpc/grpc-js";
import { Buffer } from "node:buffer";
import { HubCredentials } from "../../shared/http2/testing/hub_credentials.ts";
import type {
  echo_v1_EchoRequest as EchoRequest,
  echo_v1_EchoResponse as EchoResponse,
} from "../../shared/gen/types.ts";
import { serviceDefinition } from "../../shared/grpc_js/service_definition.ts";
import type { EchoRecord } from "./echo.ts";
import { PATIENCE_MS, until } from "./until.ts";

const methods = serviceDefinition("echo.v1.Echo") as Record<
  "Unary" | "ServerStream" | "ClientStream" | "Bidi",
  MethodDefinition<EchoRequest, EchoResponse>
>;

/** Metadata of a call, with a list for a name that stands twice. */
export type Headers = Readonly<Record<string, string | Uint8Array | readonly string[]>>;

export interface CallOptions {
  readonly metadata?: Headers;
  /** How long the call may take. @default PATIENCE_MS, so that a lost answer fails a test by name */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** How a call ended, and all that came before. A call never rejects: its status is a fact too. */
export interface Outcome {
  readonly code: number;
  readonly details: string;
  readonly responses: EchoResponse[];
  /** Empty when the answer was trailers only. */
  readonly headers: Metadata;
  readonly trailers: Metadata;
  /** 0 where nothing is wrong. */
  readonly responsesBeforeHeaders: number;
}

/** A call under way. */
export interface Call<C> {
  readonly call: C;
  /** The initial headers; rejects if the answer is trailers only. */
  readonly headers: Promise<Metadata>;
  readonly outcome: Promise<Outcome>;
}

type Reading = ClientReadableStream<EchoResponse> | ClientDuplexStream<EchoRequest, EchoResponse>;

export interface EchoClientOptions {
  /** @default plain TCP. {@linkcode HubCredentials}, since GOAWAY can kill a test (decision 9) */
  readonly credentials?: ChannelCredentials;
  readonly channel?: ChannelOptions;
  /** Sent with each call, beside the call's own. */
  readonly metadata?: Headers;
}

/** A client on a channel of its own. */
export class EchoClient implements Disposable {
  readonly #client: Client;
  readonly #metadata: Headers;

  constructor(address: string, options: EchoClientOptions = {}) {
    this.#metadata = options.metadata ?? {};
    this.#client = new Client(address, options.credentials ?? new HubCredentials({}), {
      "grpc.max_receive_message_length": -1,
      "grpc.use_local_subchannel_pool": 1,
      // A retry would hide a lost call.
      "grpc.enable_retries": 0,
      ...options.channel,
    });
  }

  async unary(request: EchoRequest, options: CallOptions = {}): Promise<Outcome> {
    const { path, requestSerialize, responseDeserialize } = methods.Unary;
    const responses: EchoResponse[] = [];
    const call = this.#client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      ...this.#settings(options),
      (_error, value) => value !== undefined && void responses.push(value),
    );
    return await follow(call, responses, options).outcome;
  }

  clientStream(
    options: CallOptions = {},
  ): Call<ClientWritableStream<EchoRequest>> {
    const { path, requestSerialize, responseDeserialize } = methods.ClientStream;
    const responses: EchoResponse[] = [];
    const call = this.#client.makeClientStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      ...this.#settings(options),
      (_error, value) => value !== undefined && void responses.push(value),
    );
    return follow(call, responses, options);
  }

  /** The responses are read as they come, unless `paused`: then whoever holds `call` reads. */
  serverStream(
    request: EchoRequest,
    options: CallOptions & { readonly paused?: boolean } = {},
  ): Call<ClientReadableStream<EchoResponse>> {
    const { path, requestSerialize, responseDeserialize } = methods.ServerStream;
    const call = this.#client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      ...this.#settings(options),
    );
    return followReading(call, options);
  }

  bidi(
    options: CallOptions & { readonly paused?: boolean } = {},
  ): Call<ClientDuplexStream<EchoRequest, EchoResponse>> {
    const { path, requestSerialize, responseDeserialize } = methods.Bidi;
    const call = this.#client.makeBidiStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      ...this.#settings(options),
    );
    return followReading(call, options);
  }

  /** Calls a method that Echo may not have. */
  async unknown(path: string, options: CallOptions = {}): Promise<Outcome> {
    const bytes = (value: Buffer) => value;
    const call = this.#client.makeUnaryRequest(
      path,
      bytes,
      bytes,
      Buffer.alloc(0),
      ...this.#settings(options),
      () => {},
    );
    return await follow(call, [], options).outcome;
  }

  /** What Echo recorded of the call with this `x-echo-id`, once `ready` says so. */
  async record(id: string, ready: (record: EchoRecord) => boolean): Promise<EchoRecord> {
    return await until(`Echo's record of call "${id}"`, async () => {
      const found = await this.peek(id);
      return found !== null && ready(found) ? found : undefined;
    });
  }

  /** What Echo recorded until now; `null` if it never saw the call. */
  async peek(id: string): Promise<EchoRecord | null> {
    const { code, details, responses } = await this.unary({}, {
      metadata: { "x-echo-report": id },
    });
    if (code !== 0) throw new Error(`Cannot ask Echo for a record: ${code} ${details}`);
    return JSON.parse(new TextDecoder().decode(responses[0]?.data));
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }

  #settings(
    { metadata = {}, timeoutMs = PATIENCE_MS }: CallOptions,
  ): [Metadata, { deadline: number }] {
    return [toMetadata({ ...this.#metadata, ...metadata }), { deadline: Date.now() + timeoutMs }];
  }
}

/** Follows a call to its end; `responses` fills meanwhile. */
function follow<C extends ClientUnaryCall>(
  call: C,
  responses: EchoResponse[],
  { signal }: CallOptions,
): Call<C> {
  const first = Promise.withResolvers<Metadata>();
  first.promise.catch(() => {}); // Not everybody asks for headers.
  const last = Promise.withResolvers<Outcome>();
  let headers = new Metadata();
  let responsesBeforeHeaders = 0;
  call.on("metadata", (metadata) => {
    responsesBeforeHeaders = responses.length;
    first.resolve(headers = metadata);
  });
  call.on("error", () => {}); // Its status says the same.
  call.on("status", ({ code, details, metadata: trailers }) => {
    first.reject(new Error(`Call ended without headers: ${code} ${details}`));
    last.resolve({ code, details, responses, headers, trailers, responsesBeforeHeaders });
  });
  if (signal?.aborted) call.cancel();
  signal?.addEventListener("abort", () => call.cancel(), { once: true });
  return { call, headers: first.promise, outcome: last.promise };
}

/** Follows a call with a stream of responses. Its outcome waits for the last of them. */
function followReading<C extends Reading>(
  call: C,
  options: CallOptions & { readonly paused?: boolean },
): Call<C> {
  const responses: EchoResponse[] = [];
  const followed = follow(call, responses, options);
  if (options.paused) {
    // A grpc-js call that nobody has ever read from takes in all that comes, without bound.
    call.read(0);
    return followed;
  }
  call.on("data", (response: EchoResponse) => responses.push(response));
  const ended = new Promise((resolve) => call.once("end", resolve));
  return { ...followed, outcome: followed.outcome.then((outcome) => ended.then(() => outcome)) };
}

/** grpc-js metadata of plain headers. */
export function toMetadata(headers: Headers): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      metadata.add(name, typeof one === "string" ? one : Buffer.from(one));
    }
  }
  return metadata;
}
