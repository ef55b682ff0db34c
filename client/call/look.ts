/**
 * A question that a command asks again and again: it outlives what passes by itself, such as a hub that
 * is restarted.
 *
 * @module
 */
import { type StatusName, statusName } from "../../shared/grpc/status.ts";
import { ask, type Question } from "./ask.ts";
import { askedHub } from "./asked_hub.ts";
import { CallFailedError, type CallFailure } from "./failure.ts";
import type { CallRoute } from "./route.ts";

/** What may pass by itself. */
const PASSING: ReadonlySet<StatusName> = new Set([
  "UNAVAILABLE",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "RESOURCE_EXHAUSTED",
]);

/** How a command looks. */
export interface LookPlan extends Pick<CallFailure, "title"> {
  /** As a failure tells them. */
  readonly flags: string;
  readonly route: CallRoute;
  /** Unless named, the hub itself is asked. */
  readonly server?: string;
  readonly deadline: number;
}

/** An answer, or a failure that may pass. */
export type Looked<Response> =
  | { readonly answer: Response; readonly passing?: never }
  | { readonly answer?: never; readonly passing: CallFailure };

/** @throws {CallFailedError} For a failure that will not pass. */
export async function look<Response extends object>(
  { title, flags, route, server, deadline }: LookPlan,
  question: Question,
): Promise<Looked<Response>> {
  const answered = await ask<Response>({ ...route, server, deadline }, question);
  const { method, error, connected, refused, hub, missed, answer } = answered;
  if (error === undefined) return { answer };
  const failure: CallFailure = {
    ...askedHub(route, hub),
    title,
    server,
    flags,
    missed,
    method,
    error,
    connected,
    refused,
  };
  if (PASSING.has(statusName(error.code))) return { passing: failure };
  throw new CallFailedError(failure);
}
