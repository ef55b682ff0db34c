/**
 * How many files the hub may have open, and with that how many connections: without knowing it, the
 * hub would give one address what the kernel then refuses to everybody.
 *
 * The kernel tells the limit in `/proc/self/limits`, which Deno lets nobody read who may not do
 * everything. So it is tried out: 12 µs for each file, once.
 *
 * | of the files     | who                                                            |
 * | ---------------- | -------------------------------------------------------------- |
 * | 64               | the hub's own                                                  |
 * | half of the rest | callers, shared by their addresses                             |
 * | an eighth        | servers' handshakes, shared by their addresses                 |
 * | an eighth        | TLS handshakes at either port, shared by their addresses       |
 * | of the hub's own | answers to servers that are refused, while they are written    |
 * | all of the rest  | the same, and tunnels, shared by the entries that have them    |
 *
 * @module
 */
import { FairShare, type Places } from "../../shared/async/fair_share.ts";

/** Nobody is counted who could take more: callers and handshakes together are fewer. */
const ENOUGH = 12_288;
/** Standard streams, listeners, audit, known servers, files that are read again, and answers. */
const OWN_FILES = 64;
/** How many of these files are for peers that are refused: a peer that floods the hub with dials gets no answers. */
export const MAX_ANSWERS = 24;
/** EMFILE. */
const TOO_MANY = /\(os error 24\)/;

/** Files that may be open at once; `Infinity` where that is enough for everybody. */
export function openFileLimit(enough: number = ENOUGH): number {
  const files: Deno.FsFile[] = [];
  try {
    while (files.length < enough) files.push(Deno.openSync("/dev/null"));
    return Infinity;
  } catch (error) {
    // Something else than too many: a machine of another kind.
    if (!(error instanceof Error) || !TOO_MANY.test(error.message)) return Infinity;
    return files.length;
  } finally {
    for (const file of files) file.close();
  }
}

/** Makes the places of a kind. */
export type MakePlaces = (kind: PlaceKind, total: number) => Places;

/** What connections take a place of. */
export type PlaceKind = "files" | "callers" | "handshakes" | "tlsHandshakes";

/** What is shared of the files. Each connection takes its place here, and one of its kind. */
export class ConnectionPlaces {
  readonly #all: Places;
  readonly #callers: Places;
  readonly #handshakes: Places;
  readonly #tlsHandshakes: Places;
  readonly #isLimited: boolean;
  #answers = 0;

  /**
   * @param openFiles Those that may be open in addition to what is open already.
   * @param make How places are counted. @default in this loop
   */
  constructor(
    openFiles: number,
    { maxCallers, maxHandshakes, maxTlsHandshakes }: {
      readonly maxCallers: number;
      readonly maxHandshakes: number;
      readonly maxTlsHandshakes: number;
    },
    make: MakePlaces = (_kind, total) => new FairShare(total),
  ) {
    const files = Math.max(0, openFiles - OWN_FILES);
    this.#isLimited = Number.isFinite(files);
    this.#all = make("files", files);
    this.#callers = make("callers", Math.min(maxCallers, Math.ceil(files / 2)));
    this.#handshakes = make("handshakes", Math.min(maxHandshakes, Math.ceil(files / 8)));
    this.#tlsHandshakes = make("tlsHandshakes", Math.min(maxTlsHandshakes, Math.ceil(files / 8)));
  }

  /** For a connection that shakes hands by TLS; after that it takes one of the other places. */
  tlsHandshake(network: string): Disposable | undefined {
    return both(this.#tlsHandshakes.take(network), () => this.#all.take(network));
  }

  /** For a connection of a caller. `undefined` if its network has its share. */
  caller(network: string): Disposable | undefined {
    return both(this.#callers.take(network), () => this.#all.take(network));
  }

  /** For a connection that may become a tunnel. */
  handshake(network: string): Disposable | undefined {
    return both(this.#handshakes.take(network), () => this.#all.take(network));
  }

  /** For the answer to a connection that is refused, and has no place of its own. */
  answer(): Disposable | undefined {
    if (this.#answers >= MAX_ANSWERS && this.#isLimited) return undefined;
    this.#answers++;
    return { [Symbol.dispose]: () => void this.#answers-- };
  }

  /** For a tunnel, in place of its handshake's. `undefined` if its owner has its share. */
  tunnel(owner: string): Disposable | undefined {
    return this.#all.take(`"${owner}"`);
  }
}

function both(
  first: Disposable | undefined,
  take: () => Disposable | undefined,
): Disposable | undefined {
  if (first === undefined) return undefined;
  const second = take();
  if (second === undefined) {
    first[Symbol.dispose]();
    return undefined;
  }
  return {
    [Symbol.dispose]() {
      first[Symbol.dispose]();
      second[Symbol.dispose]();
    },
  };
}
