/**
 * Times and durations, as protobuf has them and as we have them: milliseconds.
 *
 * @see https://protobuf.dev/reference/protobuf/google.protobuf/#duration
 * @module
 */
import type {
  google_protobuf_Duration as Duration,
  google_protobuf_Timestamp as Timestamp,
} from "../gen/types.ts";

/** The largest `nanos` that protobuf allows. */
const MAX_NANOS = 999_999_999;

/**
 * Splits milliseconds so that `nanos` is from 0 to 999,999,999. It rounds down, because rounding to
 * the nearest number could give 1,000,000,000, which is not valid.
 */
function split(ms: number): { seconds: number; nanos: number } {
  const seconds = Math.floor(ms / 1000);
  // Of -1e-20 ms the rest is 1000 ms: a floating-point number has no place for less.
  return { seconds, nanos: Math.min(Math.floor((ms - seconds * 1000) * 1e6), MAX_NANOS) };
}

/** A time from milliseconds since the epoch, to the millisecond: clocks are no better. */
export function timestamp(ms: number): Timestamp {
  return split(Math.floor(ms));
}

/** A duration from milliseconds. Both parts of a negative one are negative, as protobuf demands. */
export function duration(ms: number): Duration {
  if (ms >= 0) return split(ms);
  const { seconds, nanos } = split(-ms);
  return { seconds: 0 - seconds, nanos: 0 - nanos };
}

/** Milliseconds of a Duration, with fractions; `undefined` for none. */
export function durationMs(duration: Duration): number;
export function durationMs(duration: Duration | undefined): number | undefined;
export function durationMs(duration: Duration | undefined): number | undefined {
  if (duration === undefined) return undefined;
  return Number(duration.seconds ?? 0) * 1000 + (duration.nanos ?? 0) / 1e6;
}

/** Whole milliseconds since the epoch of a Timestamp; `undefined` for none. */
export function timestampMs(time: Timestamp): number;
export function timestampMs(time: Timestamp | undefined): number | undefined;
export function timestampMs(time: Timestamp | undefined): number | undefined {
  if (time === undefined) return undefined;
  return Number(time.seconds ?? 0) * 1000 + Math.floor((time.nanos ?? 0) / 1e6);
}
