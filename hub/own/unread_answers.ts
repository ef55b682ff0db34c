/**
 * Answers of the hub's own services that wait for a caller who does not read them. grpc-js keeps each
 * one whole until its call has ended, and a list of all servers is long: what an operator has asked
 * for and not read is counted, and is in the hub's memory account.
 *
 * @module
 */
import { errorInfo, RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import { ERROR_DOMAIN } from "../errors.ts";

/** What one operator may leave unread. One answer, however long, is always given. */
export const MAX_UNREAD_BYTES = 16 << 20;

/** As much of a call as must be known: grpc-js says `cancelled` at the end of each, even a good one. */
export interface EndingCall {
  readonly cancelled: boolean;
  once(event: "cancelled", listener: () => void): unknown;
}

/** Counts the bytes of answers that callers asked for and have not read. */
export class UnreadAnswers {
  readonly #of = new Map<string, number>();
  #bytes = 0;

  /** Of all operators. */
  get bytes(): number {
    return this.#bytes;
  }

  /** @throws {RpcError} If this operator leaves too much unread: then it gets no more. */
  check(operator: string): void {
    if ((this.#of.get(operator) ?? 0) < MAX_UNREAD_BYTES) return;
    throw new RpcError(
      Status.RESOURCE_EXHAUSTED,
      `"${operator}" has not read ${MAX_UNREAD_BYTES >> 20} MiB of answers: read or cancel these ` +
        "calls, then ask again",
      { details: [errorInfo("ANSWERS_UNREAD", ERROR_DOMAIN)] },
    );
  }

  /** Counts an answer until its call has ended. */
  hold(operator: string, bytes: number, call: EndingCall): void {
    if (call.cancelled) return;
    this.#add(operator, bytes);
    call.once("cancelled", () => this.#add(operator, -bytes));
  }

  #add(operator: string, bytes: number): void {
    this.#bytes += bytes;
    const held = (this.#of.get(operator) ?? 0) + bytes;
    if (held === 0) this.#of.delete(operator);
    else this.#of.set(operator, held);
  }
}
