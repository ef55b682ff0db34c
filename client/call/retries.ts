/**
 * Whether to try again, and when.
 *
 * @module
 */
import { backoff } from "../../shared/async/backoff.ts";
import { durationMs } from "../../shared/grpc/proto_time.ts";
import { Status } from "../../shared/grpc/status.ts";
import type { CallFailure } from "./failure.ts";

/** May another try do better? A refusal stays one. */
export function isPassing({ error }: CallFailure): boolean {
  return error.code === Status.UNAVAILABLE;
}

/** The peer's `RetryInfo`, else an exponential wait with jitter. */
export function retryWaitMs({ error }: CallFailure, tries: number): number {
  const info = error.details.find(({ type }) => type === "google.rpc.RetryInfo")?.value;
  const asked = info !== undefined && "retryDelay" in info
    ? durationMs(info.retryDelay ?? {})
    : undefined;
  return asked ?? backoff(tries);
}
