/**
 * Calls per second of each server, from two lists of the hub: how far its counter has moved in between.
 *
 * @module
 */
import type { ghub_v1_ListServersResponse as ListServersResponse } from "../../shared/gen/types.ts";

export class ServerRates {
  #last: { readonly atMs: number; readonly hubs: string; readonly totals: Totals } | undefined;

  /**
   * Takes the next list.
   *
   * @param atMs When it came, by a clock that is never put back.
   * @returns By name. A server is missing whose rate is not known: it was not in the list before, its
   *     counter began again, or other hubs have answered than the time before.
   */
  take({ servers = [], hubsSilent = [] }: ListServersResponse, atMs: number): Totals {
    const last = this.#last;
    // With several hubs the counters are a sum, which falls and rises with the hubs that answer.
    const hubs = hubsSilent.join();
    const totals = new Map(servers.map(({ name = "", callsTotal = 0 }) => [name, callsTotal]));
    this.#last = { atMs, hubs, totals };
    const rates = new Map<string, number>();
    if (last === undefined || last.hubs !== hubs || atMs <= last.atMs) return rates;
    for (const [name, total] of totals) {
      const before = last.totals.get(name);
      if (before === undefined || total < before) continue;
      rates.set(name, (total - before) * 1000 / (atMs - last.atMs));
    }
    return rates;
  }
}

/** A number for each server's name. */
type Totals = ReadonlyMap<string, number>;
