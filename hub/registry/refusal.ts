/**
 * A refusal of a tunnel: docs/protocol.md §2.5.
 *
 * @module
 */
import type { StatusName } from "../../shared/grpc/status.ts";

/** An HTTP status, and a one-line JSON body that a person can act on. */
export interface Refusal {
  readonly status: 400 | 401 | 403 | 404 | 409 | 429 | 503;
  readonly code: StatusName;
  readonly message: string;
  /** Goes into `Retry-After`, in whole seconds. */
  readonly retryAfterS?: number;
  /** Whose credential it was, where that was good and what it asked for was not. For the audit. */
  readonly who?: string;
}
