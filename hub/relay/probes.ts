/**
 * Health for those who have no credential: load balancers and Kubernetes cannot send one.
 *
 *     GET /livez    200 while the process answers                       on each port of the hub
 *     GET /readyz   200, or 503 while the hub drains                    the same
 *     grpc.health.v1.Health/Check, service "" or "ghub", no server      on the call port
 *
 * An answer tells nothing but that, and leaves no line in log and audit. It is made here, not by the
 * hub's gRPC server, so that a stranger makes the hub hold no more than `MAX_MESSAGE_BYTES`.
 *
 * @module
 */
import { plainResponse } from "../../shared/websocket/upgrade.ts";
import { errorInfo, RpcError } from "../../shared/grpc/rpc_error.ts";
import { MessageReader, prefixMessage } from "../../shared/grpc/message_prefix.ts";
import { root } from "../../shared/grpc/root.ts";
import { decodeMessage, encodeMessage } from "../../shared/grpc/service.ts";
import { Status } from "../../shared/grpc/status.ts";
import type { Connection } from "../../shared/http2/connection.ts";
import { ErrorCode } from "../../shared/http2/frames.ts";
import type { HeaderList } from "../../shared/http2/header_list.ts";
import { encodeHeaderList } from "../../shared/http2/hpack/encoder.ts";
import { LAST, MORE, type Stream, type StreamEvents } from "../../shared/http2/stream.ts";
import type { Wish } from "../access/director.ts";
import { errorBlock } from "./answer_headers.ts";
import type { CallHead } from "../registry/tunnel.ts";
import { ERROR_DOMAIN } from "../errors.ts";

/** The hub's own name as a service. */
export const HUB_SERVICE = "ghub";
const HEALTH_CHECK = "/grpc.health.v1.Health/Check";
/** The request names a service of this hub, and nothing else. */
const MAX_MESSAGE_BYTES = 64;

const REQUEST = root.lookupType("grpc.health.v1.HealthCheckRequest");
const RESPONSE = root.lookupType("grpc.health.v1.HealthCheckResponse");

/** What a probe is answered. */
export interface ProbeAnswer {
  readonly status: 200 | 503;
  readonly text: string;
}

/** The answer to an HTTP probe; `undefined` if the request is none. */
export function probeAnswer(
  { method, target }: { readonly method: string; readonly target: string },
  isReady: boolean,
): ProbeAnswer | undefined {
  if (method !== "GET" && method !== "HEAD") return undefined;
  const [path] = target.split("?", 1);
  if (path === "/livez") return { status: 200, text: "ok\n" };
  if (path !== "/readyz") return undefined;
  return isReady ? { status: 200, text: "ok\n" } : { status: 503, text: "draining\n" };
}

/** The same as the bytes of an HTTP/1.1 response. */
export function probeResponse(
  request: { readonly method: string; readonly target: string },
  isReady: boolean,
): Uint8Array | undefined {
  const answer = probeAnswer(request, isReady);
  if (answer === undefined) return undefined;
  return plainResponse(answer.status, answer.text, { withBody: request.method !== "HEAD" });
}

/** Whether a call is a look at the hub's health that names no server and brings no credential. */
export function isHealthProbe(
  { path, authorization }: CallHead & { readonly authorization: string | undefined },
  wish: Wish | RpcError,
): boolean {
  return path === HEALTH_CHECK && authorization === undefined && !(wish instanceof RpcError) &&
    wish.named === undefined;
}

const ANSWER_HEAD: HeaderList = [[":status", "200"], ["content-type", "application/grpc"]];
const ANSWER_END = encodeHeaderList([
  ["grpc-status", "0"],
  ["x-hub-hop", "hub"],
  ["x-hub-forwarded", "0"],
]);

/** One `Health/Check` on a caller's stream: waits for its message, then answers. */
export class HealthProbe implements StreamEvents {
  readonly #connection: Connection;
  readonly #isReady: () => boolean;
  readonly #reader = new MessageReader(MAX_MESSAGE_BYTES);
  #answered = false;

  constructor(connection: Connection, isReady: () => boolean) {
    this.#connection = connection;
    this.#isReady = isReady;
  }

  onData(stream: Stream, piece: Uint8Array, endStream: boolean): void {
    this.#connection.consumed(piece.length);
    if (this.#answered) return;
    try {
      const [message] = this.#reader.push(piece);
      if (message !== undefined) this.#answer(stream, message);
      else if (endStream) throw new RpcError(Status.INTERNAL, "The call has no message");
    } catch (error) {
      this.#fail(stream, RpcError.from(error));
    }
  }

  onHeaders(): void {}
  onReset(): void {}
  onCredit(): void {}
  onDrained(): void {}

  #answer(stream: Stream, message: Uint8Array): void {
    const { service = "" } = decodeMessage<{ service?: string }>(REQUEST, message);
    if (service !== "" && service !== HUB_SERVICE) {
      throw new RpcError(Status.NOT_FOUND, "Unknown service", {
        details: [errorInfo("SERVICE_UNKNOWN", ERROR_DOMAIN)],
      });
    }
    const status = this.#isReady() ? "SERVING" : "NOT_SERVING";
    this.#answered = true;
    this.#connection.headers(stream, encodeHeaderList(ANSWER_HEAD), MORE);
    this.#connection.data(stream, prefixMessage(encodeMessage(RESPONSE, { status })), MORE);
    this.#connection.headers(stream, ANSWER_END, LAST);
    this.#stop(stream);
  }

  #fail(stream: Stream, error: RpcError): void {
    this.#answered = true;
    const maxListBytes = this.#connection.maxHeaderListBytes;
    const block = errorBlock(error, { trailersOnly: true, forwarded: false, maxListBytes });
    this.#connection.headers(stream, block, LAST);
    this.#stop(stream);
  }

  /** A caller that still sends is told that nobody hears it (RFC 9113 §8.1). */
  #stop(stream: Stream): void {
    if (!stream.remoteEnd) this.#connection.reset(stream, ErrorCode.NO_ERROR);
  }
}
