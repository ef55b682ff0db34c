/**
 * The id of a request, by which a server does a thing once, however often it is asked.
 *
 * @module
 */
import type protobuf from "protobufjs";

/** The request's own id, if it has one. */
export function idOf(request: protobuf.Message | undefined): string | undefined {
  return (request as { requestId?: string } | undefined)?.requestId || undefined;
}

/** Gives it one, unless it has one. */
export function giveId(request: protobuf.Message): void {
  (request as { requestId?: string }).requestId = idOf(request) ?? crypto.randomUUID();
}

/** A copy with an id of its own, unless it has one: each server is asked for another thing. */
export function withId(request: protobuf.Message): protobuf.Message {
  const copy = Object.assign(request.$type.create(), request);
  giveId(copy);
  return copy;
}
