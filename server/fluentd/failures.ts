/**
 * What goes wrong, by name: errors (nothing was attempted, or the result is unknown) and
 * failures (it was attempted and seen to fail). docs/fluentd.md explains each.
 *
 * @module
 */
import type { fluentd_v1_Failure as WireFailure } from "../../shared/gen/types.ts";
import { type Detail, errorInfo, RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status, type StatusCode } from "../../shared/grpc/status.ts";

/** The domain of our ErrorInfo details. */
export const ERROR_DOMAIN = "fluentd.v1";

/** Reason of an error → its status. */
const ERROR_STATUS = {
  AGENT_PRIVILEGE: Status.PERMISSION_DENIED,
  COMMAND_NOT_FOUND: Status.FAILED_PRECONDITION,
  CONFIG_INVALID: Status.FAILED_PRECONDITION,
  CONFIG_UNCHECKABLE: Status.FAILED_PRECONDITION,
  INVALID_REQUEST: Status.INVALID_ARGUMENT,
  JOURNAL_UNWRITABLE: Status.FAILED_PRECONDITION,
  NOT_RUNNING: Status.FAILED_PRECONDITION,
  OPERATION_IN_PROGRESS: Status.ABORTED,
  OPERATION_INTERRUPTED: Status.UNKNOWN,
  REQUEST_ID_REUSED: Status.INVALID_ARGUMENT,
  RUNNING_ELSEWHERE: Status.FAILED_PRECONDITION,
  SUPERSEDED: Status.ABORTED,
  SHUTTING_DOWN: Status.UNAVAILABLE,
  SYSTEMD_UNREACHABLE: Status.UNAVAILABLE,
  UNIT_MASKED: Status.FAILED_PRECONDITION,
  UNIT_NOT_FOUND: Status.NOT_FOUND,
  UNSENT_IN_MEMORY: Status.FAILED_PRECONDITION,
  WORKER_MISSING: Status.FAILED_PRECONDITION,
  ZERO_DOWNTIME_UNSUPPORTED: Status.UNIMPLEMENTED,
} as const satisfies Record<string, StatusCode>;

export type ErrorReason = keyof typeof ERROR_STATUS;

/** Reasons of a `failure` in a response. */
export type FailureReason =
  | "CRASH_LOOP"
  | "DEGRADED"
  | "EXITED"
  | "KILL_FAILED"
  | "MANAGER_ERROR"
  | "NOT_READY"
  | "ORPHANED"
  | "START_TIMEOUT"
  | "STILL_RUNNING"
  | "TAKEOVER_FAILED"
  | ErrorReason;

export interface ErrorOptions {
  /** For programs; kept short, or peers drop it. */
  readonly metadata?: Record<string, string>;
  readonly details?: readonly Detail[];
  readonly cause?: unknown;
}

/** An error with its reason. */
export function fluentdError(
  reason: ErrorReason,
  message: string,
  { metadata = {}, details = [], cause }: ErrorOptions = {},
): RpcError {
  return new RpcError(ERROR_STATUS[reason], message, {
    details: [errorInfo(reason, ERROR_DOMAIN, metadata), ...details],
    cause,
  });
}

/** A bad field of a request, named as in the proto file. */
export function badField(field: string, description: string): RpcError {
  return fluentdError("INVALID_REQUEST", `Invalid ${field}: ${description}`, {
    details: [{
      type: "google.rpc.BadRequest",
      value: { fieldViolations: [{ field, description }] },
    }],
  });
}

/** The reason of an error that we made; `undefined` for another. */
export function reasonOf(error: unknown): ErrorReason | undefined {
  if (!(error instanceof RpcError)) return undefined;
  const info = error.details.find(({ type }) => type === "google.rpc.ErrorInfo")?.value;
  const reason = (info as { reason?: string } | undefined)?.reason;
  return reason !== undefined && reason in ERROR_STATUS ? reason as ErrorReason : undefined;
}

/** Why an attempt failed. */
export interface Failure {
  readonly reason: FailureReason;
  readonly message: string;
  readonly exitCode?: number;
  readonly signal?: string;
  readonly logTail?: readonly string[];
}

/** An attempt that failed because a step of it threw. */
export function failureOf(error: unknown): Failure {
  return {
    reason: reasonOf(error) ?? "MANAGER_ERROR",
    message: error instanceof Error ? error.message : String(error),
  };
}

/** A failure as the wire has it. */
export function toWireFailure(failure: Failure): WireFailure {
  return { ...failure, logTail: [...failure.logTail ?? []] };
}
