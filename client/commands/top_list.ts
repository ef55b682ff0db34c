/**
 * The servers of `gclient top` in the order and from the place that its keys have chosen.
 *
 * @module
 */
import type { ghub_v1_ListServersResponse as ListServersResponse } from "../../shared/gen/types.ts";
import { ServerRates } from "../call/server_rates.ts";
import type { TopServer } from "../print/top_table.ts";
import { SERVER_KEYS, sortByKey } from "./server_order.ts";

const { name, state, version, rtt } = SERVER_KEYS;
/** Column → what is compared. */
const KEYS = {
  // Unknown is less than none.
  rate: ({ callsPerSecond = -1 }: TopServer) => -callsPerSecond,
  now: ({ callsInFlight = 0 }: TopServer) => -callsInFlight,
  ...{ name, state, version, rtt },
} as const;

export type TopColumn = keyof typeof KEYS;
export const TOP_COLUMNS = Object.keys(KEYS) as TopColumn[];

/** Keys of a terminal, in both of its modes, and how vi and less call them. */
const UP = new Set(["\x1b[A", "\x1bOA", "k"]);
const DOWN = new Set(["\x1b[B", "\x1bOB", "j"]);
const PAGE_UP = new Set(["\x1b[5~", "b"]);
const PAGE_DOWN = new Set(["\x1b[6~", " "]);
const FIRST = new Set(["\x1b[H", "\x1bOH", "\x1b[1~", "g"]);
const LAST = new Set(["\x1b[F", "\x1bOF", "\x1b[4~", "G"]);

export interface TopListOptions {
  readonly sortBy: TopColumn | undefined;
  /** Also those that are away? */
  readonly all: boolean;
}

export class TopList {
  readonly #rates = new ServerRates();
  #servers: readonly TopServer[] = [];
  #shown: readonly TopServer[] = [];
  #column: TopColumn;
  #isReversed = false;
  #all: boolean;
  #from = 0;

  constructor({ sortBy = "rate", all }: TopListOptions) {
    this.#column = sortBy;
    this.#all = all;
  }

  /** All that the hub has told, also those that are not shown. */
  get servers(): readonly TopServer[] {
    return this.#servers;
  }

  /** In their order. */
  get shown(): readonly TopServer[] {
    return this.#shown;
  }

  get sortedBy(): string {
    return this.#isReversed ? `${this.#column}, reversed` : this.#column;
  }

  /** Takes what the hub tells now. */
  take(list: ListServersResponse): void {
    const rates = this.#rates.take(list, performance.now());
    this.#servers = (list.servers ?? []).map((server) => ({
      ...server,
      callsPerSecond: rates.get(server.name ?? ""),
    }));
    this.#arrange();
  }

  /** Does what a key means; another key means nothing. */
  press(key: string, pageRows: number): void {
    if (key === "s") {
      this.#column = TOP_COLUMNS[(TOP_COLUMNS.indexOf(this.#column) + 1) % TOP_COLUMNS.length]!;
    } else if (key === "r") this.#isReversed = !this.#isReversed;
    else if (key === "a") this.#all = !this.#all;
    else if (UP.has(key)) this.#from -= 1;
    else if (DOWN.has(key)) this.#from += 1;
    else if (PAGE_UP.has(key)) this.#from -= pageRows;
    else if (PAGE_DOWN.has(key)) this.#from += pageRows;
    else if (FIRST.has(key)) this.#from = 0;
    else if (LAST.has(key)) this.#from = Infinity;
    this.#arrange();
  }

  /** The first one on the terminal: it is full as long as there are servers enough. */
  from(pageRows: number): number {
    const last = Math.max(0, this.#shown.length - pageRows);
    return this.#from = Math.min(Math.max(0, this.#from), last);
  }

  #arrange(): void {
    const shown = this.#servers.filter(({ state }) => this.#all || state !== "OFFLINE");
    // The hub sorts by name, and those that are alike stay so.
    sortByKey<TopServer>(shown, KEYS[this.#column]);
    this.#shown = this.#isReversed ? shown.reverse() : shown;
  }
}
