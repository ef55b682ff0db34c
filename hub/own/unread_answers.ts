/**
 * Answers of the hub's own services that wait for a caller who does not read them. A list of all
 * servers is long, and waits whole: who has asked for much and reads nothing gets no more.
 *
 * @module
 */
import type { CallMetadata } from "../../shared/grpc/call_metadata.ts";
import { errorInfo, RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import { OPERATOR_FIELD } from "../../shared/vouchers/voucher.ts";
import { ERROR_DOMAIN } from "../errors.ts";

/** What one operator may leave unread. One answer, however long, is always given. */
export const MAX_UNREAD_BYTES = 16 << 20;

/** As much of the server's connections as must be known. */
interface Answering {
  readonly calls: Iterable<{ readonly metadata: CallMetadata; readonly unreadBytes: number }>;
}

/** Whose call it is: the relay writes this field, whatever a caller has sent. */
export function operatorOf(metadata: CallMetadata): string {
  return String(metadata.get(OPERATOR_FIELD)[0] ?? "");
}

/**
 * Looks at all calls: there are a thousand at most.
 *
 * @throws {RpcError} If this operator leaves too much unread.
 */
export function checkUnread(operator: string, connections: Iterable<Answering>): void {
  let unread = 0;
  for (const { calls } of connections) {
    for (const { metadata, unreadBytes } of calls) {
      if (unreadBytes > 0 && operatorOf(metadata) === operator) unread += unreadBytes;
    }
  }
  if (unread < MAX_UNREAD_BYTES) return;
  throw new RpcError(
    Status.RESOURCE_EXHAUSTED,
    `"${operator}" has not read ${MAX_UNREAD_BYTES >> 20} MiB of answers: read or cancel these ` +
      "calls, then ask again",
    { details: [errorInfo("ANSWERS_UNREAD", ERROR_DOMAIN)] },
  );
}
