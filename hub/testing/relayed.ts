/**
 * A caller, the hub's two connections with exchanges between them, and a server, all in memory
 * and without time: what happens, happens in `settle()`.
 *
 *     caller ⇄ near ─ RelayedCall ─ far ⇄ server
 *
 * @module
 */
import { release } from "../../shared/bytes/out_buffer.ts";
import type { StatusCode } from "../../shared/grpc/status.ts";
import { Connection, type ConnectionEvents } from "../../shared/http2/connection.ts";
import type { HeaderList } from "../../shared/http2/header_list.ts";
import { encodeHeaderList } from "../../shared/http2/hpack/encoder.ts";
import type { Stream, StreamEvents } from "../../shared/http2/stream.ts";
import { Recorder } from "../../shared/http2/testing/recorder.ts";
import { NOTHING } from "../../shared/rules/rules.ts";
import { Deadlines } from "../relay/deadlines.ts";
import { RelayedCall, type RelayedCallContext } from "../relay/relayed_call.ts";
import type { ByteMeter } from "../limits/meter.ts";
import { CallHeaders } from "../access/call_head.ts";
import { ResetPacer } from "../peer/reset_pacer.ts";
import { ReceiveBudget } from "../peer/receive_budget.ts";
import type { CallTarget } from "../peer/call_target.ts";

export const CALL: HeaderList = [
  [":method", "POST"],
  [":scheme", "http"],
  [":path", "/echo.v1.Echo/Say"],
  [":authority", "hub"],
  ["content-type", "application/grpc"],
  ["te", "trailers"],
];

export const ANSWER: Uint8Array = encodeHeaderList([[":status", "200"]]);

export function trailers(...fields: HeaderList): Uint8Array {
  return encodeHeaderList([["grpc-status", "0"], ...fields]);
}

/** The fields of a line of the log. */
export function fieldsOf(line: string | undefined): Record<string, string> {
  return Object.fromEntries(
    (line ?? "").split(" ").slice(2).filter((part) => part.includes("="))
      .map((part) => part.split(/=(.*)/s).slice(0, 2)),
  );
}

/** How a call ended, as the hub was told. */
export interface Ended {
  readonly status: StatusCode;
  readonly reason: string;
  readonly bytesUp: number;
  readonly bytesDown: number;
}

export interface RelayedOptions {
  /** @default {1000} */
  readonly maxStreams?: number;
  /**
   * What the caller takes over all its streams.
   *
   * @default {64 MiB}
   */
  readonly callerWindow?: number;
  /** What the hub takes over all streams, of either peer. @default as in the product */
  readonly hubWindow?: number;
  /** Where calls go. By default all are forwarded at once. */
  readonly route?: (call: RelayedCall, endStream: boolean, hub: Relayed) => void;
  /** What the caller announces as the largest header list that it takes. @default {32 KiB} */
  readonly callerListBytes?: number;
  /** The same of the server. @default {32 KiB} */
  readonly serverListBytes?: number;
  /** What limits bytes. @default nothing */
  readonly meter?: ((call: RelayedCall) => ByteMeter | undefined) | undefined;
}

/** Knows the streams that it has opened. */
class Far extends Connection {
  readonly streams: Stream[] = [];

  override request(...args: Parameters<Connection["request"]>): Stream {
    const stream = super.request(...args);
    this.streams.push(stream);
    return stream;
  }
}

/** A caller, a hub and a server, joined in memory. */
export class Relayed implements Disposable {
  readonly caller: Recorder;
  readonly server: Recorder;
  readonly near: Connection;
  readonly far: Far;
  readonly nearSide: ReceiveBudget;
  readonly upstream: CallTarget & { lost: string | undefined };
  readonly calls: RelayedCall[] = [];
  readonly nearStreams: Stream[] = [];
  readonly ended: Ended[] = [];
  /** Calls of which nothing waits any more. */
  callsLeft = 0;
  readonly faults: unknown[] = [];
  readonly deadlines: Deadlines = new Deadlines();
  readonly #meter: ((call: RelayedCall) => ByteMeter | undefined) | undefined;
  /** Nobody takes what the hub has for the caller, or the server. */
  readonly stalled = { caller: false, server: false };

  constructor(options: RelayedOptions = {}) {
    const { maxStreams = 1000, callerWindow = 64 << 20, route } = options;
    this.#meter = options.meter;
    const hub = options.hubWindow === undefined ? {} : { connectionWindow: options.hubWindow };
    const { callerListBytes = 32 << 10, serverListBytes = 32 << 10 } = options;
    this.caller = new Recorder({
      role: "client",
      connectionWindow: callerWindow,
      maxHeaderListBytes: callerListBytes,
    });
    this.server = new Recorder({
      role: "server",
      maxConcurrentStreams: maxStreams,
      maxHeaderListBytes: serverListBytes,
    });
    const forward = (call: RelayedCall, endStream: boolean) =>
      call.forward(this.upstream, endStream);
    this.near = new Connection(this.#events((call, end) => (route ?? forward)(call, end, this)), {
      role: "server",
      maxConcurrentStreams: 2000,
      ...hub,
    });
    this.far = new Far(this.#events(), { role: "client", ...hub });
    this.nearSide = new ReceiveBudget(this.near);
    const side = new ReceiveBudget(this.far);
    const resets = new ResetPacer(this.far);
    this.upstream = { name: "edge-1", hop: "server", side, resets, lost: undefined, callsTotal: 0 };
    for (const end of [this.caller.connection, this.near, this.far, this.server.connection]) {
      end.start();
    }
    this.settle();
  }

  /** Moves bytes until all are silent. */
  settle(): void {
    for (let moved = true; moved;) {
      moved = move(this.caller.connection, this.near);
      moved = move(this.server.connection, this.far) || moved;
      if (!this.stalled.caller) moved = move(this.near, this.caller.connection) || moved;
      if (!this.stalled.server) moved = move(this.far, this.server.connection) || moved;
    }
  }

  /** Opens a call and lets it get as far as it gets. */
  call(fields: HeaderList = CALL, endStream = false): Stream {
    const stream = this.caller.request(encodeHeaderList(fields), endStream);
    this.settle();
    return stream;
  }

  /** The server's half of a call. */
  answering(call: Stream): Stream {
    const index = [...this.caller.streams.keys()].indexOf(call.id);
    return [...this.server.streams.values()][index]!;
  }

  /** What the caller heard of a call, without its credit. */
  heard(call: Stream): string[] {
    return heard(this.caller, call.id);
  }

  /** What the server heard of it. */
  heardBelow(call: Stream): string[] {
    return heard(this.server, this.answering(call).id);
  }

  /** Streams that are open anywhere, and what is still lent: both 0 when all is over. */
  left(): { streams: number; lent: number } {
    const { caller, server, near, far, nearSide, upstream } = this;
    const ends = [caller.connection, server.connection, near, far];
    const streams = ends.reduce((sum, { streamCount }) => sum + streamCount, 0);
    return { streams, lent: nearSide.lent + nearSide.heldBytes + upstream.side.lent };
  }

  /** Bytes that the hub keeps for the caller and for the server. */
  kept(): { caller: number; server: number } {
    const queued = (streams: readonly Stream[]) =>
      streams.reduce((sum, { queuedBytes }) => sum + queuedBytes, 0);
    return {
      caller: queued(this.nearStreams) + this.near.outputBytes,
      server: queued(this.far.streams) + this.far.outputBytes,
    };
  }

  [Symbol.dispose](): void {
    this.deadlines.close();
  }

  get context(): RelayedCallContext {
    return {
      deadlines: this.deadlines,
      nextId: () => "a-call",
      limits: { meterOf: (call) => this.#meter?.(call) },
      observers: [{
        callEnded: ({ bytesUp, bytesDown }, status, reason) => {
          this.ended.push({ status, reason, bytesUp, bytesDown });
        },
        callLeft: () => void this.callsLeft++,
      }],
    };
  }

  #events(route?: (call: RelayedCall, endStream: boolean) => void): ConnectionEvents {
    return {
      onOutput() {},
      onGoaway() {},
      onPong() {},
      onError: (error) => this.faults.push(error),
      onFault: (error) => this.faults.push(error),
      onRequest: (stream: Stream, fields, endStream): StreamEvents => {
        const identity = {
          name: "olga",
          how: "token",
          grant: NOTHING,
          credentialUsed: true,
        } as const;
        const call = new RelayedCall(this.context, {
          near: this.nearSide,
          stream,
          head: new CallHeaders(fields!),
          identity,
          remoteAddress: "192.0.2.1:1",
        });
        call.server = "edge-1";
        this.calls.push(call);
        this.nearStreams.push(stream);
        call.watchDeadline();
        route!(call, endStream);
        return call;
      },
    };
  }
}

function heard({ log }: Recorder, id: number): string[] {
  return log.filter((line) => new RegExp(`^(?!credit|drained)\\w+ ${id}( |$)`).test(line));
}

function move(from: Connection, to: Connection): boolean {
  const views = from.take();
  for (const view of views) {
    to.receive(view);
    release(view);
  }
  return views.length > 0;
}
