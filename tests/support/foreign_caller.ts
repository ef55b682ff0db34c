/**
 * A gRPC client of others in another process, steered call by call: so one suite judges it as well.
 *
 * Orders go there and events come back as JSON, one a line. All texts of gRPC are base64, since not all
 * are UTF-8.
 *
 *     {"do":"start","call":1,"channel":1,"path":"/echo.v1.Echo/Bidi","metadata":[],"timeoutMs":1000}
 *     {"do":"send","call":1,"bytes":"…"}    {"is":"sent","call":1}, when there is room for the next
 *     {"do":"end","call":1}                 {"is":"sent","call":1}
 *     {"do":"read","call":1}                {"is":"message","call":1,"bytes":"…"}
 *     {"do":"cancel","call":1}              {"is":"headers","call":1,"metadata":[]}
 *     {"do":"close","channel":1}            {"is":"ended","call":1,"code":0,"message":"","metadata":[]}
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { CallMetadata } from "../../shared/grpc/call_metadata.ts";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import type { StatusCode } from "../../shared/grpc/status.ts";
import type { CallEnd, ClientCallOptions } from "../../shared/grpc_client/client_call.ts";
import type { ForeignStack, Started } from "./foreign_programs.ts";

/** What a client calls itself here. */
export const FOREIGN_AGENT = /^foreign\b/;

/** Many messages, of which each is an order of its own. */
export const FOREIGN_MANY = 1_000;
/** Answers that are asked for ahead, so that not each waits for an order of its own. */
const READ_AHEAD = 8;

type Pairs = readonly (readonly [name: string, value: string])[];

interface Event {
  readonly is: "sent" | "headers" | "message" | "ended";
  readonly call: number;
  readonly bytes?: string;
  readonly metadata?: Pairs;
  readonly code?: number;
  readonly message?: string;
}

/** A process with a client of others in it, for any number of channels. */
export class ForeignCaller implements AsyncDisposable {
  readonly name: string;
  readonly #process: Started;
  readonly #socket: Deno.TcpConn;
  readonly #reading: Promise<void>;
  readonly #calls = new Map<number, ForeignCall>();
  #writing: Promise<void> = Promise.resolve();
  #channels = 0;
  #started = 0;

  private constructor(name: string, process: Started, socket: Deno.TcpConn) {
    this.name = name;
    this.#process = process;
    this.#socket = socket;
    this.#reading = this.#read();
  }

  /** Starts a client that calls `address`. */
  static async start(
    stack: ForeignStack,
    address: string,
    env: Readonly<Record<string, string>> = {},
  ): Promise<ForeignCaller> {
    const process = await stack.call(address, env);
    const { hostname, port } = new URL(`tcp://${process.address}`);
    const socket = await Deno.connect({ hostname, port: Number(port) });
    socket.setNoDelay(true);
    return new ForeignCaller(stack.name, process, socket);
  }

  /** A channel, with a connection of its own. */
  channel({ gzip = false } = {}): ForeignChannel {
    const channel = ++this.#channels;
    return {
      call: (options) => this.#start(channel, options, gzip),
      [Symbol.asyncDispose]: () => this.#order({ do: "close", channel }),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing;
    this.#socket.close();
    await this.#reading;
    await this.#process[Symbol.asyncDispose]();
  }

  #start(channel: number, options: ClientCallOptions, gzip: boolean): ForeignCall {
    const { path, metadata, timeoutMs, signal } = options;
    const number = ++this.#started;
    const call = new ForeignCall((order) => this.#order({ call: number, ...order }));
    this.#calls.set(number, call);
    call.ended.then(() => this.#calls.delete(number));
    const start = { do: "start", call: number, channel, path, timeoutMs, gzip };
    this.#order({ ...start, metadata: toPairs(metadata) });
    if (signal?.aborted) call.cancel();
    signal?.addEventListener("abort", () => call.cancel(), { once: true });
    return call;
  }

  #order(order: object): Promise<void> {
    let bytes = new TextEncoder().encode(`${JSON.stringify(order)}\n`);
    return this.#writing = this.#writing.then(async () => {
      while (bytes.length > 0) bytes = bytes.subarray(await this.#socket.write(bytes));
    }).catch(ignoreClosed);
  }

  async #read(): Promise<void> {
    let rest = "";
    const take = (line: string) => {
      const event: Event = JSON.parse(line);
      this.#calls.get(event.call)?.take(event);
    };
    try {
      for await (const chunk of this.#socket.readable.pipeThrough(new TextDecoderStream())) {
        if (!chunk.includes("\n")) {
          rest += chunk;
          continue;
        }
        const lines = (rest + chunk).split("\n");
        rest = lines.pop()!;
        lines.forEach(take);
      }
    } catch (error) {
      ignoreClosed(error);
    }
  }
}

/** A channel of a client of others. */
export interface ForeignChannel extends AsyncDisposable {
  call(options: ClientCallOptions): ForeignCall;
}

/** A call of a client of others, in the shape of {@linkcode ClientCall}. */
export class ForeignCall {
  readonly #order: (order: object) => void;
  readonly #ended = Promise.withResolvers<CallEnd>();
  readonly #sent: PromiseWithResolvers<void>[] = [];
  readonly #messages: Uint8Array[] = [];
  #arrived = Promise.withResolvers<void>();
  headers: CallMetadata | undefined;
  trailers: CallMetadata | undefined;
  isOver = false;

  constructor(order: (order: object) => void) {
    this.#order = order;
  }

  get ended(): Promise<CallEnd> {
    return this.#ended.promise;
  }

  async send(message: Uint8Array): Promise<void> {
    await this.#ordered({ do: "send", bytes: Buffer.from(message).toString("base64") });
  }

  async endSending(): Promise<void> {
    await this.#ordered({ do: "end" });
  }

  cancel(): void {
    if (!this.isOver) this.#order({ do: "cancel" });
  }

  async *messages(): AsyncGenerator<Uint8Array, void, undefined> {
    for (let i = 0; i < READ_AHEAD; i++) this.#order({ do: "read" });
    for (;;) {
      const message = this.#messages.shift();
      if (message !== undefined) {
        if (!this.isOver) this.#order({ do: "read" });
        yield message;
      } else if (this.isOver) return;
      else await this.#arrived.promise;
    }
  }

  take({ is, bytes = "", metadata = [], code = 0, message = "" }: Event): void {
    if (is === "sent") return this.#sent.shift()?.resolve();
    if (is === "headers") this.headers = fromPairs(metadata);
    if (is === "message") this.#messages.push(Buffer.from(bytes, "base64"));
    if (is === "ended") {
      this.isOver = true;
      this.trailers = fromPairs(metadata);
      for (const sent of this.#sent) sent.resolve();
      const text = Buffer.from(message, "base64").toString();
      this.#ended.resolve(code === 0 ? {} : { error: new RpcError(code as StatusCode, text) });
    }
    this.#arrived.resolve();
    this.#arrived = Promise.withResolvers();
  }

  async #ordered(order: object): Promise<void> {
    if (this.isOver) return;
    const sent = Promise.withResolvers<void>();
    this.#sent.push(sent);
    this.#order(order);
    await sent.promise;
  }
}

/** A connection that this side has closed is no error. */
function ignoreClosed(error: unknown): void {
  if (error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted) return;
  throw error;
}

function toPairs(metadata = new CallMetadata()): Pairs {
  return metadata.keys().flatMap((name) =>
    metadata.get(name).map((value) => [base64(name), base64(value)] as const)
  );
}

function fromPairs(pairs: Pairs): CallMetadata {
  const metadata = new CallMetadata();
  for (const [name, value] of pairs) {
    const key = Buffer.from(name, "base64").toString();
    const bytes = Buffer.from(value, "base64");
    metadata.add(key, key.endsWith("-bin") ? bytes : bytes.toString());
  }
  return metadata;
}

const base64 = (value: string | Uint8Array): string => Buffer.from(value).toString("base64");
