/**
 * A refusal of a tunnel: docs/protocol.md §2.5.
 *
 * @module
 */
import type { StatusName } from "../shared/grpc/status.ts";

/** An HTTP status, and a one-line JSON body that a person can act on. */
export interface Refusal {
  readonly status: 400 | 401 | 403 | 404 | 409 | 429 | 503;
  readonly code: StatusName;
  readonly message: string;
  /** Goes into `Retry-After`, in whole seconds. */
  readonly retryAfterS?: number;
}

/** The HTTP answer that carries a refusal. */
export function refusalResponse(refusal: Refusal): Response {
  const { status, code, message, retryAfterS } = refusal;
  const headers = new Headers({ "content-type": "application/json" });
  if (retryAfterS !== undefined) headers.set("retry-after", String(retryAfterS));
  if (status === 401) headers.set("www-authenticate", "Bearer");
  return new Response(JSON.stringify({ code, message }) + "\n", { status, headers });
}
