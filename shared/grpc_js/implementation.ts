/**
 * Handlers (`shared/grpc/handlers.ts`) for grpc-js.
 *
 * At most `highWaterMark` (16) messages wait in each direction of a call.
 *
 * @module
 */
import type {
  handleBidiStreamingCall,
  handleClientStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
  Metadata,
  Server,
  UntypedServiceImplementation,
} from "@grpc/grpc-js";
import type { Readable, Writable } from "node:stream";
import {
  type BidiHandler,
  type ClientStreamHandler,
  type Handler,
  type Handlers,
  reportThrown,
  returnedOnAbort,
  type ServerStreamHandler,
  type ServiceHost,
  type UnaryHandler,
} from "../grpc/handlers.ts";
import { RpcError } from "../grpc/rpc_error.ts";
import { CallScope, type SurfaceCall } from "./call_scope.ts";
import { toGrpcJs } from "./metadata.ts";
import { serviceDefinition } from "./service_definition.ts";
import { toServiceError } from "./service_error.ts";

/** A grpc-js server as a place for services. */
export function peerHost(server: Server): ServiceHost {
  return {
    addService: (name, handlers) =>
      server.addService(serviceDefinition(name), implementationOf(handlers)),
  };
}

/** Handlers as `Server.addService` takes them. */
export function implementationOf(handlers: Handlers): UntypedServiceImplementation {
  return Object.fromEntries(
    Object.entries(handlers).map(([name, handler]) => [name, adapted(handler)]),
  );
}

/** One of them. */
export function adapted(handler: Handler): UntypedServiceImplementation[string] {
  switch (handler.kind) {
    case "unary":
      return unary(handler.handle as UnaryHandler<unknown, unknown>);
    case "serverStream":
      return serverStream(handler.handle as ServerStreamHandler<unknown, unknown>);
    case "clientStream":
      return clientStream(handler.handle as ClientStreamHandler<unknown, unknown>);
    case "bidi":
      return bidi(handler.handle as BidiHandler<unknown, unknown>);
  }
}

function unary<Req, Res>(handler: UnaryHandler<Req, Res>): handleUnaryCall<Req, Res> {
  return async (call, respond) => {
    using scope = new CallScope(call);
    try {
      respond(null, await handler(call.request, scope.context), toGrpcJs(scope.context.trailers));
    } catch (error) {
      respond(statusOf(error, call, scope));
    }
  };
}

function clientStream<Req, Res>(
  handler: ClientStreamHandler<Req, Res>,
): handleClientStreamingCall<Req, Res> {
  return async (call, respond) => {
    using scope = new CallScope(call);
    try {
      const response = await handler(requestsOf<Req>(call, scope), scope.context);
      respond(null, response, toGrpcJs(scope.context.trailers));
    } catch (error) {
      respond(statusOf(error, call, scope));
    }
  };
}

function serverStream<Req, Res>(
  handler: ServerStreamHandler<Req, Res>,
): handleServerStreamingCall<Req, Res> {
  return async (call) => {
    using scope = new CallScope(call);
    await answer(call, scope, () => handler(call.request, scope.context));
  };
}

function bidi<Req, Res>(handler: BidiHandler<Req, Res>): handleBidiStreamingCall<Req, Res> {
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
    const lost = (error: unknown) => reportThrown(error, call.getPath(), scope.context.signal);
    for await (const response of returnedOnAbort(handle(), signal, lost)) {
      if (signal.aborted) return;
      if (!call.write(response)) await drained(call, signal);
    }
    // grpc-js gives `end` the trailers as its only argument, unlike Writable.
    if (!signal.aborted) (call.end as (trailers: Metadata) => void).call(call, toGrpcJs(trailers));
  } catch (error) {
    const status = statusOf(error, call, scope);
    // grpc-js flushes what was written and then sends the emitted error as the status.
    if (!signal.aborted) call.emit("error", status);
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
  reportThrown(error, call.getPath(), scope.context.signal);
  return toServiceError(RpcError.from(error), toGrpcJs(scope.context.trailers));
}
