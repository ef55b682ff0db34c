/**
 * The hub's own services as a place where calls go: the relay speaks HTTP/2 with a gRPC
 * server in this very process, as it does with one at the end of a tunnel.
 *
 * @module
 */
import type { Duplex } from "node:stream";
import { Connection, type ConnectionEvents } from "../shared/http2/connection.ts";
import { ErrorCode } from "../shared/http2/frames.ts";
import { release } from "../shared/bytes/out_buffer.ts";
import { Side } from "./side.ts";
import type { Upstream } from "./upstream.ts";

/** See the module's head. It lives as long as the hub. */
export class OwnUpstream implements Upstream, ConnectionEvents {
  readonly name = "hub";
  readonly hop = "hub";
  readonly side: Side;
  lost: string | undefined;
  callsTotal = 0;
  readonly #connection: Connection;
  readonly #duplex: Duplex;
  #awake = false;

  /** @param duplex Its other end is served. */
  constructor(duplex: Duplex) {
    this.#duplex = duplex;
    this.#connection = new Connection(this, { role: "client" });
    this.side = new Side(this.#connection, () => duplex.writableLength);
    duplex.on("data", (bytes: Uint8Array) => this.#connection.receive(bytes));
    duplex.on("drain", () => this.side.release());
    duplex.on("close", () => this.close());
    this.#connection.start();
  }

  /** Once a second. */
  tick(): void {
    this.#connection.tick();
  }

  /** Ends all calls. */
  close(): void {
    if (this.lost !== undefined) return;
    this.lost = "The hub goes away";
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

  onGoaway(): void {}
  onPong(): void {}

  onError(): void {
    this.close();
  }
}
