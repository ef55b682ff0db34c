/**
 * The hub's first call on a tunnel: it tells the server who it is, and what it expects
 * (docs/protocol.md §6). A server that does not know the call is a good server all the same.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { ghub_v1_WelcomeRequest as WelcomeRequest } from "../shared/gen/types.ts";
import { prefixMessage } from "../shared/grpc/message_prefix.ts";
import { percentDecode } from "../shared/grpc/percent.ts";
import { root } from "../shared/grpc/root.ts";
import { encodeMessage } from "../shared/grpc/service.ts";
import { Status, statusName } from "../shared/grpc/status.ts";
import { ErrorCode } from "../shared/http2/frames.ts";
import { firstValue, type HeaderList } from "../shared/http2/header_list.ts";
import { encodeHeaderList } from "../shared/http2/hpack/encoder.ts";
import type { Stream, StreamEvents } from "../shared/http2/stream.ts";
import { statusOf } from "./hop.ts";
import type { Upstream } from "./upstream.ts";

/** A server that says nothing by then is not asked again. */
const WELCOME_TIMEOUT = "10S";

/** Sends it. The answer is only logged. */
export function welcome(upstream: Upstream, request: WelcomeRequest): void {
  const { connection } = upstream.side;
  if (!connection.canRequest) return;
  const head: HeaderList = [
    [":method", "POST"],
    [":scheme", "http"],
    [":path", "/ghub.v1.Tunnel/Welcome"],
    [":authority", upstream.name],
    ["content-type", "application/grpc"],
    ["te", "trailers"],
    ["grpc-timeout", WELCOME_TIMEOUT],
  ];
  const events = new WelcomeCall(upstream);
  const stream = connection.request(encodeHeaderList(head), false, events);
  const message = encodeMessage(root.lookupType("ghub.v1.WelcomeRequest"), request);
  connection.data(stream, prefixMessage(message), true);
}

class WelcomeCall implements StreamEvents {
  readonly #upstream: Upstream;

  constructor(upstream: Upstream) {
    this.#upstream = upstream;
  }

  onHeaders(stream: Stream, fields: HeaderList, endStream: boolean): void {
    if (!endStream) return;
    const status = statusOf(fields);
    if (status !== Status.OK && status !== Status.UNIMPLEMENTED) {
      getLogger(["hub", "welcome"]).info(
        'Server "{server}" answered Welcome with {status}: {text}',
        {
          server: this.#upstream.name,
          status: statusName(status),
          text: percentDecode(firstValue(fields, "grpc-message") ?? ""),
        },
      );
    }
    if (!stream.localEnd) this.#upstream.side.connection.reset(stream, ErrorCode.NO_ERROR);
  }

  onData(_stream: Stream, piece: Uint8Array): void {
    this.#upstream.side.connection.consumed(piece.length);
  }

  onReset(): void {}
  onCredit(): void {}
  onDrained(): void {}
}
