/**
 * The methods of our own services, which gclient has in itself.
 *
 * @module
 */
import type protobuf from "protobufjs";
import { root } from "../../shared/grpc/root.ts";
import { methodOf } from "../../shared/grpc/service.ts";

/**
 * @param name `package.Service/Method`
 * @throws {Error} If we have none of this name.
 */
export function ownMethod(name: string): protobuf.Method {
  const method = methodOf(root, name);
  if (method === undefined) throw new Error(`Cannot find method ${name}`);
  return method;
}
