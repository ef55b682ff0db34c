/**
 * The checks of what a request asks for.
 *
 * @module
 */
import type { google_protobuf_Duration as Duration } from "../../shared/gen/types.ts";
import { durationMs } from "../../shared/grpc/proto_time.ts";
import { badField } from "./failures.ts";

/** No operation may take longer than this. */
export const MAX_WAIT_MS = 60 * 60 * 1000;
/** Characters of a request_id. */
export const MAX_REQUEST_ID_LENGTH = 128;
/** Characters of a reason. */
export const MAX_REASON_LENGTH = 1000;

/**
 * A duration of a request in milliseconds.
 *
 * @param field Its name in the proto file, for the error.
 * @throws {RpcError} `INVALID_ARGUMENT` if it is negative or longer than `MAX_WAIT_MS`.
 */
export function readDuration(
  field: string,
  duration: Duration | undefined,
  { defaultMs }: { readonly defaultMs: number },
): number {
  if (duration === undefined) return defaultMs;
  const ms = durationMs(duration);
  if (!(ms >= 0 && ms <= MAX_WAIT_MS)) {
    throw badField(field, `must be from 0s to ${MAX_WAIT_MS / 1000}s, is ${ms / 1000}s`);
  }
  return ms;
}

/** Checks a text that is kept and logged. */
export function readText(
  field: string,
  text: string | undefined,
  { maxLength }: { readonly maxLength: number },
): string {
  if (text === undefined) return "";
  if (text.length > maxLength) {
    throw badField(field, `has ${text.length} characters, ${maxLength} are allowed`);
  }
  // deno-lint-ignore no-control-regex
  if (/[\x00-\x1f\x7f]/.test(text)) throw badField(field, "has control characters");
  return text;
}
