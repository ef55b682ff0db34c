/**
 * A response with all that came with it, as a message of its own, so that every format writes it:
 *
 *     message Envelope {
 *       string server = 1;
 *       Status status = 2;                    // absent before the end of a stream
 *       map<string, string> headers = 3;
 *       <response type> response = 4;         // absent when there is none
 *       map<string, string> trailers = 5;
 *       double duration_ms = 6;
 *     }
 *
 *     message Status {                          // google.rpc.Status, but 0 is written as well
 *       optional int32 code = 1;
 *       string message = 2;
 *       repeated google.protobuf.Any details = 3;
 *       …                                       // of a failure, what failure_facts.ts knows
 *     }
 *
 * @module
 */
import protobuf from "protobufjs";
import { encodeStatus } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import { encodeBase64 } from "../../shared/bytes/base64.ts";
import type { CallMetadata } from "../../shared/grpc/call_metadata.ts";
import type { CallFailure } from "../call/failure.ts";
import { addFactFields, failureFacts } from "./failure_facts.ts";
import { addOwnTypes } from "./own_types.ts";

export interface EnvelopeContent {
  readonly message: protobuf.Message | undefined;
  readonly end: End;
  /** Is the status known? */
  readonly ended: boolean;
}

const types = new WeakMap<protobuf.Type, protobuf.Type>();

/** The type of envelopes around this type. */
function envelopeType(response: protobuf.Type): protobuf.Type {
  const known = types.get(response);
  if (known !== undefined) return known;
  const status = addFactFields(
    new protobuf.Type("Status")
      .add(new protobuf.Field("code", 1, "int32", { proto3_optional: true }))
      .add(new protobuf.Field("message", 2, "string"))
      .add(new protobuf.Field("details", 3, ".google.protobuf.Any", "repeated")),
  );
  const type = new protobuf.Type("Envelope")
    .add(new protobuf.Field("server", 1, "string"))
    .add(new protobuf.Field("status", 2, "Status"))
    .add(new protobuf.MapField("headers", 3, "string", "string"))
    .add(new protobuf.Field("response", 4, response.fullName))
    .add(new protobuf.MapField("trailers", 5, "string", "string"))
    .add(new protobuf.Field("durationMs", 6, "double"));
  addOwnTypes(response.root, [status, type]);
  types.set(response, type);
  return type;
}

/** The envelope of a message, or of the end of a call. */
export function makeEnvelope(
  response: protobuf.Type,
  { message, end, ended }: EnvelopeContent,
): { readonly type: protobuf.Type; readonly message: protobuf.Message } {
  const type = envelopeType(response);
  const { server, failure, headers, trailers, durationMs } = end;
  const { root } = type;
  const statusType = type.fields["status"]!.resolve().resolvedType as protobuf.Type;
  const ok = { code: Status.OK, message: "", details: [] };
  const { code, message: text, details } = failure?.error ?? ok;
  const status = encodeStatus({ code, message: text, details });
  const fields: Record<string, unknown> = {
    headers: entries(headers),
    trailers: entries(trailers),
    durationMs: Math.round(durationMs * 1000) / 1000,
  };
  if (server !== undefined) fields["server"] = server;
  if (ended) {
    const facts = failure && failureFacts(failure);
    fields["status"] = Object.assign(statusType.decode(status), { code }, facts);
  }
  if (message !== undefined) {
    // Through bytes: a message of the other root is not one of this.
    fields["response"] = root.lookupType(response.fullName).decode(
      response.encode(message).finish(),
    );
  }
  return { type, message: type.create(fields) };
}

/** Binary values as base64, several of one key as a list with commas. */
function entries(metadata: CallMetadata | undefined): Record<string, string> {
  const found: Record<string, string> = Object.create(null);
  for (const key of metadata?.keys() ?? []) {
    found[key] = metadata!.get(key)
      .map((value) => typeof value === "string" ? value : encodeBase64(value)).join(", ");
  }
  return found;
}

/** How a call ended. */
export interface End {
  readonly server: string | undefined;
  /** Absent for OK. */
  readonly failure?: CallFailure | undefined;
  readonly headers: CallMetadata | undefined;
  readonly trailers: CallMetadata | undefined;
  readonly durationMs: number;
}
