/**
 * Message types of gclient's own, next to those that a call's messages have: so that every format
 * writes them, and an Any in them is known.
 *
 * @module
 */
import protobuf from "protobufjs";
import { rootJson } from "../../shared/gen/root.ts";
import { root as ours } from "../../shared/grpc/root.ts";

/**
 * Adds types to a root, under a name that it does not have.
 *
 * The root of reflection is used for one command only, and takes them; our own is shared and stays as it
 * is, so there is a copy.
 */
export function addOwnTypes(root: protobuf.Root, types: readonly protobuf.Type[]): void {
  const whole = root === ours ? protobuf.Root.fromJSON(rootJson) : root;
  let scope = "gclient";
  while (whole.get(scope) !== null) scope += "_";
  const namespace = whole.define(scope);
  for (const type of types) namespace.add(type);
  whole.resolveAll();
}
