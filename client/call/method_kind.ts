/**
 * What a method says about itself: `google.protobuf.MethodOptions.idempotency_level`.
 *
 * @module
 */
import type protobuf from "protobufjs";

/** May a call change something? Yes, unless the method says the opposite. */
export function mayChange(method: protobuf.Method): boolean {
  return idempotency(method) !== "NO_SIDE_EFFECTS";
}

/** Does a call end the collection of logs? */
export function stopsCollection(method: protobuf.Method): boolean {
  return method.fullName === ".fluentd.v1.Fluentd.Stop";
}

/** Is the outcome of two calls that of one? */
export function isIdempotent(method: protobuf.Method): boolean {
  return idempotency(method) !== undefined;
}

function idempotency(method: protobuf.Method): string | undefined {
  return method.options?.["idempotency_level"];
}
