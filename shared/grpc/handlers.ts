/**
 * Handlers as async functions and async generators, for grpc-js.
 *
 *     unary         (request,  context) => response
 *     serverStream  (request,  context) => responses, as they come
 *     clientStream  (requests, context) => response
 *     bidi          (requests, context) => responses, as they come
 *
 * Guarantees, for all four:
 * - A thrown `RpcError` becomes the status with its details; the responses before it arrive
 *   first. Anything else becomes `INTERNAL` with its message, and is logged with its stack.
 * - `context.signal` aborts when the caller cancels, when the deadline passes and when the call
 *   has ended. Then the iterator of the responses is returned and that of the requests throws
 *   the signal's reason, so that no handler waits for a caller who has gone.
 * - The next response is asked for when the caller has room for it, the next request is read
 *   when the handler asks for it. At most `highWaterMark` (16) messages wait in each direction.
 * - When the call has ended, no timer and no listener of it is left.
 *
 * @module
 */
import {
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  type Metadata,
} from "@grpc/grpc-js";
import { getLogger } from "@logtape/logtape";
import type { Readable, Writable } from "node:stream";
import { type CallContext, CallScope, type SurfaceCall } from "./call_scope.ts";
import { RpcError } from "./rpc_error.ts";
import { toServiceError } from "./service_error.ts";

const log = getLogger(["grpc"]);

export type { CallContext };

export type UnaryHandler<Req, Res> = (
  request: Req,
  context: CallContext,
) => Res | Promise<Res>;

export type ServerStreamHandler<Req, Res> = (
  request: Req,
  context: CallContext,
) => AsyncIterable<Res>;

export type ClientStreamHandler<Req, Res> = (
  requests: AsyncIterable<Req>,
  context: CallContext,
) => Res | Promise<Res>;

export type BidiHandler<Req, Res> = (
  requests: AsyncIterable<Req>,
  context: CallContext,
) => AsyncIterable<Res>;

/** Adapts a handler of one request and one response. */
export function unary<Req, Res>(
  handler: UnaryHandler<Req, Res>,
): handleUnaryCall<Req, Res> {
  return async (call, respond) => {
    using scope = new CallScope(call);
    try {
      respond(null, await handler(call.request, scope.context), scope.context.trailers);
    } catch (error) {
      respond(statusOf(error, call, scope));
    }
  };
}

/** Adapts a handler of many requests and one response. */
export function clientStream<Req, Res>(
  handler: ClientStreamHandler<Req, Res>,
): handleClientStreamingCall<Req, Res> {
  return async (call, respond) => {
    using scope = new CallScope(call);
    try {
      const response = await handler(requestsOf<Req>(call, scope), scope.context);
      respond(null, response, scope.context.trailers);
    } catch (error) {
      respond(statusOf(error, call, scope));
    }
  };
}

/** Adapts a handler of one request and many responses. */
export function serverStream<Req, Res>(
  handler: ServerStreamHandler<Req, Res>,
): handleServerStreamingCall<Req, Res> {
  return async (call) => {
    using scope = new CallScope(call);
    await answer(call, scope, () => handler(call.request, scope.context));
  };
}

/** Adapts a handler of many requests and many responses. */
export function bidi<Req, Res>(
  handler: BidiHandler<Req, Res>,
): handleBidiStreamingCall<Req, Res> {
  return async (call) => {
    using scope = new CallScope(call);
    await answer(call, scope, () => handler(requestsOf<Req>(call, scope), scope.context));
  };
}

/** The requests of a call; throws the signal's reason when the call is over before they end. */
async function* requestsOf<Req>(
  call: SurfaceCall & Readable,
  { context: { signal } }: CallScope,
): AsyncGenerator<Req, void, undefined> {
  try {
    // A handler that stops reading still answers: returning must not destroy the duplex.
    yield* call.iterator({ destroyOnReturn: false });
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  }
  signal.throwIfAborted();
}

/** Writes the responses and then the status, at the caller's pace. */
async function answer<Res>(
  call: SurfaceCall & Writable,
  scope: CallScope,
  handle: () => AsyncIterable<Res>,
): Promise<void> {
  const { signal, trailers } = scope.context;
  try {
    const lost = (error: unknown) => report(error, call, scope);
    for await (const response of returnedOnAbort(handle(), signal, lost)) {
      if (signal.aborted) return;
      if (!call.write(response)) await drained(call, signal);
    }
    // grpc-js gives `end` the trailers as its only argument, unlike Writable.
    if (!signal.aborted) (call.end as (trailers: Metadata) => void).call(call, trailers);
  } catch (error) {
    const status = statusOf(error, call, scope);
    // grpc-js flushes what was written and then sends the emitted error as the status.
    if (!signal.aborted) call.emit("error", status);
  }
}

/**
 * The same values; at the abort the iterator is returned at once, even while a value is awaited.
 * A generator takes that as soon as its own wait ends, a queue ends its wait by it.
 */
async function* returnedOnAbort<T>(
  values: AsyncIterable<T>,
  signal: AbortSignal,
  onError: (error: unknown) => void,
): AsyncGenerator<T, void, undefined> {
  const iterator = values[Symbol.asyncIterator]();
  const leave = () => void Promise.resolve(iterator.return?.()).catch(onError);
  signal.addEventListener("abort", leave, { once: true });
  try {
    yield* { [Symbol.asyncIterator]: () => iterator };
  } finally {
    signal.removeEventListener("abort", leave);
  }
}

/** Waits until the stream takes more, or the call is over. */
function drained(stream: Writable, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      stream.off("drain", done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    stream.on("drain", done);
    signal.addEventListener("abort", done);
  });
}

/** What grpc-js takes as an error: see `serverErrorToStatus` there. */
function statusOf(error: unknown, call: SurfaceCall, scope: CallScope) {
  report(error, call, scope);
  return toServiceError(RpcError.from(error), scope.context.trailers);
}

/** Logs what no handler should throw. What a handler throws because its call is over is no news. */
function report(error: unknown, call: SurfaceCall, { context: { signal } }: CallScope): void {
  if (error instanceof RpcError) return;
  if (signal.aborted && error instanceof Error && error.name === "AbortError") return;
  log.error("Handler of {method} failed: {error}", { method: call.getPath(), error });
}
