/**
 * Names that are about to get a tunnel at this hub: the cluster's engine is asked for them. Other hubs may hear
 * its answer before this one does, and send calls that must not be refused for that.
 *
 * @module
 */
import type { ServerName } from "./tunnel.ts";

interface Arrival {
  /** Handshakes that claim the name now. */
  count: number;
  readonly over: PromiseWithResolvers<void>;
}

/** Names whose claims are under way: never more than handshakes are. */
export class Arrivals {
  readonly #names = new Map<ServerName, Arrival>();

  /** A handshake claims a name, until this is disposed of: its tunnel is open then, or is not to come. */
  begin(name: ServerName): Disposable {
    const arrival = this.#names.get(name) ?? { count: 0, over: Promise.withResolvers<void>() };
    arrival.count++;
    this.#names.set(name, arrival);
    return {
      [Symbol.dispose]: () => {
        if (--arrival.count > 0) return;
        this.#names.delete(name);
        arrival.over.resolve();
      },
    };
  }

  /** Resolves when no claim of the name is under way any more; `undefined`: none is. */
  over(name: ServerName): Promise<void> | undefined {
    return this.#names.get(name)?.over.promise;
  }
}
