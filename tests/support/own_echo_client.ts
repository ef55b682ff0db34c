/**
 * A caller of Echo by the client of this project, in the shape of {@linkcode EchoClient}, so that one
 * suite judges both.
 *
 * @module
 */
import { Metadata } from "@grpc/grpc-js";
import { Buffer } from "node:buffer";
import { EventEmitter } from "node:events";
import type {
  echo_v1_EchoRequest as EchoRequest,
  echo_v1_EchoResponse as EchoResponse,
} from "../../shared/gen/types.ts";
import { root } from "../../shared/grpc/root.ts";
import { decodeMessage, encodeMessage } from "../../shared/grpc/service.ts";
import { denoStream } from "../../shared/grpc_client/byte_stream.ts";
import { Channel } from "../../shared/grpc_client/channel.ts";
import type { ClientCall, ClientCallOptions } from "../../shared/grpc_client/client_call.ts";
import { CallMetadata } from "../../shared/grpc/call_metadata.ts";
import type { EchoRecord } from "./echo.ts";
import { FOREIGN_AGENT, FOREIGN_MANY, type ForeignCaller } from "./foreign_caller.ts";
import type { CallOptions, EchoClient, Headers, Outcome } from "./echo_client.ts";
import type { Path } from "./path.ts";
import { PATIENCE_MS, until } from "./until.ts";

const REQUEST = root.lookupType("echo.v1.EchoRequest");
const RESPONSE = root.lookupType("echo.v1.EchoResponse");

const USER_AGENT = "own-client/1";
/** As grpc-js numbers it. */
const GZIP = 2;

type Options = CallOptions & { readonly paused?: boolean };

/** What the suite uses of a call of grpc-js. */
class OwnCall extends EventEmitter {
  readonly #call: StartedCall;
  readonly #responses: EchoResponse[];
  #sending: Promise<void> = Promise.resolve();

  constructor(call: StartedCall, responses: EchoResponse[]) {
    super();
    this.#call = call;
    this.#responses = responses;
  }

  write(request: EchoRequest, done: (error?: Error) => void = () => {}): boolean {
    this.#sending = this.#sending.then(() => this.#call.send(encodeMessage(REQUEST, request)));
    this.#sending.then(() => done(this.#call.isOver ? new Error("The call is over") : undefined));
    return true;
  }

  end(): void {
    this.#sending = this.#sending.then(() => this.#call.endSending());
  }

  cancel(): void {
    this.#call.cancel();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<EchoResponse> {
    for await (const bytes of this.#call.messages()) {
      const response = decodeMessage<EchoResponse>(RESPONSE, bytes);
      this.#responses.push(response);
      this.emit("data", response);
      yield response;
    }
  }
}

/** What makes calls: a {@linkcode Channel}, or what looks like one. */
type Caller = AsyncDisposable & { call(options: ClientCallOptions): StartedCall };

type StartedCall = Pick<
  ClientCall,
  "send" | "endSending" | "cancel" | "isOver" | "messages" | "headers" | "trailers" | "ended"
>;

class OwnEchoClient implements Disposable {
  readonly #channel: Promise<Caller>;
  readonly #metadata: Headers;

  constructor(channel: Promise<Caller>, metadata: Headers) {
    this.#metadata = metadata;
    this.#channel = channel;
  }

  async unary(request: EchoRequest, options: CallOptions = {}): Promise<Outcome> {
    return await this.#one("Unary", request, options).outcome;
  }

  serverStream(request: EchoRequest, options: Options = {}) {
    return this.#one("ServerStream", request, options);
  }

  clientStream(options: CallOptions = {}) {
    return this.#start("/echo.v1.Echo/ClientStream", options);
  }

  bidi(options: Options = {}) {
    return this.#start("/echo.v1.Echo/Bidi", options);
  }

  async unknown(path: string, options: CallOptions = {}): Promise<Outcome> {
    const { call, outcome } = this.#start(path, options);
    call.end();
    return await outcome;
  }

  async record(id: string, ready: (record: EchoRecord) => boolean): Promise<EchoRecord> {
    return await until(`Echo's record of call "${id}"`, async () => {
      const found = await this.peek(id);
      return found !== null && ready(found) ? found : undefined;
    });
  }

  async peek(id: string): Promise<EchoRecord | null> {
    const { responses } = await this.unary({}, { metadata: { "x-echo-report": id } });
    return JSON.parse(new TextDecoder().decode(responses[0]?.data));
  }

  [Symbol.dispose](): void {
    this.#channel.then((channel) => channel[Symbol.asyncDispose]());
  }

  #one(method: string, request: EchoRequest, options: Options) {
    const started = this.#start(`/echo.v1.Echo/${method}`, options);
    started.call.write(request);
    started.call.end();
    return started;
  }

  #start(path: string, { metadata = {}, timeoutMs = PATIENCE_MS, signal, paused }: Options) {
    const responses: EchoResponse[] = [];
    const opened = this.#channel.then((channel) =>
      channel.call({
        path,
        timeoutMs,
        metadata: toCallMetadata({ ...this.#metadata, ...metadata }),
        ...(signal && { signal }),
      })
    );
    const call = new OwnCall(deferred(opened), responses);
    const read = paused ? Promise.resolve() : drain(call);
    const headers = opened.then(async (call) => {
      await until("headers", () => call.headers !== undefined || call.isOver);
      if (call.headers === undefined) throw new Error("Call ended without headers");
      return toMetadata(call.headers);
    });
    headers.catch(() => {}); // Not everybody asks for headers.
    const outcome = opened.then(async (call): Promise<Outcome> => {
      const { error } = await call.ended;
      await read;
      return {
        code: error?.code ?? 0,
        details: error?.message ?? "",
        responses,
        headers: toMetadata(call.headers),
        trailers: toMetadata(call.trailers),
        responsesBeforeHeaders: 0,
      };
    });
    return { call, headers, outcome };
  }
}

async function open(address: string): Promise<Channel> {
  const { hostname, port } = new URL(`tcp://${address}`);
  const connection = await Deno.connect({ hostname, port: Number(port) });
  connection.setNoDelay(true);
  return new Channel(denoStream(connection), { authority: address, userAgent: USER_AGENT });
}

async function drain(call: OwnCall): Promise<void> {
  for await (const _ of call);
}

/** A call that is made when the channel is there: methods wait for it. */
function deferred(opened: Promise<StartedCall>): StartedCall {
  let isOver = false;
  opened.then((call) => call.ended.then(() => isOver = true));
  return {
    send: async (bytes: Uint8Array) => await (await opened).send(bytes),
    endSending: async () => await (await opened).endSending(),
    cancel: () => void opened.then((call) => call.cancel()),
    get isOver() {
      return isOver;
    },
    async *messages() {
      yield* (await opened).messages();
    },
  } as unknown as StartedCall;
}

function toCallMetadata(headers: Headers): CallMetadata {
  const metadata = new CallMetadata();
  for (const [name, value] of Object.entries(headers)) {
    for (const one of Array.isArray(value) ? value : [value]) metadata.add(name, one);
  }
  return metadata;
}

function toMetadata(from: CallMetadata | undefined): Metadata {
  const metadata = new Metadata();
  for (const key of from?.keys() ?? []) {
    for (const value of from!.get(key)) {
      metadata.add(key, typeof value === "string" ? value : Buffer.from(value));
    }
  }
  return metadata;
}

/** The same way, walked by the client of this project. */
export function ownPath(path: Path, address: string): Path {
  return {
    ...path,
    name: `${path.name}, own client`,
    userAgent: new RegExp(`^${USER_AGENT}$`),
    // Only grpc-js is told how to compress; ours sends as it is, and takes both.
    client: () => new OwnEchoClient(open(address), path.metadata) as unknown as EchoClient,
  };
}

/** The same way, walked by a client of others. */
export function foreignPath(path: Path, caller: ForeignCaller): Path {
  return {
    ...path,
    name: `${path.name}, ${caller.name} client`,
    userAgent: FOREIGN_AGENT,
    many: FOREIGN_MANY,
    client: (options) => {
      const gzip = options?.["grpc.default_compression_algorithm"] === GZIP;
      const channel = Promise.resolve(caller.channel({ gzip }));
      return new OwnEchoClient(channel, path.metadata) as unknown as EchoClient;
    },
  };
}
