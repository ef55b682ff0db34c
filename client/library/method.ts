/**
 * Methods as programs have them: how their messages become bytes, and back.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import type { CalledMethod } from "../call/call.ts";

/**
 * A method that can be called. Those of a service definition of grpc-js are such: of proto-loader's, and
 * of code that was generated for grpc-js.
 */
export interface HubMethod<Req, Res> {
  /** `/package.Service/Method` */
  readonly path: string;
  /** Whether requests go as a stream. */
  readonly requestStream: boolean;
  /** Whether responses come as a stream. */
  readonly responseStream: boolean;
  /** A request as bytes. */
  requestSerialize(request: Req): Uint8Array;
  /** A response of bytes. */
  responseDeserialize(bytes: Uint8Array): Res;
}

/** A message as protobuf's JSON mapping has it. */
export type JsonMessage = Readonly<Record<string, unknown>>;

/** A method, as a call takes it. */
export function toCalled<Res>(method: HubMethod<never, Res>): CalledMethod<Res> {
  const { path, responseStream } = method;
  return {
    path,
    responseStream,
    decode(bytes) {
      try {
        // Generated code is promised a Buffer.
        return method.responseDeserialize(
          Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
        );
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        throw new RpcError(Status.INTERNAL, `The answer of ${path} cannot be read: ${why}`, {
          cause: error,
        });
      }
    },
  };
}
