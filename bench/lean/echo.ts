/**
 * Echo for benches: Unary and ServerStream of `proto/echo/v1/echo.proto`, straight on HTTP/2.
 *
 * The field `data` has the same number in request and response, so that the bytes of a request
 * which has nothing else are the bytes of its response.
 *
 * @module
 */
import { encodeHeaderList } from "../../shared/http2/hpack/encoder.ts";
import { firstValue, type HeaderList } from "../../shared/http2/header_list.ts";
import type { Stream, StreamEvents } from "../../shared/http2/stream.ts";
import { root } from "../../shared/grpc/root.ts";
import { decodeMessage, encodeMessage } from "../../shared/grpc/service.ts";
import type { echo_v1_EchoRequest as EchoRequest } from "../../shared/gen/types.ts";
import { Peer, type PeerOptions } from "./peer.ts";
import type { Wire } from "./wire.ts";

const HEAD = encodeHeaderList([[":status", "200"], ["content-type", "application/grpc"]]);
const TRAILERS = encodeHeaderList([["grpc-status", "0"]]);
const UNIMPLEMENTED = encodeHeaderList([
  [":status", "200"],
  ["content-type", "application/grpc"],
  ["grpc-status", "12"],
]);
/** Responses are made while less than this waits for the wire. */
const MAX_OUTPUT_BYTES = 1 << 20;
const PREFIX_BYTES = 5;

/** A gRPC message with its prefix (flag, length). */
export function frameMessage(message: Uint8Array): Uint8Array {
  const framed = new Uint8Array(PREFIX_BYTES + message.length);
  new DataView(framed.buffer).setUint32(1, message.length);
  framed.set(message, PREFIX_BYTES);
  return framed;
}

export interface EchoOptions extends Pick<PeerOptions, "maxHeaderListBytes"> {
  /** Hears the headers of each call of Unary that came this far. */
  readonly onCall?: ((fields: HeaderList) => void) | undefined;
}

/** Serves Echo on a wire until it ends. */
export function serveEcho(wire: Wire, { onCall, maxHeaderListBytes }: EchoOptions = {}): Peer {
  const pumps = new Set<Pump>();
  return new Peer(wire, {
    role: "server",
    maxHeaderListBytes,
    onRoom() {
      for (const pump of pumps) pump.pump();
    },
    onRequest(peer, _stream, fields: HeaderList) {
      switch (firstValue(fields, ":path")) {
        case "/echo.v1.Echo/Unary":
          onCall?.(fields);
          return new UnaryAnswer(peer);
        case "/echo.v1.Echo/ServerStream":
          return new Pump(peer, pumps);
        default:
          return new Refusal(peer);
      }
    },
  });
}

/** Hears of a stream, and needs little of it. */
abstract class Answer implements StreamEvents {
  protected readonly peer: Peer;

  constructor(peer: Peer) {
    this.peer = peer;
  }

  abstract onData(stream: Stream, piece: Uint8Array, endStream: boolean): void;
  onHeaders(): void {}
  onReset(_stream: Stream): void {}
  onCredit(): void {}
  onDrained(_stream: Stream): void {}
}

class UnaryAnswer extends Answer {
  #begun = false;

  override onData(stream: Stream, piece: Uint8Array, endStream: boolean): void {
    const { connection } = this.peer;
    if (!this.#begun) connection.headers(stream, HEAD, false);
    this.#begun = true;
    connection.data(stream, piece, false);
    connection.consumed(piece.length);
    if (endStream) connection.headers(stream, TRAILERS, true);
    else connection.grant(stream, piece.length);
  }
}

/** A method that this Echo does not have: the hub's Welcome, for one. */
class Refusal extends Answer {
  #answered = false;

  override onData(stream: Stream, piece: Uint8Array): void {
    this.peer.connection.consumed(piece.length);
    if (this.#answered) return;
    this.#answered = true;
    this.peer.connection.headers(stream, UNIMPLEMENTED, true);
  }
}

/** Sends responses as fast as windows and wire take them. */
class Pump extends Answer {
  readonly #pumps: Set<Pump>;
  readonly #chunks: Uint8Array[] = [];
  #stream: Stream | undefined;
  #message = new Uint8Array();
  #left = 0;

  constructor(peer: Peer, pumps: Set<Pump>) {
    super(peer);
    this.#pumps = pumps;
  }

  override onData(stream: Stream, piece: Uint8Array, endStream: boolean): void {
    this.peer.connection.consumed(piece.length);
    this.#chunks.push(piece.slice());
    if (!endStream) return;
    const request = decodeRequest(this.#chunks);
    this.#left = request.count ?? 0;
    this.#message = responseMessage(request.size ?? 0);
    this.#stream = stream;
    this.#pumps.add(this);
    this.peer.connection.headers(stream, HEAD, false);
    this.pump();
  }

  pump(): void {
    const { connection } = this.peer;
    const stream = this.#stream;
    if (stream === undefined || stream.closed) return;
    while (this.#left > 0 && stream.queuedBytes === 0) {
      if (connection.outputBytes > MAX_OUTPUT_BYTES) return; // `onRoom` goes on.
      this.#left--;
      connection.data(stream, this.#message, false);
    }
    if (this.#left > 0) return; // `onDrained` goes on.
    this.#pumps.delete(this);
    connection.headers(stream, TRAILERS, true);
  }

  override onDrained(stream: Stream): void {
    if (stream.queuedBytes === 0 && this.peer.idle) this.pump();
  }

  override onReset(): void {
    this.#pumps.delete(this);
  }
}

/** A framed response whose `data` has this size. */
function responseMessage(size: number): Uint8Array<ArrayBuffer> {
  const type = root.lookupType("echo.v1.EchoResponse");
  return frameMessage(encodeMessage(type, { data: new Uint8Array(size) })) as Uint8Array<
    ArrayBuffer
  >;
}

function decodeRequest(chunks: readonly Uint8Array[]): EchoRequest {
  const bytes = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return decodeMessage(root.lookupType("echo.v1.EchoRequest"), bytes.subarray(PREFIX_BYTES));
}
