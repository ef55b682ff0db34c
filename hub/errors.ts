/**
 * What the errors that the hub makes have in common.
 *
 * @module
 */
import { errorInfo, retryInfo, RpcError } from "../shared/grpc/rpc_error.ts";
import { Status } from "../shared/grpc/status.ts";

/** `ErrorInfo.domain` of all errors that the hub makes. */
export const ERROR_DOMAIN = "ghub";

/** Names that an error lists; the rest is counted. */
export const MAX_NAMES_SHOWN = 20;

/** `RetryInfo` of a server that is away: servers come back within their backoff of up to 30 s. */
export const RETRY_DELAY_MS = 5_000;

/** `RetryInfo`: a call ends, or the next second's count is better. */
export const LIMIT_RETRY_MS = 1_000;

/** Over a limit: nothing was delivered, and when to try again. */
export function exhausted(
  reason: string,
  message: string,
  { metadata = {}, retryMs = LIMIT_RETRY_MS }: {
    /** Who is over it. */
    readonly metadata?: Readonly<Record<string, string>>;
    readonly retryMs?: number;
  } = {},
): RpcError {
  return new RpcError(Status.RESOURCE_EXHAUSTED, `${message}; nothing was delivered`, {
    details: [errorInfo(reason, ERROR_DOMAIN, metadata), retryInfo(Math.ceil(retryMs))],
  });
}
