/**
 * What a service is: handlers as async functions and async generators, whoever serves them.
 *
 *     unary         (request,  context) => response
 *     serverStream  (request,  context) => responses, as they come
 *     clientStream  (requests, context) => response
 *     bidi          (requests, context) => responses, as they come
 *
 * Two servers take them: our own (`shared/grpc_server`) and grpc-js (`shared/grpc_js`). Both
 * guarantee:
 * - A thrown `RpcError` becomes the status with its details; the responses before it arrive
 *   first. Anything else becomes `INTERNAL` with its message, and is logged with its stack.
 * - `context.signal` aborts when the caller cancels, when the deadline passes and when the call
 *   has ended. Then the iterator of the responses is returned and that of the requests throws
 *   the signal's reason, so that no handler waits for a caller who has gone.
 * - The next response is asked for when the caller has room for it, the next request is read
 *   when the handler asks for it. What waits in each direction is bounded.
 * - When the call has ended, no timer and no listener of it is left.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { ServiceName } from "../gen/types.ts";
import type { CallMetadata } from "./call_metadata.ts";
import { RpcError } from "./rpc_error.ts";

const log = getLogger(["grpc"]);

/** What a handler knows of its call. */
export interface CallContext {
  /** Aborts with an `RpcError` when the call is over, for whatever reason. */
  readonly signal: AbortSignal;
  /** What the caller sent along. */
  readonly metadata: CallMetadata;
  /** When the call's deadline passes, in milliseconds since the epoch; absent without one. */
  readonly deadlineMs?: number;
  /** The caller's address, or what its connection is called. */
  readonly peer: string;
  /** Sent with the status: add here what the caller shall find in the trailers. */
  readonly trailers: CallMetadata;
  /**
   * Sends the initial metadata now. Has no effect when it was sent already, as the first response does.
   *
   * @param metadata By default none.
   */
  sendHeaders(metadata?: CallMetadata): void;
}

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

/** A handler with its kind. `never`: which messages it takes and gives, its service says. */
export type Handler =
  | { readonly kind: "unary"; readonly handle: UnaryHandler<never, unknown> }
  | { readonly kind: "serverStream"; readonly handle: ServerStreamHandler<never, unknown> }
  | { readonly kind: "clientStream"; readonly handle: ClientStreamHandler<never, unknown> }
  | { readonly kind: "bidi"; readonly handle: BidiHandler<never, unknown> };

/** The handlers of a service, by the names of their methods. A method without one is unimplemented. */
export type Handlers = Readonly<Record<string, Handler>>;

/** Whatever serves services. */
export interface ServiceHost {
  /** @throws {Error} If there is no such service, or it has no such method. */
  addService(name: ServiceName, handlers: Handlers): void;
}

/** A handler of one request and one response. */
export function unary<Req, Res>(handle: UnaryHandler<Req, Res>): Handler {
  return { kind: "unary", handle };
}

/** A handler of one request and many responses. */
export function serverStream<Req, Res>(handle: ServerStreamHandler<Req, Res>): Handler {
  return { kind: "serverStream", handle };
}

/** A handler of many requests and one response. */
export function clientStream<Req, Res>(handle: ClientStreamHandler<Req, Res>): Handler {
  return { kind: "clientStream", handle };
}

/** A handler of many requests and many responses. */
export function bidi<Req, Res>(handle: BidiHandler<Req, Res>): Handler {
  return { kind: "bidi", handle };
}

/**
 * The same values; at the abort the iterator is returned at once, even while a value is awaited.
 * A generator takes that as soon as its own wait ends, a queue ends its wait by it.
 */
export async function* returnedOnAbort<T>(
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

/** Logs what no handler should throw. What a handler throws because its call is over is no news. */
export function reportThrown(error: unknown, method: string, signal: AbortSignal): void {
  if (error instanceof RpcError) return;
  if (signal.aborted && error instanceof Error && error.name === "AbortError") return;
  log.error("Handler of {method} failed: {error}", { method, error });
}
