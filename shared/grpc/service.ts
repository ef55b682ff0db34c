/**
 * Service definitions for grpc-js, made from our descriptors.
 *
 * Handlers and callers see plain objects, as `shared/gen/types.ts` describes them:
 * enums by name, 64-bit integers as numbers (ours are counters and sizes, far below
 * 2^53), bytes as `Uint8Array`, lists and maps always present, all else absent when unset.
 *
 * @module
 */
import type { MethodDefinition, ServiceDefinition } from "@grpc/grpc-js";
import { getLogger } from "@logtape/logtape";
import { Buffer } from "node:buffer";
import protobuf from "protobufjs";
import type { ServiceName } from "../gen/types.ts";
import { root } from "./root.ts";

const log = getLogger(["grpc"]);

const PLAIN = { enums: String, longs: Number, arrays: true, objects: true } as const;

/** Encodes a plain object as a message of this type. */
export function encodeMessage(type: protobuf.Type, value: object): Uint8Array {
  return type.encode(type.fromObject(value)).finish();
}

/** Decodes a message of this type to a plain object. */
export function decodeMessage<T>(type: protobuf.Type, bytes: Uint8Array): T {
  return type.toObject(type.decode(bytes), PLAIN) as T;
}

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

/** The path of a method on the wire: `/package.Service/Method`. */
export function methodPath(method: protobuf.Method): string {
  return `/${method.parent?.fullName.slice(1)}/${method.name}`;
}

/** The method that `package.Service/Method` names; `undefined` if there is none. */
export function methodOf(root: protobuf.Root, name: string): protobuf.Method | undefined {
  const [service = "", method = "", ...rest] = name.replace(/^\//, "").split("/");
  const found = service === "" ? null : root.lookup(`.${service}`);
  if (rest.length > 0 || !(found instanceof protobuf.Service)) return undefined;
  return Object.hasOwn(found.methods, method) ? found.methods[method] : undefined;
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
