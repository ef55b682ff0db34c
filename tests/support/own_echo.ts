/**
 * The Echo service of `echo.ts`, written against our own handlers, so that one suite judges both
 * servers. It does not compress: the server of this project does not.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import type {
  echo_v1_EchoRequest as EchoRequest,
  echo_v1_EchoResponse as EchoResponse,
} from "../../shared/gen/types.ts";
import { CallMetadata } from "../../shared/grpc/call_metadata.ts";
import {
  bidi,
  type CallContext,
  clientStream,
  serverStream,
  type ServiceHost,
  unary,
} from "../../shared/grpc/handlers.ts";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import type { StatusCode } from "../../shared/grpc/status.ts";
import { type EchoRecord, MAX_RECORDS } from "./echo.ts";

/** One call in Echo's hands. */
class OwnEchoCall {
  readonly record: EchoRecord;
  readonly #context: CallContext;

  constructor(method: string, context: CallContext, records: Map<string, EchoRecord>) {
    this.#context = context;
    const { metadata, deadlineMs, peer, signal } = context;
    this.record = {
      method: `/echo.v1.Echo/${method}`,
      metadata: printable(metadata),
      authority: "",
      peer,
      deadlineMs: deadlineMs === undefined ? null : deadlineMs - Date.now(),
      received: 0,
      receivedBytes: 0,
      sent: 0,
      halfClosed: false,
      state: "open",
    };
    const [id] = metadata.get("x-echo-id");
    if (id !== undefined) records.set(String(id), this.record);
    if (records.size > MAX_RECORDS) records.delete([...records.keys()][0]!);
    signal.addEventListener("abort", () => {
      if (this.record.state === "open") this.record.state = "cancelled";
    }, { once: true });
    this.#pick("trail-", context.trailers);
  }

  async receive(request: EchoRequest): Promise<void> {
    const { signal } = this.#context;
    this.record.received++;
    this.record.receivedBytes += request.data?.length ?? 0;
    if (request.headersFirst) this.sendHeaders();
    if (request.delayMs) await delay(request.delayMs, undefined, { signal });
  }

  /** Hangs or fails, if that is asked for. */
  async end(request: EchoRequest): Promise<void> {
    const { signal, metadata, trailers } = this.#context;
    if (request.hang) {
      if (!signal.aborted) await once(signal, "abort");
      throw signal.reason;
    }
    this.record.state = "ended";
    if (!request.failCode) return this.sendHeaders();
    const [rich] = metadata.get("x-echo-details-bin");
    if (rich !== undefined) trailers.add("grpc-status-details-bin", rich);
    throw new RpcError(request.failCode as StatusCode, request.failMessage ?? "");
  }

  sendHeaders(): void {
    this.#context.sendHeaders(this.#pick("echo-", new CallMetadata()));
  }

  response(request: EchoRequest, index: number): EchoResponse {
    this.record.sent++;
    return {
      data: request.size ? new Uint8Array(request.size) : request.data ?? new Uint8Array(),
      index,
      received: this.record.received,
      receivedBytes: this.record.receivedBytes,
    };
  }

  #pick(prefix: string, into: CallMetadata): CallMetadata {
    const { metadata } = this.#context;
    for (const name of metadata.keys().filter((name) => name.startsWith(prefix))) {
      for (const value of metadata.get(name)) into.add(name, value);
    }
    return into;
  }
}

/** Adds Echo to a server. Each server has records of its own. */
export function addOwnEcho(host: ServiceHost): void {
  const records = new Map<string, EchoRecord>();
  host.addService("echo.v1.Echo", {
    Unary: unary<EchoRequest, EchoResponse>(async (request, context) => {
      const [asked] = context.metadata.get("x-echo-report");
      if (asked !== undefined) {
        const json = JSON.stringify(records.get(String(asked)) ?? null);
        return { data: new TextEncoder().encode(json) };
      }
      const call = new OwnEchoCall("Unary", context, records);
      call.record.halfClosed = true;
      await call.receive(request);
      await call.end(request);
      return call.response(request, 0);
    }),

    ServerStream: serverStream<EchoRequest, EchoResponse>(async function* (request, context) {
      const call = new OwnEchoCall("ServerStream", context, records);
      call.record.halfClosed = true;
      await call.receive({ ...request, delayMs: 0 });
      for (let index = 0; index < (request.count ?? 0); index++) {
        if (request.delayMs) {
          await delay(request.delayMs, undefined, { signal: context.signal });
        }
        call.sendHeaders();
        yield call.response(request, index);
      }
      await call.end(request);
    }),

    ClientStream: clientStream<EchoRequest, EchoResponse>(async (requests, context) => {
      const call = new OwnEchoCall("ClientStream", context, records);
      let last: EchoRequest = {};
      for await (const request of requests) {
        last = request;
        await call.receive(request);
        if (request.hang || request.failCode) await call.end(request);
      }
      call.record.halfClosed = true;
      await call.end({});
      return call.response(last, 0);
    }),

    Bidi: bidi<EchoRequest, EchoResponse>(async function* (requests, context) {
      const call = new OwnEchoCall("Bidi", context, records);
      let index = 0;
      for await (const request of requests) {
        await call.receive(request);
        if (request.hang) await call.end(request);
        call.sendHeaders();
        yield call.response(request, index++);
        if (request.failCode) await call.end(request);
      }
      call.record.halfClosed = true;
      await call.end({});
    }),
  });
}

function printable(metadata: CallMetadata): Record<string, string[]> {
  return Object.fromEntries(
    metadata.keys().map((name) => [
      name,
      metadata.get(name).map((value) =>
        typeof value === "string" ? value : Buffer.from(value).toString("base64")
      ),
    ]),
  );
}
