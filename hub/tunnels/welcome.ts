/**
 * The hub's first call on a tunnel: it tells the server who it is, and what it expects
 * (docs/protocol.md §6). A server that does not know the call is a good server all the same.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { ghub_v1_WelcomeRequest as WelcomeRequest } from "../../shared/gen/types.ts";
import { prefixMessage } from "../../shared/grpc/message_prefix.ts";
import { percentDecode } from "../../shared/grpc/percent.ts";
import { root } from "../../shared/grpc/root.ts";
import { encodeMessage } from "../../shared/grpc/service.ts";
import { Status, statusName } from "../../shared/grpc/status.ts";
import { formatTimeout } from "../../shared/grpc/timeout.ts";
import { ErrorCode } from "../../shared/http2/frames.ts";
import { firstValue, type HeaderList, headerListBytes } from "../../shared/http2/header_list.ts";
import { encodeHeaderList } from "../../shared/http2/hpack/encoder.ts";
import type { Stream, StreamEvents } from "../../shared/http2/stream.ts";
import type { Deadlines, Expiring } from "../relay/deadlines.ts";
import { statusOf } from "../relay/answer_headers.ts";
import type { Upstream } from "../peer/call_target.ts";

/** A server that says nothing by then is not asked again. */
const WELCOME_TIMEOUT_MS = 10_000;

/** What the hub itself has open on a tunnel, and gives up when the tunnel drains. */
export interface OwnCall {
  cancel(): void;
}

/** Where it is noted while it is open. */
export interface Welcomed extends Upstream {
  ownCall: OwnCall | undefined;
}

/** Sends it. The answer is only logged. */
export function welcome(
  upstream: Welcomed,
  { request, deadlines }: { readonly request: WelcomeRequest; readonly deadlines: Deadlines },
): void {
  const { connection } = upstream.side;
  if (!connection.canRequest) return;
  const head: HeaderList = [
    [":method", "POST"],
    [":scheme", "http"],
    [":path", "/ghub.v1.Tunnel/Welcome"],
    [":authority", upstream.name],
    ["content-type", "application/grpc"],
    ["te", "trailers"],
    ["grpc-timeout", formatTimeout(WELCOME_TIMEOUT_MS)],
  ];
  // Less than any peer takes that is of use; one that takes nothing must not be disturbed.
  if (headerListBytes(head) > connection.maxHeaderListBytes) return;
  const call = new WelcomeCall(upstream, deadlines);
  const message = encodeMessage(root.lookupType("ghub.v1.WelcomeRequest"), request);
  call.start(encodeHeaderList(head), prefixMessage(message));
}

class WelcomeCall implements StreamEvents, Expiring, OwnCall {
  deadlineMs = 0;
  deadlinePlace = -1;
  readonly #upstream: Welcomed;
  readonly #deadlines: Deadlines;
  #stream: Stream | undefined;

  constructor(upstream: Welcomed, deadlines: Deadlines) {
    this.#upstream = upstream;
    this.#deadlines = deadlines;
  }

  start(head: Uint8Array, message: Uint8Array): void {
    const { connection } = this.#upstream.side;
    this.#deadlines.add(this, performance.now() + WELCOME_TIMEOUT_MS);
    this.#stream = connection.request(head, false, this);
    connection.data(this.#stream, message, true);
    this.#upstream.ownCall = this;
  }

  cancel(): void {
    this.#over();
    this.#upstream.side.connection.reset(this.#stream!, ErrorCode.CANCEL);
  }

  onHeaders(stream: Stream, fields: HeaderList, endStream: boolean): void {
    if (!endStream) return;
    this.#over();
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

  onReset(): void {
    this.#over();
  }

  onDeadline(): void {
    this.#over();
    this.#upstream.side.connection.reset(this.#stream!, ErrorCode.CANCEL);
  }

  onCredit(): void {}
  onDrained(): void {}

  #over(): void {
    this.#deadlines.remove(this);
    this.#upstream.ownCall = undefined;
  }
}
