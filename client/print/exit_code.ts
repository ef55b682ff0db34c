/**
 * What gclient's exit code says.
 *
 * @module
 */
import type { StatusCode } from "../../shared/grpc/status.ts";

/** Exit codes other than 64 + gRPC code. */
export const Exit = {
  OK: 0,
  UNEXPECTED: 1,
  USAGE: 2,
  /** The call succeeded, what it asked for did not; or its answer is no. */
  OUTCOME_FAILED: 3,
  /** Of several servers, some failed or were not tried. */
  SOME_FAILED: 4,
  /** Of several servers, none went well. */
  ALL_FAILED: 5,
  /** Nobody has confirmed it. */
  NOT_CONFIRMED: 6,
  /** No server was meant. */
  NO_TARGET: 7,
} as const;

/** Keeps gRPC's codes apart from a program's own small ones; grpcurl has the same. */
const RPC_OFFSET = 64;

/** The exit code of a call that ended with this status. */
export function exitCodeOf(status: StatusCode): number {
  return status === 0 ? Exit.OK : RPC_OFFSET + status;
}

/** Exit codes of `status --exit-code`, as the LSB has them for `status` of an init script. */
export const Lsb = { RUNNING: 0, NOT_RUNNING: 3, UNKNOWN: 4 } as const;

/** The table for `--help`. */
export const EXIT_CODES_HELP = `Exit codes:
  0       done, also when there was nothing to do
  1       unexpected error
  2       wrong usage, or a request that cannot be read
  3       the call went through, but Fluentd did not do what was asked, or the answer is no
  4       of several servers, some failed        5   all failed
  6       not confirmed: --yes is missing        7   no server is meant
  65-80   the call failed: 64 + gRPC status code, such as
          68 DEADLINE_EXCEEDED, 69 NOT_FOUND, 71 PERMISSION_DENIED, 78 UNAVAILABLE, 80 UNAUTHENTICATED
  130/143 ended by SIGINT / SIGTERM      141 nobody reads the output any more`;
