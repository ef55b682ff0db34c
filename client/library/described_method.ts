/**
 * A method of which a program has the descriptors alone: its messages are JSON, as gclient has them.
 *
 * @module
 */
import type protobuf from "protobufjs";
import { readMessages, writeMessage } from "../../shared/codec/document.ts";
import { fullName } from "../../shared/codec/fields.ts";
import { missingRequired } from "../../shared/codec/required.ts";
import { methodPath } from "../../shared/grpc/service.ts";
import { messageTypes } from "../call/call.ts";
import type { HubMethod, JsonMessage } from "./method.ts";

/** The method that a descriptor describes. */
export function describedMethod(method: protobuf.Method): HubMethod<JsonMessage, JsonMessage> {
  const { request: type, response } = messageTypes(method);
  return {
    path: methodPath(method),
    requestStream: method.requestStream ?? false,
    responseStream: method.responseStream ?? false,
    requestSerialize(value) {
      const source = `the ${fullName(type)}`;
      const [message] = readMessages(JSON.stringify(value), { type, format: "json", source });
      if (message === undefined) {
        throw new TypeError(`Cannot read ${source}: it is not one message`);
      }
      const missing = missingRequired(type, message);
      if (missing !== undefined) {
        throw new TypeError(`Cannot send ${source}: ${missing} is missing`);
      }
      return type.encode(message).finish();
    },
    responseDeserialize: (bytes) =>
      JSON.parse(writeMessage(response.decode(bytes), { type: response, format: "json" })),
  };
}
