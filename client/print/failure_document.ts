/**
 * A call that failed, as a document: what `failure_text.ts` says to people, for programs.
 *
 *     message Status {
 *       int32 code = 1;                           // these three as google.rpc.Status has them
 *       string message = 2;
 *       repeated google.protobuf.Any details = 3;
 *       …                                         // and what failure_facts.ts knows
 *     }
 *
 * @module
 */
import protobuf from "protobufjs";
import { writeMessage } from "../../shared/codec/document.ts";
import { encodeStatus } from "../../shared/grpc/rpc_error.ts";
import type { CallFailure } from "../call/failure.ts";
import { addFactFields, failureFacts } from "./failure_facts.ts";
import { failureText } from "./failure_text.ts";
import { addOwnTypes } from "./own_types.ts";
import { isTable } from "./print.ts";
import type { ResponseFormat } from "./print_options.ts";

/** In the form that was asked for, else for people. */
export function failureDocument(failure: CallFailure, format: ResponseFormat | undefined): string {
  if (format === undefined || isTable(format)) return failureText(failure);
  const type = addFactFields(
    new protobuf.Type("Status")
      .add(new protobuf.Field("code", 1, "int32"))
      .add(new protobuf.Field("message", 2, "string"))
      .add(new protobuf.Field("details", 3, ".google.protobuf.Any", "repeated")),
  );
  addOwnTypes(failure.method.root, [type]);
  const { code, message: text, details } = failure.error;
  const message = type.decode(encodeStatus({ code, message: text, details }));
  return writeMessage(Object.assign(message, failureFacts(failure)), { type, format });
}
