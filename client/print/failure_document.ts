/**
 * A call that failed, as a document: what `failure_text.ts` says to people, for programs.
 *
 *     message Status {
 *       int32 code = 1;                           // these three as google.rpc.Status has them
 *       string message = 2;
 *       repeated google.protobuf.Any details = 3;
 *       string status = 4;                        // the code's name, such as UNAVAILABLE
 *       string call = 5;                          // fluentd.start, or package.Service/Method
 *       string server = 6;                        // as it was named; absent for the hub
 *       string hop = 7;                           // who said no, or the end of the way that was lost
 *       string delivery = 8;                      // not-delivered, answered or unknown
 *       string hint = 9;
 *       string requestId = 10;                    // with it, the call may be repeated
 *       string hub = 11;                          // of several: whose answer this is
 *       repeated string missedHubs = 12;          // the others, and why they did not take the call
 *       string callId = 13;                       // as in the hub's audit
 *     }
 *
 * @module
 */
import protobuf from "protobufjs";
import { writeMessage } from "../../shared/codec/document.ts";
import { encodeStatus } from "../../shared/grpc/rpc_error.ts";
import { statusName } from "../../shared/grpc/status.ts";
import { callIdOf, deliveryOf, hopOf } from "../call/delivery.ts";
import type { CallFailure } from "../call/failure.ts";
import { failureText } from "./failure_text.ts";
import { hintOf } from "./hints.ts";
import { addOwnTypes } from "./own_types.ts";
import { isTable } from "./print.ts";
import type { ResponseFormat } from "./print_options.ts";

/** In the form that was asked for, else for people. */
export function failureDocument(failure: CallFailure, format: ResponseFormat | undefined): string {
  if (format === undefined || isTable(format)) return failureText(failure);
  const { error, title, server, requestId, address, missed = [] } = failure;
  const type = statusType();
  addOwnTypes(failure.method.root, [type]);
  const { code, message: text, details } = error;
  const message = type.decode(encodeStatus({ code, message: text, details }));
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
  for (const [name, value] of Object.entries(facts)) {
    if (value !== undefined) Object.assign(message, { [name]: value });
  }
  return writeMessage(message, { type, format });
}

function statusType(): protobuf.Type {
  const type = new protobuf.Type("Status")
    .add(new protobuf.Field("code", 1, "int32"))
    .add(new protobuf.Field("message", 2, "string"))
    .add(new protobuf.Field("details", 3, ".google.protobuf.Any", "repeated"));
  const more = ["status", "call", "server", "hop", "delivery", "hint", "requestId", "hub"];
  for (const [i, name] of more.entries()) type.add(new protobuf.Field(name, 4 + i, "string"));
  return type.add(new protobuf.Field("missedHubs", 12, "string", "repeated"))
    .add(new protobuf.Field("callId", 13, "string"));
}
