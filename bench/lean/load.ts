/**
 * The load generator: calls of Echo, straight on HTTP/2.
 *
 * @module
 */
import { ErrorCode } from "../../shared/http2/frames.ts";
import { encodeHeaderList } from "../../shared/http2/hpack/encoder.ts";
import { firstValue, type HeaderList } from "../../shared/http2/header_list.ts";
import type { Stream, StreamEvents } from "../../shared/http2/stream.ts";
import { root } from "../../shared/grpc/root.ts";
import { encodeMessage } from "../../shared/grpc/service.ts";
import { frameMessage } from "./echo.ts";
import { Peer } from "./peer.ts";
import { dialTcp } from "./wire.ts";

/** Bytes of `data` in a unary call, each way. */
export const UNARY_BYTES = 100;
/** Bytes of `data` in each message of a stream. */
export const STREAM_MESSAGE_BYTES = 16 * 1024;
/** What a stream may have under way. gRPC's libraries grow their windows to about this. */
const STREAM_WINDOW = 4 << 20;
/** More messages than any run reads. */
const ENDLESS = 0xffff_ffff;

/** Where calls go. */
export interface Target {
  readonly address: string;
  /** The server, for a hub; `undefined` for a direct connection. */
  readonly server?: string;
  /** With TLS, by this authority. */
  readonly ca?: string | undefined;
}

/** What calls did in some time. */
export interface CallFigures {
  readonly calls: number;
  readonly callsPerS: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

/** What a stream did in some time. */
export interface StreamFigures {
  readonly bytes: number;
  readonly mbPerS: number;
}

/** A caller: one connection. */
export class Caller {
  readonly peer: Peer;
  readonly #unaryHead: Uint8Array;
  readonly #streamHead: Uint8Array;

  private constructor(peer: Peer, server: string | undefined) {
    this.peer = peer;
    const head = (method: string): HeaderList => [
      [":method", "POST"],
      [":scheme", "http"],
      [":path", `/echo.v1.Echo/${method}`],
      [":authority", "bench.test"],
      ["te", "trailers"],
      ["content-type", "application/grpc"],
      ["user-agent", "ghub-bench"],
      ...server === undefined ? [] : [["x-hub-server", server] as const],
    ];
    this.#unaryHead = encodeHeaderList(head("Unary"));
    this.#streamHead = encodeHeaderList(head("ServerStream"));
  }

  static async connect({ address, server, ca }: Target): Promise<Caller> {
    return new Caller(new Peer(await dialTcp(address, ca), { role: "client" }), server);
  }

  unary(events: StreamEvents, message: Uint8Array): void {
    const { connection } = this.peer;
    connection.data(connection.request(this.#unaryHead, false, events), message, true);
  }

  serverStream(events: StreamEvents, message: Uint8Array): Stream {
    const { connection } = this.peer;
    const stream = connection.request(this.#streamHead, false, events);
    connection.data(stream, message, true);
    return stream;
  }

  close(): void {
    this.peer.close();
  }
}

/** Makes one call after the other on one stream slot, until told to stop. */
class Slot implements StreamEvents {
  readonly latenciesUs: number[] = [];
  readonly done: Promise<void>;
  readonly #caller: Caller;
  readonly #message: Uint8Array;
  readonly #resolve: () => void;
  readonly #reject: (error: Error) => void;
  #startedAt = 0;
  #stopped = false;

  constructor(caller: Caller, message: Uint8Array) {
    this.#caller = caller;
    this.#message = message;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    [this.done, this.#resolve, this.#reject] = [promise, resolve, reject];
  }

  next(): void {
    this.#startedAt = performance.now();
    this.#caller.unary(this, this.#message);
  }

  /** The call that is under way is the last one. */
  stop(): void {
    this.#stopped = true;
  }

  onHeaders(_stream: Stream, fields: HeaderList, endStream: boolean): void {
    if (!endStream) return;
    const status = firstValue(fields, "grpc-status");
    if (status !== "0") {
      const why = firstValue(fields, "grpc-message") ?? "";
      this.#reject(new Error(`Call ended with grpc-status ${status} ${why}`));
      return;
    }
    this.latenciesUs.push((performance.now() - this.#startedAt) * 1000);
    if (this.#stopped) this.#resolve();
    else this.next();
  }

  onData(_stream: Stream, piece: Uint8Array): void {
    this.#caller.peer.connection.consumed(piece.length);
  }

  onReset(_stream: Stream, code: number): void {
    this.#reject(new Error(`Call was reset with code ${code}`));
  }

  onCredit(): void {}
  onDrained(): void {}
}

/** Reads one endless stream, and counts. */
class Sink implements StreamEvents {
  bytes = 0;
  readonly #caller: Caller;
  readonly #reject: (error: Error) => void;
  readonly failed: Promise<never>;
  #owed = 0;

  constructor(caller: Caller) {
    this.#caller = caller;
    const { promise, reject } = Promise.withResolvers<never>();
    [this.failed, this.#reject] = [promise, reject];
  }

  onData(stream: Stream, piece: Uint8Array): void {
    const { connection } = this.#caller.peer;
    this.bytes += piece.length;
    connection.consumed(piece.length);
    this.#owed += piece.length;
    if (this.#owed < STREAM_WINDOW / 4) return;
    connection.grant(stream, this.#owed);
    this.#owed = 0;
  }

  onHeaders(_stream: Stream, fields: HeaderList, endStream: boolean): void {
    if (!endStream) return;
    this.#reject(new Error(`Stream ended with grpc-status ${firstValue(fields, "grpc-status")}`));
  }

  onReset(_stream: Stream, code: number): void {
    this.#reject(new Error(`Stream was reset with code ${code}`));
  }

  onCredit(): void {}
  onDrained(): void {}
}

const delay = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

function unaryMessage(): Uint8Array {
  const data = new Uint8Array(UNARY_BYTES);
  return frameMessage(encodeMessage(root.lookupType("echo.v1.EchoRequest"), { data }));
}

/** Makes a number of calls, one after the other. */
export async function makeCalls(caller: Caller, count: number): Promise<void> {
  const message = unaryMessage();
  for (let i = 0; i < count; i++) {
    const slot = new Slot(caller, message);
    slot.next();
    slot.stop();
    await slot.done;
  }
}

/** Makes calls for `seconds`: `inFlight` at a time, spread over the callers. */
export async function loadCalls(
  callers: readonly Caller[],
  { inFlight, seconds }: { readonly inFlight: number; readonly seconds: number },
): Promise<CallFigures> {
  const message = unaryMessage();
  const slots = Array.from(
    { length: inFlight },
    (_, i) => new Slot(callers[i % callers.length]!, message),
  );
  const start = performance.now();
  for (const slot of slots) slot.next();
  const all = Promise.all(slots.map((slot) => slot.done));
  await Promise.race([delay(seconds * 1000), all]);
  for (const slot of slots) slot.stop();
  await all;
  const elapsedS = (performance.now() - start) / 1000;
  const latencies = slots.flatMap((slot) => slot.latenciesUs).sort((a, b) => a - b);
  return {
    calls: latencies.length,
    callsPerS: latencies.length / elapsedS,
    p50Us: percentile(latencies, 0.5),
    p99Us: percentile(latencies, 0.99),
  };
}

/** Reads a server stream of 16 KiB messages for `seconds`. */
export async function loadStream(
  caller: Caller,
  { seconds }: { readonly seconds: number },
): Promise<StreamFigures> {
  const request = frameMessage(
    encodeMessage(root.lookupType("echo.v1.EchoRequest"), {
      count: ENDLESS,
      size: STREAM_MESSAGE_BYTES,
    }),
  );
  const sink = new Sink(caller);
  const { connection } = caller.peer;
  const start = performance.now();
  const stream = caller.serverStream(sink, request);
  connection.grant(stream, STREAM_WINDOW);
  await Promise.race([delay(seconds * 1000), sink.failed]);
  const elapsedS = (performance.now() - start) / 1000;
  connection.reset(stream, ErrorCode.CANCEL);
  return { bytes: sink.bytes, mbPerS: sink.bytes / 1e6 / elapsedS };
}

function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}
