/**
 * Which hubs a server prefers: rendezvous hashing of its name and each hub. Every server has an
 * order of its own, so that load spreads evenly though nobody measures it; and when a hub comes or
 * goes, only the servers that prefer it move.
 *
 * @see https://en.wikipedia.org/wiki/Rendezvous_hashing
 * @module
 */
import { createHash } from "node:crypto";

/** Of the hash; a number of 48 bits is exact. */
const WEIGHT_BYTES = 6;

/**
 * The hubs, the best first.
 *
 * @param server The machine's name: its upstreams go where it goes.
 */
export function rankHubs<T extends { readonly key: string }>(
  server: string,
  hubs: readonly T[],
): readonly T[] {
  return hubs.map((hub) => ({ hub, weight: weightOf(server, hub.key) }))
    .sort((a, b) => b.weight - a.weight || (a.hub.key < b.hub.key ? -1 : 1))
    .map(({ hub }) => hub);
}

function weightOf(server: string, key: string): number {
  return createHash("sha256").update(`${server}\n${key}`).digest().readUIntBE(0, WEIGHT_BYTES);
}
