/**
 * How an answer tells its hop (docs/protocol.md, "Trailers"): who answered, and whether the call had
 * left the hub, so that a caller knows if it may safely be repeated. An error also tells the call's id, by
 * which its line in the audit is found.
 *
 * @module
 */
import type { google_rpc_ErrorInfo as ErrorInfo } from "../../shared/gen/types.ts";
import { errorInfo, retryInfo, RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status, type StatusCode } from "../../shared/grpc/status.ts";
import { ErrorCode, errorName } from "../../shared/http2/frames.ts";
import { firstValue, type HeaderList, headerListBytes } from "../../shared/http2/header_list.ts";
import { encodeHeaderList } from "../../shared/http2/hpack/encoder.ts";
import { ERROR_DOMAIN } from "../errors.ts";
import type { TargetHop } from "../peer/call_target.ts";

/** Who answered: `hub` or `server`. */
export const HOP_FIELD = "x-hub-hop";
/** `1` if the call, or a part of it, had left the hub for the server. */
export const FORWARDED_FIELD = "x-hub-forwarded";

/** The call's id, as in the audit; only of a call that failed. */
export const CALL_ID_FIELD = "x-hub-call-id";

const OWN_FIELDS: ReadonlySet<string> = new Set([HOP_FIELD, FORWARDED_FIELD, CALL_ID_FIELD]);
/** An id is eight characters of the hub's, and a count. */
const MAX_ID = "x".repeat(8 + 1 + 16);

interface AnswerOptions {
  readonly endStream: boolean;
  /** The list came before, and is worth remembering: `Connection.fieldsRepeated`. */
  readonly repeated: boolean;
  readonly hop: TargetHop;
  /** Of a call that failed. @default the answer tells none */
  readonly callId?: string | undefined;
}

const heads = new WeakMap<HeaderList, Uint8Array>();
const endings = new WeakMap<HeaderList, Uint8Array>();

/**
 * A server's header section as the caller gets it. A server cannot speak for the hub: what it
 * says of the hop is replaced. Another hub can: what it says is passed on, without its id of the call.
 */
export function answerBlock(
  fields: HeaderList,
  options: AnswerOptions,
): Uint8Array {
  const { endStream, repeated, callId } = options;
  // Each id comes once only.
  if (!repeated || callId !== undefined) return encodeAnswer(fields, options);
  const known = endStream ? endings : heads;
  let block = known.get(fields);
  if (block === undefined) {
    block = encodeAnswer(fields, options);
    known.set(fields, block);
  }
  return block;
}

function encodeAnswer(
  fields: HeaderList,
  { endStream, hop, callId }: Omit<AnswerOptions, "repeated">,
): Uint8Array {
  if (hop === "peer" && callId === undefined) return encodeHeaderList(fields);
  const own = fields.filter(([name]) =>
    hop === "peer" ? name !== CALL_ID_FIELD : !OWN_FIELDS.has(name)
  );
  if (endStream && hop !== "peer") {
    own.push([HOP_FIELD, hop], [FORWARDED_FIELD, hop === "server" ? "1" : "0"]);
  }
  if (callId !== undefined) own.push([CALL_ID_FIELD, callId]);
  return encodeHeaderList(own);
}

/**
 * What became of a call that another hub was to take further: the server has answered; it was not
 * delivered, for sure; it was lost, and nobody knows how far it came; one of the two hubs or its caller
 * ended it.
 */
export type ForwardedOutcome = "answered" | "refused" | "unknown" | "stopped";

/** The same, as the other hub's trailers tell it. */
export function forwardedOutcomeOf(fields: HeaderList): ForwardedOutcome {
  if (firstValue(fields, HOP_FIELD) !== "hub") return "answered";
  if (firstValue(fields, FORWARDED_FIELD) === "0") return "refused";
  return statusOf(fields) === Status.UNAVAILABLE ? "unknown" : "stopped";
}

/** What the hub adds to an answer, as `headerListBytes` counts it. */
export const HOP_LIST_BYTES: number = headerListBytes([
  [HOP_FIELD, "server"],
  [FORWARDED_FIELD, "1"],
  [CALL_ID_FIELD, MAX_ID],
]);

/** An error of the hub itself, as trailers, or as the whole response (`trailersOnly`). */
export function errorBlock(error: RpcError, options: {
  readonly trailersOnly: boolean;
  readonly forwarded: boolean;
  /** @default the error tells none */
  readonly callId?: string | undefined;
  /** The largest header list that the caller takes. @default {Infinity} */
  readonly maxListBytes?: number;
}): Uint8Array {
  const { trailersOnly, forwarded, callId, maxListBytes = Infinity } = options;
  const head: HeaderList = trailersOnly
    ? [[":status", "200"], ["content-type", "application/grpc"]]
    : [];
  const hop: HeaderList = [
    [HOP_FIELD, "hub"],
    [FORWARDED_FIELD, forwarded ? "1" : "0"],
    ...(callId === undefined ? [] : [[CALL_ID_FIELD, callId] as const]),
  ];
  const trailers: HeaderList = error.trailers();
  // Details come last and the message before them; the status itself always goes.
  for (let kept = trailers.length;; kept--) {
    const fields = [...head, ...trailers.slice(0, kept), ...hop];
    if (kept === 1 || headerListBytes(fields) <= maxListBytes) return encodeHeaderList(fields);
  }
}

/** The call's metadata would end the server's connection, with the calls of everybody. */
export function tooLargeError(
  server: string,
  { bytes, max }: { readonly bytes: number; readonly max: number },
): RpcError {
  return new RpcError(
    Status.RESOURCE_EXHAUSTED,
    `Metadata has ${bytes} bytes, server "${server}" takes ${max}; nothing was delivered`,
    { details: [errorInfo("METADATA_TOO_LARGE", ERROR_DOMAIN, { server, max: String(max) })] },
  );
}

/** The caller would not take the metadata of its answer, or end its connection for it. */
export function answerTooLargeError(
  server: string,
  { bytes, max }: { readonly bytes: number; readonly max: number },
): RpcError {
  return new RpcError(
    Status.RESOURCE_EXHAUSTED,
    `Answer of server "${server}" has ${bytes} bytes of metadata, the caller takes ${max}`,
    { details: [errorInfo("ANSWER_NOT_USABLE", ERROR_DOMAIN, { server, max: String(max) })] },
  );
}

/** `Number` alone would take an empty status for `OK`. */
const STATUS = /^(?:\d|1[0-6])$/;

/** The status in a server's trailers; what is none that gRPC knows counts as `UNKNOWN`. */
export function statusOf(fields: HeaderList): StatusCode {
  const text = firstValue(fields, "grpc-status");
  return text !== undefined && STATUS.test(text) ? Number(text) as StatusCode : Status.UNKNOWN;
}

/**
 * A stream's reset in terms of gRPC.
 *
 * @see https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#errors
 */
const RESET_STATUS: Readonly<Record<number, StatusCode>> = {
  [ErrorCode.REFUSED_STREAM]: Status.UNAVAILABLE,
  [ErrorCode.CANCEL]: Status.CANCELLED,
  [ErrorCode.ENHANCE_YOUR_CALM]: Status.RESOURCE_EXHAUSTED,
  [ErrorCode.INADEQUATE_SECURITY]: Status.PERMISSION_DENIED,
};

/** A server's RST_STREAM as an error for the caller. */
export function resetError(server: string, code: number): RpcError {
  const message = `Server "${server}" reset the call: ${errorName(code)}`;
  const details = code === ErrorCode.REFUSED_STREAM
    // RFC 9113 §8.7: nothing of the call was processed.
    ? [errorInfo("NOT_DELIVERED", ERROR_DOMAIN, { server }), retryInfo(0)]
    : [errorInfo("RESET_BY_SERVER", ERROR_DOMAIN, { server, code: errorName(code) })];
  return new RpcError(RESET_STATUS[code] ?? Status.INTERNAL, message, { details });
}

/** Why the hub reset what a server sent: it could not be passed on. */
const BROKEN: Readonly<Record<number, readonly [StatusCode, string]>> = {
  [ErrorCode.ENHANCE_YOUR_CALM]: [Status.RESOURCE_EXHAUSTED, "has more than 32 KiB of metadata"],
  [ErrorCode.INTERNAL_ERROR]: [Status.INTERNAL, "hit an unexpected error in the hub"],
};

/** The hub's own RST_STREAM to a server as an error for the caller. */
export function brokenError(server: string, code: number): RpcError {
  const [status, what] = BROKEN[code] ?? [Status.INTERNAL, `is not HTTP/2: ${errorName(code)}`];
  return new RpcError(status, `Answer of server "${server}" ${what}`, {
    details: [errorInfo("ANSWER_NOT_USABLE", ERROR_DOMAIN, { server, code: errorName(code) })],
  });
}

/** The server has as many calls as it wants, or its tunnel does not keep up. */
export function busyError(server: string): RpcError {
  return new RpcError(
    Status.UNAVAILABLE,
    `Server "${server}" takes no more calls at the moment, nothing was delivered`,
    { details: [errorInfo("NOT_DELIVERED", ERROR_DOMAIN, { server })] },
  );
}

/**
 * The tunnel was lost in mid-call, or the hub that has it: nobody knows how far the server came.
 *
 * @param hub The other hub that the call went through.
 */
export function lostError(
  server: string,
  reason: string,
  { hub }: { readonly hub?: string | undefined } = {},
): RpcError {
  const what = hub === undefined
    ? `Tunnel of server "${server}"`
    : `Hub "${hub}", which has the tunnel of server "${server}",`;
  return new RpcError(
    Status.UNAVAILABLE,
    `${what} was lost during the call, outcome unknown: ${reason}`,
    {
      details: [
        errorInfo("OUTCOME_UNKNOWN", ERROR_DOMAIN, {
          server,
          reason,
          ...(hub !== undefined && { hub }),
        }),
      ],
    },
  );
}

/** The server that an error of the hub is about; empty if it names none. */
export function serverOf({ details }: RpcError): string {
  for (const { type, value } of details) {
    if (type !== "google.rpc.ErrorInfo" || !("metadata" in value)) continue;
    return (value as ErrorInfo).metadata?.["server"] ?? "";
  }
  return "";
}

/** The error of a call whose time was over while it was at the hub. */
export function deadlineError(timeoutMs: number | undefined, server: string): RpcError {
  return new RpcError(
    Status.DEADLINE_EXCEEDED,
    `Deadline of ${timeoutMs} ms exceeded at the hub`,
    { details: [errorInfo("DEADLINE_AT_HUB", ERROR_DOMAIN, { server })] },
  );
}
