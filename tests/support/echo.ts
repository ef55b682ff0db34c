/**
 * The Echo service of `proto/echo/v1/echo.proto`: it does what the request says, and can
 * be asked afterwards what it saw.
 *
 * Request metadata that steers it:
 *
 *     echo-*, echo-*-bin    come back as initial headers, under the same name
 *     trail-*, trail-*-bin  come back as trailers, under the same name
 *     x-echo-details-bin    comes back as grpc-status-details-bin, if the call fails
 *     x-echo-gzip: 1        every response is compressed, and says so in grpc-encoding
 *     x-echo-id: ID         the call is recorded under ID
 *     x-echo-report: ID     (Unary) answers with the record of call ID, as JSON in `data`
 *
 * @module
 */
import {
  Metadata,
  type sendUnaryData,
  type Server,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type StatusObject,
} from "@grpc/grpc-js";
import type { Buffer } from "node:buffer";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import type {
  echo_v1_EchoRequest as EchoRequest,
  echo_v1_EchoResponse as EchoResponse,
} from "../../shared/gen/types.ts";
import { serviceDefinition } from "../../shared/grpc_js/service_definition.ts";

/** What Echo saw of a call that carried `x-echo-id`. */
export interface EchoRecord {
  readonly method: string;
  /** Values of `-bin` metadata are base64. */
  readonly metadata: Readonly<Record<string, readonly string[]>>;
  /** `:authority` as the server saw it. */
  readonly authority: string;
  readonly peer: string;
  /** Milliseconds that were left of the caller's deadline when the call arrived. */
  readonly deadlineMs: number | null;
  received: number;
  receivedBytes: number;
  /** Responses that the call's stream took; a stream that is full takes no more. */
  sent: number;
  /** Whether the caller has half-closed. */
  halfClosed: boolean;
  state: "open" | "ended" | "cancelled";
}

/** Older records give way to newer ones. */
export const MAX_RECORDS = 512;

/** A response that `responseSerialize` compresses. */
const gzipped = new WeakSet<object>();

/** What every kind of server call has. */
interface AnyCall {
  readonly metadata: Metadata;
  sendMetadata(metadata: Metadata): void;
  getPeer(): string;
  getHost(): string;
  getDeadline(): Date | number;
  getPath(): string;
  on(event: "cancelled", listener: () => void): unknown;
}

/** The definition of Echo, with responses that can be compressed. */
export const echoDefinition: ServiceDefinition = Object.fromEntries(
  Object.entries(serviceDefinition("echo.v1.Echo")).map(([name, method]) => [name, {
    ...method,
    responseSerialize(value: object): Buffer {
      const bytes = method.responseSerialize(value);
      return gzipped.has(value) ? flagCompressed(gzipSync(bytes)) : bytes;
    },
  }]),
);

/**
 * grpc-js cannot compress responses: it writes the flag 0 and then copies the message
 * behind it. This message sets the flag of its own prefix when it is copied.
 */
function flagCompressed(bytes: Buffer): Buffer {
  bytes.copy = (target, start = 0) => {
    target.set(bytes, start);
    target[start - 5] = 1;
    return bytes.length;
  };
  return bytes;
}

/** One call in Echo's hands. */
class EchoCall {
  readonly signal: AbortSignal;
  readonly record: EchoRecord;
  readonly #call: AnyCall;
  #headersSent = false;

  constructor(call: AnyCall, records: Map<string, EchoRecord>) {
    this.#call = call;
    const deadline = Number(call.getDeadline());
    this.record = {
      method: call.getPath(),
      metadata: printable(call.metadata),
      authority: call.getHost(),
      peer: call.getPeer(),
      deadlineMs: Number.isFinite(deadline) ? deadline - Date.now() : null,
      received: 0,
      receivedBytes: 0,
      sent: 0,
      halfClosed: false,
      state: "open",
    };
    const [id] = call.metadata.get("x-echo-id");
    if (id !== undefined) remember(records, String(id), this.record);
    const controller = new AbortController();
    this.signal = controller.signal;
    call.on("cancelled", () => {
      if (this.record.state === "open") this.record.state = "cancelled";
      controller.abort();
    });
  }

  receive(request: EchoRequest): void {
    this.record.received++;
    this.record.receivedBytes += request.data?.length ?? 0;
    if (request.headersFirst) this.sendHeaders();
  }

  sendHeaders(): void {
    if (this.#headersSent) return;
    this.#headersSent = true;
    const headers = this.#picked("echo-");
    if (this.#gzip) headers.set("grpc-encoding", "gzip");
    this.#call.sendMetadata(headers);
  }

  trailers(): Metadata {
    return this.#picked("trail-");
  }

  response(request: EchoRequest, index: number): EchoResponse {
    const response = {
      data: request.size ? new Uint8Array(request.size) : request.data ?? new Uint8Array(),
      index,
      received: this.record.received,
      receivedBytes: this.record.receivedBytes,
    };
    if (this.#gzip) gzipped.add(response);
    return response;
  }

  /** The end that the request asks for; `undefined` for OK. */
  failure(request: EchoRequest): StatusObject | undefined {
    if (!request.failCode) return undefined;
    const details = request.failMessage ?? "";
    const trailers = this.trailers();
    const [rich] = this.#call.metadata.get("x-echo-details-bin");
    if (rich !== undefined) trailers.set("grpc-status-details-bin", rich);
    return { code: request.failCode, details, metadata: trailers };
  }

  ended(): void {
    if (this.record.state === "open") this.record.state = "ended";
  }

  get #gzip(): boolean {
    return this.#call.metadata.get("x-echo-gzip").length > 0;
  }

  #picked(prefix: string): Metadata {
    const picked = new Metadata();
    for (const name of Object.keys(this.#call.metadata.getMap())) {
      if (!name.startsWith(prefix)) continue;
      for (const value of this.#call.metadata.get(name)) picked.add(name, value);
    }
    return picked;
  }
}

/** Adds Echo to a server. Each server has records of its own. */
export function addEcho(server: Server): void {
  const records = new Map<string, EchoRecord>();

  async function unary(
    grpcCall: ServerUnaryCall<EchoRequest, EchoResponse>,
    done: sendUnaryData<EchoResponse>,
  ): Promise<void> {
    const [asked] = grpcCall.metadata.get("x-echo-report");
    if (asked !== undefined) {
      const json = JSON.stringify(records.get(String(asked)) ?? null);
      return done(null, { data: new TextEncoder().encode(json) });
    }
    const call = new EchoCall(grpcCall, records);
    const { request } = grpcCall;
    call.receive(request);
    call.record.halfClosed = true;
    if (!await wait(request.delayMs, call.signal) || request.hang) return;
    const failure = call.failure(request);
    call.ended();
    if (failure !== undefined) return done(failure);
    call.sendHeaders();
    call.record.sent++;
    done(null, call.response(request, 0), call.trailers());
  }

  async function serverStream(
    grpcCall: ServerWritableStream<EchoRequest, EchoResponse>,
  ): Promise<void> {
    const call = new EchoCall(grpcCall, records);
    const { request } = grpcCall;
    call.receive(request);
    call.record.halfClosed = true;
    for (let index = 0; index < (request.count ?? 0); index++) {
      if (!await wait(request.delayMs, call.signal)) return;
      call.sendHeaders();
      if (!await send(grpcCall, call, call.response(request, index))) return;
    }
    if (!request.hang) end(grpcCall, call, request);
  }

  async function clientStream(
    grpcCall: ServerReadableStream<EchoRequest, EchoResponse>,
    done: sendUnaryData<EchoResponse>,
  ): Promise<void> {
    const call = new EchoCall(grpcCall, records);
    let last: EchoRequest = {};
    for await (const request of requests(grpcCall, call)) {
      last = request;
      call.receive(request);
      if (request.hang) return await never(call.signal);
      if (!await wait(request.delayMs, call.signal)) return;
      const failure = call.failure(request);
      if (failure !== undefined) {
        call.ended();
        return done(failure);
      }
    }
    if (call.record.state !== "open") return;
    call.ended();
    call.sendHeaders();
    call.record.sent++;
    done(null, call.response(last, 0), call.trailers());
  }

  async function bidi(grpcCall: ServerDuplexStream<EchoRequest, EchoResponse>): Promise<void> {
    const call = new EchoCall(grpcCall, records);
    let index = 0;
    for await (const request of requests(grpcCall, call)) {
      call.receive(request);
      if (request.hang) return await never(call.signal);
      if (!await wait(request.delayMs, call.signal)) return;
      call.sendHeaders();
      if (!await send(grpcCall, call, call.response(request, index++))) return;
      if (request.failCode) return end(grpcCall, call, request);
    }
    if (call.record.state === "open") end(grpcCall, call, {});
  }

  server.addService(echoDefinition, {
    Unary: unary,
    ServerStream: serverStream,
    ClientStream: clientStream,
    Bidi: bidi,
  });
}

type Writing =
  | ServerWritableStream<EchoRequest, EchoResponse>
  | ServerDuplexStream<EchoRequest, EchoResponse>;
type Reading =
  | ServerReadableStream<EchoRequest, EchoResponse>
  | ServerDuplexStream<EchoRequest, EchoResponse>;

/** The requests of a call, until the caller half-closes or the call is cancelled. */
async function* requests(grpcCall: Reading, call: EchoCall): AsyncGenerator<EchoRequest> {
  const iterator = grpcCall.iterator({ destroyOnReturn: false });
  const cancelled = new Promise<IteratorResult<EchoRequest>>((resolve) => {
    const stop = () => resolve({ done: true, value: undefined });
    if (call.signal.aborted) stop();
    else call.signal.addEventListener("abort", stop, { once: true });
  });
  while (true) {
    const next = await Promise.race([iterator.next(), cancelled]);
    if (call.signal.aborted) return;
    if (next.done) break;
    yield next.value as EchoRequest;
  }
  call.record.halfClosed = true;
}

/** Sends one response and waits until the stream takes more. `false` once the call is over. */
async function send(grpcCall: Writing, call: EchoCall, response: EchoResponse): Promise<boolean> {
  if (call.signal.aborted) return false;
  call.record.sent++;
  if (grpcCall.write(response)) return true;
  return await once(grpcCall, "drain", { signal: call.signal }).then(() => true, () => false);
}

function end(grpcCall: Writing, call: EchoCall, request: EchoRequest): void {
  const failure = call.failure(request);
  call.ended();
  if (failure !== undefined) return void grpcCall.emit("error", failure);
  call.sendHeaders();
  grpcCall.end(call.trailers());
}

/** `false` if the call ended meanwhile. */
async function wait(ms: number | undefined, signal: AbortSignal): Promise<boolean> {
  if (!ms) return !signal.aborted;
  return await delay(ms, undefined, { signal }).then(() => true, () => false);
}

async function never(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, "abort");
}

function remember(records: Map<string, EchoRecord>, id: string, record: EchoRecord): void {
  records.set(id, record);
  if (records.size <= MAX_RECORDS) return;
  const [oldest] = records.keys();
  if (oldest !== undefined) records.delete(oldest);
}

function printable(metadata: Metadata): Record<string, string[]> {
  const entries = Object.entries(metadata.toJSON()).map(([name, values]): [string, string[]] => [
    name,
    (values as (string | Buffer)[]).map((value) =>
      typeof value === "string" ? value : value.toString("base64")
    ),
  ]);
  return Object.fromEntries(entries);
}
