/**
 * Times and durations as protobuf has them.
 *
 * @module
 */
import type {
  google_protobuf_Duration as Duration,
  google_protobuf_Timestamp as Timestamp,
} from "../shared/gen/types.ts";

/** Splits milliseconds so that `nanos` is never negative, as a Timestamp demands. */
function split(ms: number): { seconds: number; nanos: number } {
  const seconds = Math.floor(ms / 1000);
  return { seconds, nanos: Math.floor((ms - seconds * 1000) * 1e6) };
}

/** A time from milliseconds since the epoch, to the millisecond: clocks are no better. */
export function timestamp(ms: number): Timestamp {
  return split(Math.floor(ms));
}

/** A duration from milliseconds, at least 0. */
export function duration(ms: number): Duration {
  return split(ms);
}
