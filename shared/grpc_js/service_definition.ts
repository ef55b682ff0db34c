/**
 * Service definitions for grpc-js, made from our descriptors.
 *
 * @module
 */
import type { MethodDefinition, ServiceDefinition } from "@grpc/grpc-js";
import { getLogger } from "@logtape/logtape";
import { Buffer } from "node:buffer";
import type protobuf from "protobufjs";
import type { ServiceName } from "../gen/types.ts";
import { root } from "../grpc/root.ts";
import { decodeMessage, encodeMessage, methodPath } from "../grpc/service.ts";

const log = getLogger(["grpc"]);

function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** grpc-js answers a message that cannot be encoded with INTERNAL and tells nobody why. */
function logged(type: protobuf.Type, value: object): Buffer {
  try {
    return toBuffer(encodeMessage(type, value));
  } catch (error) {
    log.error("Cannot encode a {type}: {error}", { type: type.fullName.slice(1), error });
    throw error;
  }
}

/**
 * The definition that `Server.addService` and `makeGenericClientConstructor` take.
 *
 * @throws {Error} If there is no service of that name.
 */
export function serviceDefinition(name: ServiceName): ServiceDefinition {
  const service = root.lookupService(name);
  const methods: Record<string, MethodDefinition<object, object>> = {};
  for (const method of service.methodsArray) {
    method.resolve();
    const { resolvedRequestType: request, resolvedResponseType: response } = method;
    if (request === null || response === null) throw new Error(`Cannot resolve ${method.fullName}`);
    methods[method.name] = {
      path: methodPath(method),
      requestStream: method.requestStream ?? false,
      responseStream: method.responseStream ?? false,
      requestSerialize: (value) => logged(request, value),
      requestDeserialize: (bytes) => decodeMessage(request, bytes),
      responseSerialize: (value) => logged(response, value),
      responseDeserialize: (bytes) => decodeMessage(response, bytes),
    };
  }
  return methods;
}
