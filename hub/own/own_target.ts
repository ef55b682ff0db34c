/**
 * The way to the hub's own services, on a new connection when they have ended the last one.
 *
 * @module
 */
import type { GrpcServer } from "../../shared/grpc_server/server.ts";
import { InProcessTarget } from "./in_process_target.ts";

/** Gives the place where calls of the hub's own services go now. */
export class OwnTarget {
  readonly #server: GrpcServer;
  #current: InProcessTarget;
  /** Where calls still go on: the current one, and those before it. */
  readonly #all = new Set<InProcessTarget>();

  constructor(server: GrpcServer) {
    this.#server = server;
    this.#current = this.#connect();
  }

  /** For the next call. */
  open(): InProcessTarget {
    if (this.#current.lost !== undefined || this.#current.isLeaving) {
      this.#current = this.#connect();
    }
    return this.#current;
  }

  /** Bytes that wait on the way. */
  get bufferedBytes(): number {
    let bytes = 0;
    for (const { side } of this.#all) bytes += side.connection.waitingBytes;
    return bytes;
  }

  /** Once a second. */
  tick(): void {
    for (const target of this.#all) {
      target.tick();
      if (target !== this.#current && !target.isBusy) this.#all.delete(target);
    }
  }

  /** Ends all calls. */
  close(): void {
    for (const target of this.#all) target.close();
  }

  #connect(): InProcessTarget {
    const target = new InProcessTarget(this.#server);
    this.#all.add(target);
    return target;
  }
}
