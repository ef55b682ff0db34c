/**
 * The hub's own services as a place where calls go: the relay speaks HTTP/2 with a gRPC
 * server in this very process, as it does with one at the end of a tunnel.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { Duplex } from "node:stream";
import { Connection, type ConnectionEvents } from "../../shared/http2/connection.ts";
import { ErrorCode, errorName, type Http2Error } from "../../shared/http2/frames.ts";
import { release } from "../../shared/bytes/out_buffer.ts";
import { MAX_OWN_REQUEST_BYTES } from "./hub_service.ts";
import { PacedResets } from "../peer/reset_pacer.ts";
import { Side } from "../peer/receive_budget.ts";
import type { Upstream } from "../peer/call_target.ts";

/**
 * The hub's own services as a target of calls, in this process. When it is lost, the hub makes a
 * new one for the next call.
 */
export class OwnUpstream implements Upstream, ConnectionEvents {
  readonly name = "hub";
  readonly hop = "hub";
  readonly side: Side;
  readonly resets: PacedResets;
  lost: string | undefined;
  callsTotal = 0;
  /** It takes no new calls. */
  isLeaving = false;
  readonly #connection: Connection;
  readonly #duplex: Duplex;
  #awake = false;

  /** @param duplex Its other end is served. */
  constructor(duplex: Duplex) {
    this.#duplex = duplex;
    this.#connection = new Connection(this, { role: "client" });
    this.side = new Side(this.#connection);
    this.resets = new PacedResets(this.#connection);
    duplex.on("data", (bytes: Uint8Array) => this.#connection.receive(bytes));
    duplex.on("end", () => this.close());
    duplex.on("close", () => this.close());
    // `close` follows, and says all that there is to say.
    duplex.on("error", () => {});
    this.#connection.start();
  }

  /** What its open calls may hold in the server's memory: their requests, complete or not. */
  get heldBytes(): number {
    return this.#connection.streamCount * MAX_OWN_REQUEST_BYTES;
  }

  /** Once a second. */
  tick(): void {
    this.#connection.tick();
    this.resets.tick();
    // Its stream ids are nearly used up: calls in flight end, the next one goes to a new connection.
    if (this.#connection.isWornOut) this.isLeaving = true;
  }

  /** Ends all calls. */
  close(): void {
    if (this.lost !== undefined) return;
    this.lost = "The hub's own services closed the connection";
    this.#connection.abort(ErrorCode.CANCEL);
    this.#duplex.destroy();
  }

  onOutput(): void {
    if (this.#awake) return;
    this.#awake = true;
    queueMicrotask(() => {
      this.#awake = false;
      for (const view of this.#connection.take()) {
        if (!this.#duplex.destroyed) this.#duplex.write(view.slice());
        release(view);
      }
    });
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
    getLogger(["hub", "own"]).error("A call to the hub's own services met a fault: {error}", {
      error,
    });
  }
}
