/**
 * Messages and methods, by our descriptors.
 *
 * Handlers and callers see plain objects, as `shared/gen/types.ts` describes them:
 * enums by name, 64-bit integers as numbers (ours are counters and sizes, far below
 * 2^53), bytes as `Uint8Array`, lists and maps always present, all else absent when unset.
 *
 * @module
 */
import protobuf from "protobufjs";

const PLAIN = { enums: String, longs: Number, arrays: true, objects: true } as const;

/** Encodes a plain object as a message of this type. */
export function encodeMessage(type: protobuf.Type, value: object): Uint8Array {
  return type.encode(type.fromObject(value)).finish();
}

/** Decodes a message of this type to a plain object. */
export function decodeMessage<T>(type: protobuf.Type, bytes: Uint8Array): T {
  return type.toObject(type.decode(bytes), PLAIN) as T;
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
