/**
 * How a call ended, as a status: gRPC's own, or what HTTP and HTTP/2 say in its place.
 *
 * | what came                            | code                                | delivered?           |
 * | ------------------------------------ | ----------------------------------- | -------------------- |
 * | `grpc-status`                        | that one                            | the peer tells       |
 * | HTTP 3xx, 4xx of a proxy             | see `HTTP_CODES`                    | no: it went no further |
 * | HTTP 408, 5xx of a proxy             | see `HTTP_CODES`                    | perhaps              |
 * | HTTP 200 without gRPC                | `UNKNOWN`                           | perhaps              |
 * | RST_STREAM                           | see `RESET_CODES`                   | not if refused       |
 *
 * @see https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md
 * @see https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#errors
 * @module
 */
import { DETAILS_FIELD, detailsIn, RpcError } from "../grpc/rpc_error.ts";
import { percentDecode } from "../grpc/percent.ts";
import { Status, type StatusCode, statusName } from "../grpc/status.ts";
import { ErrorCode, errorName } from "../http2/frames.ts";
import { firstValue, type HeaderList } from "../http2/header_list.ts";
import { CallMetadata } from "../grpc/call_metadata.ts";

const HTTP_CODES: Readonly<Record<number, StatusCode>> = {
  400: Status.INTERNAL,
  401: Status.UNAUTHENTICATED,
  403: Status.PERMISSION_DENIED,
  404: Status.UNIMPLEMENTED,
  429: Status.UNAVAILABLE,
  502: Status.UNAVAILABLE,
  503: Status.UNAVAILABLE,
  504: Status.UNAVAILABLE,
};

/** RST_STREAM; all others, but for REFUSED_STREAM, are `INTERNAL`. */
const RESET_CODES: Readonly<Record<number, StatusCode>> = {
  [ErrorCode.REFUSED_STREAM]: Status.UNAVAILABLE,
  [ErrorCode.CANCEL]: Status.CANCELLED,
  [ErrorCode.ENHANCE_YOUR_CALM]: Status.RESOURCE_EXHAUSTED,
  [ErrorCode.INADEQUATE_SECURITY]: Status.PERMISSION_DENIED,
};

/** More of a field that a proxy sent is not shown. */
const MAX_SHOWN = 200;

/** An answer that is no gRPC: of a proxy, a load balancer, or another program than was meant. */
export class HttpAnswerError extends RpcError {
  readonly httpStatus: number;
  /** What calls itself so in `server`, such as `nginx/1.22.1`; empty if it does not say. */
  readonly server: string;
  /** Where it sends callers; empty if nowhere. */
  readonly location: string;

  constructor(fields: HeaderList) {
    const shown = (name: string) => (firstValue(fields, name) ?? "").slice(0, MAX_SHOWN);
    const httpStatus = Number(shown(":status"));
    const server = shown("server");
    const location = shown("location");
    const type = shown("content-type") || "no content-type";
    const by = server === "" ? "" : ` (${server})`;
    const what = httpStatus === 200
      ? `HTTP 200 with ${type}, which is not gRPC`
      : `HTTP ${httpStatus}${location === "" ? "" : ` to ${location}`}`;
    super(
      HTTP_CODES[httpStatus] ?? Status.UNKNOWN,
      `A proxy or another program${by} answered ${what}`,
      {
        metadata: CallMetadata.received(fields),
      },
    );
    this.httpStatus = httpStatus;
    this.server = server;
    this.location = location;
  }

  /** Whether it can only have been said before the call went any further. */
  get isRefusal(): boolean {
    return this.httpStatus >= 300 && this.httpStatus < 500 && this.httpStatus !== 408;
  }
}

/** Whether a response is one of gRPC. */
export function isGrpc(fields: HeaderList): boolean {
  return firstValue(fields, ":status") === "200" &&
    /^application\/grpc(?:[+;]|$)/.test(firstValue(fields, "content-type") ?? "");
}

const DIGITS = /^\d{1,9}$/;

/** The error that trailers tell; `undefined` for OK. */
export function endOfTrailers(trailers: HeaderList): RpcError | undefined {
  const text = firstValue(trailers, "grpc-status");
  const metadata = CallMetadata.received(trailers);
  if (text === undefined) {
    return new RpcError(Status.UNKNOWN, "The call ended without a status", { metadata });
  }
  const code = DIGITS.test(text) ? Status[statusName(Number(text))] : Status.UNKNOWN;
  if (text === "0") return undefined;
  const message = percentDecode(utf8(firstValue(trailers, "grpc-message") ?? ""));
  return new RpcError(code, message, {
    metadata,
    details: detailsIn(metadata.get(DETAILS_FIELD)[0]),
  });
}

/** Some send UTF-8 as it is, in place of percents. */
function utf8(text: string): string {
  if (!/[\x80-\xff]/.test(text)) return text;
  const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
  return new TextDecoder().decode(bytes);
}

/** The error of a stream that was reset. */
export function streamReset(code: number, by: "peer" | "us"): RpcError {
  const status = RESET_CODES[code] ?? Status.INTERNAL;
  const message = by === "peer"
    ? `The call was reset by the other side: ${errorName(code)}`
    : `The other side broke a rule of HTTP/2: ${errorName(code)}`;
  return new RpcError(by === "peer" ? status : Status.INTERNAL, message);
}

/** A GOAWAY, in words. */
export function goawayText(code: number, debug: string): string {
  const text = debug.slice(0, MAX_SHOWN);
  return `GOAWAY ${errorName(code)}${text === "" ? "" : ` "${text}"`}`;
}
