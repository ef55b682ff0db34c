/**
 * A call that failed, as text.
 *
 *     error: fluentd.start on edge-7: FAILED_PRECONDITION: Unit fluentd.service is masked
 *       reason: UNIT_MASKED (domain fluentd)    hop: server    call id: 5f0c9a1e-42
 *       1) google.rpc.PreconditionFailure {"violations":[…]}
 *       The outcome is unknown
 *     hint: gclient fluentd status edge-7
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type protobuf from "protobufjs";
import { findType } from "../../shared/codec/fields.ts";
import { writeMessage } from "../../shared/codec/document.ts";
import { root } from "../../shared/grpc/root.ts";
import type { Detail, RpcError } from "../../shared/grpc/rpc_error.ts";
import { statusName } from "../../shared/grpc/status.ts";
import { printable } from "../../shared/text/printable.ts";
import { callIdOf, deliveryOf, hopOf } from "../call/delivery.ts";
import { type CallFailure, ERROR_INFO, errorInfoOf } from "../call/failure.ts";
import { mayChange } from "../call/method_kind.ts";
import { hintOf } from "./hints.ts";

/** The whole text, in lines. */
export function failureText(failure: CallFailure): string {
  const { title, server, error, address, missed = [] } = failure;
  const on = server === undefined ? "" : ` on ${server}`;
  const { message, hubs } = ofSeveral(failure);
  const lines = [`error: ${title}${on}: ${statusName(error.code)}: ${message}`, ...hubs];
  const facts: string[] = [];
  const info = errorInfoOf(error);
  if (info !== undefined) facts.push(`reason: ${info.reason} (domain ${info.domain})`);
  const hop = hopOf(error, failure);
  if (hop !== undefined) facts.push(`hop: ${hop}`);
  if (missed.length > 0 && message === error.message) facts.push(`hub: ${address}`);
  const callId = callIdOf(error);
  if (callId !== undefined) facts.push(`call id: ${callId}`);
  if (facts.length > 0) lines.push(`  ${facts.join("    ")}`);
  const others = error.details.filter((detail) =>
    detail !== undefined && !(detail.type === ERROR_INFO && detail.value === info)
  );
  lines.push(
    ...others.map((detail, i) =>
      `  ${i + 1}) ${detail.type} ${detailText(detail, failure.method.root)}`
    ),
  );
  const delivery = deliveryText(failure);
  if (delivery !== undefined) lines.push(`  ${delivery}`);
  const hint = hintOf(failure);
  if (hint !== undefined) lines.push(`hint: ${hint}`);
  return lines.map((line) => `${printable(line)}\n`).join("");
}

/** The message, and a line for each hub that did not take the call. */
function ofSeveral(
  { error, address, missed = [], ...way }: CallFailure,
): { readonly message: string; readonly hubs: readonly string[] } {
  const lineOf = (one: { address: string; error: RpcError }) =>
    `  ${one.address}: ${one.error.message}`;
  const isReached = hopOf(error, way) !== "client → hub";
  if (missed.length === 0 || isReached) {
    return { message: error.message, hubs: missed.map(lineOf) };
  }
  const message = `None of ${missed.length + 1} hubs can be reached`;
  return { message, hubs: [...missed, { address, error }].map(lineOf) };
}

/** What is known of the outcome, as a sentence; nothing when the server itself said it. */
export function deliveryText(failure: CallFailure): string | undefined {
  const { error, method, requestId } = failure;
  const delivery = deliveryOf(error, failure);
  if (delivery === "answered") return undefined;
  if (delivery === "not-delivered") return "The call was not delivered: nothing was done";
  if (!mayChange(method)) return undefined;
  const unknown = "The outcome is unknown: it may have been carried out";
  if (requestId === undefined) return unknown;
  return `${unknown}. With --set requestId=${requestId} it is done once at most, and says how it went`;
}

function detailText({ type, value }: Detail, schema: protobuf.Root): string {
  const own = findType(root, type);
  if (!(value instanceof Uint8Array) && own !== undefined) {
    return writeMessage(own.fromObject(value), { type: own, format: "json" }).trim();
  }
  const bytes = value as Uint8Array;
  const told = findType(schema, type);
  try {
    if (told !== undefined) {
      return writeMessage(told.decode(bytes), { type: told, format: "json" }).trim();
    }
  } catch {
    // Not what the schema says: shown as what it is.
  }
  return `${Buffer.from(bytes).toString("base64")} (base64: its type is not known here)`;
}
