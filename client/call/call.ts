/**
 * One gRPC call, of any of the four kinds. In gclient messages stay protobuf messages, so that the
 * codec can write them without loss.
 *
 * @module
 */
import type protobuf from "protobufjs";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { methodPath } from "../../shared/grpc/service.ts";
import { Status } from "../../shared/grpc/status.ts";
import type { Channel } from "../../shared/grpc_client/channel.ts";
import type { ClientCall } from "../../shared/grpc_client/client_call.ts";
import type { CallMetadata } from "../../shared/grpc/call_metadata.ts";

/** The messages to send, encoded. */
export type Requests = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/** A method, as far as a call needs it. */
export interface CalledMethod<Res> {
  /** `/package.Service/Method` */
  readonly path: string;
  readonly responseStream: boolean;
  /** Called for each response, as it comes. */
  decode(bytes: Uint8Array): Res;
}

export interface CallOptions<Res = protobuf.Message> {
  readonly method: CalledMethod<Res>;
  readonly requests: Requests;
  readonly metadata: CallMetadata;
  /** `Infinity` for no limit. */
  readonly timeoutMs: number;
  /** Cancels the call. */
  readonly signal: AbortSignal;
}

/** A call under way. */
export interface Call<Res = protobuf.Message> {
  /**
   * The responses, as they come. To leave the loop cancels the call.
   *
   * It throws RpcError if the call ends with a status other than OK, after all responses before it, and
   * the signal's reason if that fired.
   */
  readonly responses: AsyncIterable<Res>;
  /** Initial metadata, once it is there. */
  readonly headers: CallMetadata | undefined;
  /** Trailing metadata, once it is there. */
  readonly trailers: CallMetadata | undefined;
  /** Whether the peer certainly did not look at it. */
  readonly refused: boolean;
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

/** A method of protobuf's, whose messages stay protobuf messages. */
export function calledMethod(method: protobuf.Method): CalledMethod<protobuf.Message> {
  const { response } = messageTypes(method);
  return {
    path: methodPath(method),
    responseStream: method.responseStream ?? false,
    decode: (bytes) => decode(response, bytes),
  };
}

/** Starts a call. Nothing that it does is left over when `responses` has ended or was left. */
export function startCall<Res>(channel: Channel, options: CallOptions<Res>): Call<Res> {
  const { method, metadata, timeoutMs, signal } = options;
  const call = channel.call({ path: method.path, metadata, timeoutMs, signal });
  return {
    responses: receive(call, options),
    get headers() {
      return call.headers;
    },
    get trailers() {
      return call.trailers;
    },
    get refused() {
      return call.refused;
    },
  };
}

async function* receive<Res>(
  call: ClientCall,
  { requests, method, signal }: CallOptions<Res>,
): AsyncGenerator<Res, void, undefined> {
  let sendError: unknown;
  const sent = send(call, requests).catch((error) => {
    // The input broke in the middle: the server must not take what it has for all.
    sendError = error;
    call.cancel();
  });
  let count = 0;
  try {
    for await (const bytes of call.messages()) {
      count += 1;
      // On the wire all kinds are streams; that a unary one has one message each way is checked here.
      if (count > 1 && !method.responseStream) {
        throw new RpcError(Status.INTERNAL, "Got two responses");
      }
      yield method.decode(bytes);
    }
    const { error } = await call.ended;
    signal.throwIfAborted();
    if (sendError !== undefined) throw sendError;
    if (error !== undefined) throw error;
    if (count === 0 && !method.responseStream) {
      throw new RpcError(Status.INTERNAL, "Got no response");
    }
  } finally {
    call.cancel();
    await sent;
  }
}

function decode(type: protobuf.Type, bytes: Uint8Array): protobuf.Message {
  try {
    return type.decode(bytes);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new RpcError(Status.INTERNAL, `The answer is not a ${type.fullName.slice(1)}: ${why}`, {
      cause: error,
    });
  }
}

/** Sends all, no faster than the other side takes it; stops when the call has ended. */
async function send(call: ClientCall, requests: Requests): Promise<void> {
  const iterator = toAsync(requests);
  const ended = call.ended.then(() => "ended" as const);
  try {
    while (true) {
      const next = await Promise.race([iterator.next(), ended]);
      if (next === "ended") return;
      if (next.done) break;
      await call.send(next.value);
    }
    await call.endSending();
  } finally {
    // Not awaited: an iterator that waits for a terminal ends only with the next line.
    iterator.return(undefined).catch(() => {});
  }
}

async function* toAsync(requests: Requests): AsyncGenerator<Uint8Array> {
  yield* requests;
}
