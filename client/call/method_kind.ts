/**
 * What a method says about itself: `google.protobuf.MethodOptions.idempotency_level`. The services that
 * each gRPC server may have say nothing, and only answer.
 *
 * @module
 */
import type protobuf from "protobufjs";

/** Services of gRPC itself, without the full stop at the beginning. */
const ONLY_ANSWER: ReadonlySet<string> = new Set([
  "grpc.health.v1.Health",
  "grpc.reflection.v1.ServerReflection",
  "grpc.reflection.v1alpha.ServerReflection",
]);

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
  if (ONLY_ANSWER.has(method.parent?.fullName.slice(1) ?? "")) return "NO_SIDE_EFFECTS";
  return method.options?.["idempotency_level"];
}
