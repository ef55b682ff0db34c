/**
 * The hub's own services as a place where calls go: the relay speaks HTTP/2 with a gRPC
 * server in this very process, as it does with one at the end of a tunnel.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { Connection, type ConnectionEvents } from "../../shared/http2/connection.ts";
import { ErrorCode, errorName, type Http2Error } from "../../shared/http2/frames.ts";
import { release } from "../../shared/bytes/out_buffer.ts";
import type { ServedConnection } from "../../shared/grpc_server/served_connection.ts";
import type { GrpcServer } from "../../shared/grpc_server/server.ts";
import { ResetPacer } from "../peer/reset_pacer.ts";
import { ReceiveBudget } from "../peer/receive_budget.ts";
import type { CallTarget } from "../peer/call_target.ts";

/**
 * The hub's own services as a target of calls, in this process. When it is lost, the hub makes a
 * new one for the next call.
 */
export class InProcessTarget implements CallTarget, ConnectionEvents {
  readonly name = "hub";
  readonly hop = "hub";
  readonly side: ReceiveBudget;
  readonly resets: ResetPacer;
  lost: string | undefined;
  callsTotal = 0;
  /** It takes no new calls. */
  isLeaving = false;
  readonly #connection: Connection;
  readonly #served: ServedConnection;
  #awake = false;

  constructor(server: GrpcServer) {
    this.#connection = new Connection(this, { role: "client" });
    this.side = new ReceiveBudget(this.#connection);
    this.resets = new ResetPacer(this.#connection);
    this.#served = server.connect({ peer: "hub", onOutput: () => this.onOutput() });
    this.#connection.start();
  }

  /** Calls go on there. */
  get isBusy(): boolean {
    return this.lost === undefined && this.#connection.streamCount > 0;
  }

  /** Once a second. */
  tick(): void {
    this.#connection.tick();
    this.#served.tick();
    this.resets.tick();
    // Its stream ids are nearly used up: calls in flight end, the next one goes to a new connection.
    if (this.#connection.isWornOut) this.isLeaving = true;
  }

  /** Ends all calls. */
  close(): void {
    if (this.lost !== undefined) return;
    this.lost = "The hub's own services closed the connection";
    this.#connection.abort(ErrorCode.CANCEL);
    this.#served.close();
  }

  onOutput(): void {
    if (this.#awake) return;
    this.#awake = true;
    queueMicrotask(() => {
      this.#awake = false;
      this.#move();
    });
  }

  /** What one end has to say, the other one hears; what it answers is moved by the next turn. */
  #move(): void {
    for (const view of this.#connection.take()) {
      this.#served.receive(view);
      release(view);
    }
    for (const view of this.#served.take()) {
      this.#connection.receive(view);
      release(view);
    }
    if (this.#served.broken !== undefined) this.close();
  }

  onRequest(): never {
    throw new Error("The hub's own server opened a stream");
  }

  /** It takes no more calls: those in flight end, and the next one goes to a new connection. */
  onGoaway(_lastId: number, code: number, debug: string): void {
    this.isLeaving = true;
    if (code === ErrorCode.NO_ERROR) return;
    getLogger(["hub", "own"]).warn("The hub's own services ended HTTP/2: {code} {debug}", {
      code: errorName(code),
      debug,
    });
  }

  onPong(): void {}

  onError(error: Http2Error): void {
    this.onFault(error);
    this.close();
  }

  onFault(error: unknown): void {
    getLogger(["hub", "own"]).error(
      "A call to the hub's own services hit an unexpected error: {error}",
      {
        error,
      },
    );
  }
}
