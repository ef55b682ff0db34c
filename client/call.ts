/**
 * One gRPC call, of any of the four kinds. Messages stay protobuf messages, so that the codec can
 * write them without loss.
 *
 * @module
 */
import type { Client, ClientDuplexStream, Metadata, ServiceError } from "@grpc/grpc-js";
import { Buffer } from "node:buffer";
import type protobuf from "protobufjs";
import { RpcError } from "../shared/grpc/rpc_error.ts";
import { methodPath } from "../shared/grpc/service.ts";
import { fromServiceError } from "../shared/grpc/service_error.ts";
import { Status } from "../shared/grpc/status.ts";

/** The messages to send. */
export type Requests = Iterable<protobuf.Message> | AsyncIterable<protobuf.Message>;

export interface CallOptions {
  readonly method: protobuf.Method;
  readonly requests: Requests;
  readonly metadata: Metadata;
  /** `Date.now()` at which it must have ended; `Infinity` for never. */
  readonly deadline: number;
  /** Cancels the call. */
  readonly signal: AbortSignal;
}

/** A call under way. */
export interface Call {
  /**
   * The responses, as they come. To leave the loop cancels the call.
   *
   * It throws RpcError if the call ends with a status other than OK, and the signal's reason if that
   * fired. Responses that came in one piece with such a status may be lost: grpc-js drops them
   * (subchannel-call.js, maybeOutputStatus).
   */
  readonly responses: AsyncIterable<protobuf.Message>;
  /** Initial metadata, once it is there. */
  readonly headers: Metadata | undefined;
  /** Trailing metadata, once it is there. */
  readonly trailers: Metadata | undefined;
}

/** The types of a method's messages. */
export function messageTypes(method: protobuf.Method): {
  readonly request: protobuf.Type;
  readonly response: protobuf.Type;
} {
  method.resolve();
  const { resolvedRequestType: request, resolvedResponseType: response } = method;
  if (request === null || response === null) throw new Error(`Cannot resolve ${method.fullName}`);
  return { request, response };
}

/** Starts a call. Nothing that it does is left over when `responses` has ended or was left. */
export function startCall(client: Client, options: CallOptions): Call {
  const { method, requests, metadata, deadline, signal } = options;
  const { request, response } = messageTypes(method);
  // On the wire all kinds are streams; that a unary one has one message each way is checked here.
  const stream = client.makeBidiStreamRequest<protobuf.Message, protobuf.Message>(
    methodPath(method),
    (message) => Buffer.from(request.encode(message).finish()),
    (bytes) => response.decode(bytes),
    metadata,
    { deadline },
  );
  const state: { headers: Metadata | undefined; trailers: Metadata | undefined } = {
    headers: undefined,
    trailers: undefined,
  };
  stream.on("metadata", (headers) => void (state.headers = headers));
  stream.on("status", ({ metadata }) => void (state.trailers = metadata));
  return {
    responses: receive(stream, { requests, method, signal }),
    get headers() {
      return state.headers;
    },
    get trailers() {
      return state.trailers;
    },
  };
}

type Stream = ClientDuplexStream<protobuf.Message, protobuf.Message>;

interface ReceiveOptions {
  readonly requests: Requests;
  readonly method: protobuf.Method;
  readonly signal: AbortSignal;
}

async function* receive(
  stream: Stream,
  { requests, method, signal }: ReceiveOptions,
): AsyncGenerator<protobuf.Message, void, undefined> {
  const cancel = () => stream.cancel();
  signal.addEventListener("abort", cancel, { once: true });
  let sendError: unknown;
  const sent = send(stream, requests).catch((error) => {
    // The input broke in the middle: the server must not take what it has for all.
    sendError = error;
    cancel();
  });
  let count = 0;
  try {
    if (signal.aborted) throw signal.reason;
    for await (const message of messages(stream)) {
      count += 1;
      if (count > 1 && !method.responseStream) {
        throw new RpcError(Status.INTERNAL, "Got two responses");
      }
      yield message;
    }
    if (count === 0 && !method.responseStream) {
      throw new RpcError(Status.INTERNAL, "Got no response");
    }
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (sendError !== undefined) throw sendError;
    throw isServiceError(error) ? fromServiceError(error) : error;
  } finally {
    signal.removeEventListener("abort", cancel);
    cancel();
    await sent;
  }
}

/**
 * The messages of a stream, and then its error. The stream's own iterator throws an error before the
 * messages that had come before it.
 */
async function* messages(stream: Stream): AsyncGenerator<protobuf.Message, void, undefined> {
  let wake = () => {};
  let end: { readonly error?: unknown } | undefined;
  stream.on("readable", () => wake());
  stream.on("end", () => {
    end ??= {};
    wake();
  });
  stream.on("error", (error) => {
    end = { error };
    wake();
  });
  while (true) {
    const message: protobuf.Message | null = stream.read();
    if (message !== null) {
      yield message;
    } else if (end !== undefined) {
      if ("error" in end) throw end.error;
      return;
    } else {
      await new Promise<void>((resolve) => wake = resolve);
    }
  }
}

/** Sends all, no faster than the other side takes it; stops when the call has ended. */
async function send(stream: Stream, requests: Requests): Promise<void> {
  const ended = Promise.withResolvers<"ended">();
  const end = () => ended.resolve("ended");
  stream.once("status", end).once("error", end).once("close", end);
  const iterator = toAsync(requests);
  try {
    while (true) {
      const next = await Promise.race([iterator.next(), ended.promise]);
      if (next === "ended") return;
      if (next.done) break;
      if (stream.write(next.value)) continue;
      const drained = Promise.withResolvers<void>();
      stream.once("drain", drained.resolve);
      if (await Promise.race([drained.promise, ended.promise]) === "ended") return;
    }
    stream.end();
  } finally {
    stream.off("status", end).off("close", end);
    // Not awaited: an iterator that waits for a terminal ends only with the next line.
    iterator.return(undefined).catch(() => {});
  }
}

async function* toAsync(requests: Requests): AsyncGenerator<protobuf.Message> {
  yield* requests;
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && "code" in error && "details" in error && "metadata" in error;
}
