/**
 * What is known of a failed call in addition to `google.rpc.Status`, as fields of a message: the same
 * ones in an error's own document and in an envelope.
 *
 *     string status = 4;                        // the code's name, such as UNAVAILABLE
 *     string call = 5;                          // fluentd.start, or package.Service/Method
 *     string server = 6;                        // as it was named; absent for the hub
 *     string hop = 7;                           // who said no, or the end of the way that was lost
 *     string delivery = 8;                      // not-delivered, answered or unknown
 *     string hint = 9;
 *     string requestId = 10;                    // with it, the call may be repeated
 *     string hub = 11;                          // of several: whose answer this is
 *     repeated string missedHubs = 12;          // the others, and why they did not take the call
 *     string callId = 13;                       // as in the hub's audit
 *
 * @module
 */
import protobuf from "protobufjs";
import { statusName } from "../../shared/grpc/status.ts";
import { callIdOf, deliveryOf, hopOf } from "../call/delivery.ts";
import type { CallFailure } from "../call/failure.ts";
import { hintOf } from "./hints.ts";

/** Adds the fields to a message that has those of `google.rpc.Status`. */
export function addFactFields(type: protobuf.Type): protobuf.Type {
  const texts = ["status", "call", "server", "hop", "delivery", "hint", "requestId", "hub"];
  for (const [i, name] of texts.entries()) type.add(new protobuf.Field(name, 4 + i, "string"));
  return type.add(new protobuf.Field("missedHubs", 12, "string", "repeated"))
    .add(new protobuf.Field("callId", 13, "string"));
}

/** Those that are known, by their names. */
export function failureFacts(failure: CallFailure): Record<string, unknown> {
  const { error, title, server, requestId, address, missed = [] } = failure;
  const facts = {
    status: statusName(error.code),
    call: title,
    server,
    hop: hopOf(error, failure),
    delivery: deliveryOf(error, failure),
    hint: hintOf(failure),
    requestId,
    callId: callIdOf(error),
    ...(missed.length > 0 && {
      hub: address,
      missedHubs: missed.map((one) => `${one.address}: ${one.error.message}`),
    }),
  };
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined));
}
