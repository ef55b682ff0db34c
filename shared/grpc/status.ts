/**
 * gRPC status codes.
 *
 * @see https://github.com/grpc/grpc/blob/master/doc/statuscodes.md
 * @module
 */

/** Name → number of each status code. */
export const Status = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

/** A status code's name, such as `NOT_FOUND`. */
export type StatusName = keyof typeof Status;
/** A status code, 0 to 16. */
export type StatusCode = (typeof Status)[StatusName];

const NAMES = Object.keys(Status) as StatusName[];

/** The name of a code; a code that gRPC does not define reads as `UNKNOWN`. */
export function statusName(code: number): StatusName {
  return NAMES[code] ?? "UNKNOWN";
}
