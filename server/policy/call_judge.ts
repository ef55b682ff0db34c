/**
 * Decides on the calls that go to an upstream, and writes into them who calls.
 *
 * | connection                       | who calls                        | what may be called             |
 * | -------------------------------- | -------------------------------- | ------------------------------ |
 * | a tunnel, with a policy          | whom the hub's voucher names     | what the policy allows         |
 * | a tunnel, without                | whom the hub names               | everything                     |
 * | raw                              | who opened it, as the hub says   | everything (§8.2 of the        |
 * |                                  |                                  | protocol: it was asked before) |
 *
 * `x-hub-operator` is so always the hub's, or not there. A caller cannot write it, in no mode and
 * in no trailers.
 *
 * @module
 */
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { type Field, firstValue, type HeaderList } from "../../shared/http2/header_list.ts";
import { OPERATOR_FIELD, VOUCHER_FIELD } from "../../shared/vouchers/voucher.ts";
import type { Guarded } from "./guard.ts";
import { forbidden } from "./errors.ts";

const AUTHORIZATION = "authorization";

/** A call that may be made. */
export interface Admitted {
  /** As the upstream gets it. */
  readonly fields: HeaderList;
  /** To be disposed of when the call is over. */
  readonly kept?: Disposable;
}

/**
 * Looks at the head of a call.
 *
 * @param end Ends the call later, when it is no longer allowed.
 * @returns Why it may not be made, if so.
 */
export type CallJudge = (fields: HeaderList, end: () => void) => Admitted | RpcError;

/**
 * Paths that an HTTP framework may read as another one than the policy does: with a query, escaped,
 * with empty or dotted segments. No gRPC library sends them.
 */
const AMBIGUOUS_PATH = /[%?#;\\]|\/\/|\/\.{1,2}(\/|$)/;

/** By a server's own policy. @param upstream Its name. */
export function policyJudge({ guard, vouchers }: Guarded, upstream: string): CallJudge {
  return (fields, end) => {
    const path = firstValue(fields, ":path") ?? "";
    const called = { upstream, path };
    const given = fields.filter(([name]) => name === VOUCHER_FIELD).map(([, value]) => value);
    const caller = vouchers.read(given.length === 0 ? undefined : given.join());
    if (caller instanceof RpcError) return caller;
    if (AMBIGUOUS_PATH.test(path)) return forbidden(caller, called);
    const recheck = () => guard.refusal(caller, called);
    const refusal = recheck();
    if (refusal !== undefined) return refusal;
    return { fields: named(fields, caller.operator), kept: guard.keep({ recheck, end }) };
  };
}

/** Everything is allowed, to a caller of that name. */
export function namedJudge(operator: string): CallJudge {
  return (fields) => ({ fields: named(fields, operator) });
}

/** Everything is allowed, and the hub has written who calls. */
export function trustingJudge(fields: HeaderList): Admitted {
  return { fields };
}

/**
 * The same, with a token for the upstream in calls that bring none. @param token Or nothing.
 */
export function withToken(judge: CallJudge, token: string | undefined): CallJudge {
  if (token === undefined) return judge;
  const own: Field = [AUTHORIZATION, `Bearer ${token}`, true];
  return (fields, end) => {
    const judged = judge(fields, end);
    if (judged instanceof RpcError) return judged;
    const has = judged.fields.some(([name]) => name === AUTHORIZATION);
    return has ? judged : { ...judged, fields: [...judged.fields, own] };
  };
}

/** Request trailers: they name nobody. */
export function withoutNames(fields: HeaderList): HeaderList {
  return fields.filter(([name]) => name !== VOUCHER_FIELD && name !== OPERATOR_FIELD);
}

/** The call with the operator's name, and without the proof. */
function named(fields: HeaderList, operator: string): HeaderList {
  return [...withoutNames(fields), [OPERATOR_FIELD, operator] satisfies Field];
}
