/**
 * Calls that wait for a server to come back: docs/protocol.md §10.3.
 *
 * @module
 */
import { errorInfo, RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import { FairShare, type Places } from "../../shared/async/fair_share.ts";
import { ERROR_DOMAIN, exhausted } from "../errors.ts";
import type { ServerName, Tunnel } from "./tunnel.ts";

export interface QueueOptions {
  readonly signal: AbortSignal;
  /** Who waits: one of them may not have all places. @default "" */
  readonly operator?: string;
}

interface Waiter<T> {
  readonly name: ServerName;
  readonly resolve: (tunnel: T) => void;
  readonly reject: (error: unknown) => void;
}

/** First come, first served; bounded over all names, and for each operator. */
export class WaitQueue<T extends Tunnel> {
  /** In the order in which they came. */
  readonly #waiters = new Set<Waiter<T>>();
  readonly #places: Places;
  readonly #max: number;
  #closed = false;

  /** @param places What calls that wait take a place of: `max` in all. */
  constructor(max: number, places: Places = new FairShare(max)) {
    this.#max = max;
    this.#places = places;
  }

  /** Calls that wait now. */
  get size(): number {
    return this.#waiters.size;
  }

  /**
   * Waits for the next tunnel of a name.
   *
   * @throws {RpcError} `RESOURCE_EXHAUSTED` if too many calls wait already, `UNAVAILABLE` after
   *   `close()`.
   * @throws `signal.reason` when it fires.
   */
  wait(name: ServerName, { signal, operator = "" }: QueueOptions): Promise<T> {
    if (signal.aborted) return Promise.reject(signal.reason);
    if (this.#closed) return Promise.reject(inVain(name));
    const place = this.#places.take(operator);
    if (place === undefined) return Promise.reject(this.#tooMany(name, operator));
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiters.delete(waiter);
        place[Symbol.dispose]();
        signal.removeEventListener("abort", abort);
      };
      const abort = () => waiter.reject(signal.reason);
      const waiter: Waiter<T> = {
        name,
        resolve: (tunnel) => {
          leave();
          resolve(tunnel);
        },
        reject: (error) => {
          leave();
          reject(error);
        },
      };
      this.#waiters.add(waiter);
      signal.addEventListener("abort", abort);
    });
  }

  #tooMany(server: ServerName, operator: string): RpcError {
    const message = `Cannot wait for server "${server}": ${this.size} of ${this.#max} calls wait ` +
      `already, and operator "${operator}" has its share of them`;
    return exhausted("TOO_MANY_WAITING", message, { metadata: { server, operator } });
  }

  /** Hands a tunnel to all who wait for its name. */
  serve(tunnel: T): void {
    for (const waiter of this.#waiters) {
      if (waiter.name === tunnel.info.name) waiter.resolve(tunnel);
    }
  }

  /** Ends all waits, and those to come: no server will be here any more. */
  close(): void {
    this.#closed = true;
    for (const waiter of this.#waiters) waiter.reject(inVain(waiter.name));
  }
}

function inVain(server: ServerName): RpcError {
  return new RpcError(
    Status.UNAVAILABLE,
    `The hub goes away: no call can wait here for server "${server}", nothing was delivered`,
    { details: [errorInfo("NOT_DELIVERED", ERROR_DOMAIN, { server })] },
  );
}
