/**
 * Where hubs can be dialled: each URI, and each address of a name that has several.
 *
 *     --hub-uri wss://a.example/ws --hub-uri wss://b.example/ws   → a, b
 *     --hub-uri wss://hub.example/ws, which has two addresses     → hub at 192.0.2.1, hub at 192.0.2.2
 *     one address of IPv4 and one of IPv6                         → hub: it is one machine
 *     through a proxy                                             → hub: the proxy finds addresses
 *
 * Looked up again about once a minute: a hub that joins is found without a restart.
 *
 * @module
 */
import { lookup as lookupName } from "node:dns/promises";
import { isIP } from "node:net";
import { jittered } from "../../shared/async/backoff.ts";
import { delay } from "../../shared/async/delay.ts";
import { bareHost } from "../../shared/net/bare_host.ts";
import { isLoopbackHost } from "../../shared/net/loopback.ts";
import { targetOf } from "../../shared/net/proxy.ts";

/** A hub as it can be dialled. */
export interface HubPlace {
  /** What it is called in logs, and by what it is ranked: the same at every server. */
  readonly key: string;
  readonly uri: URL;
  /** The address that is dialled, if the URI's host has several. */
  readonly address?: string;
}

/** Finds the addresses of a name. */
export type FindAddresses = (host: string) => Promise<readonly string[]>;

/** Options of {@linkcode findPlaces}. */
export interface FindPlacesOptions {
  /** Whether a URI is dialled through a proxy. */
  readonly isProxied: (uri: URL) => boolean;
  /** Those that were found before: kept for a name that cannot be looked up now. @default none */
  readonly known?: readonly HubPlace[];
  /** @default the system's resolver */
  readonly find?: FindAddresses;
  readonly signal?: AbortSignal | undefined;
  /** @default LOOKUP_TIMEOUT_MS */
  readonly timeoutMs?: number;
}

/** More places are not dialled. */
export const MAX_PLACES = 32;
/** Tunnels of one name, where more hubs than these are known. */
export const DEFAULT_MAX_HUBS = 2;
/** How often names are looked up again. */
const LOOK_AGAIN_MS = 60_000;
/** Servers that learn of a new hub do not dial it in the same second. */
const LOOK_JITTER = 0.5;
/** A name whose addresses are not known by then is dialled by its name. */
export const LOOKUP_TIMEOUT_MS = 2_000;

/** The places of URIs, in their order. A name that cannot be looked up is one place. Never rejects. */
export async function findPlaces(
  uris: readonly URL[],
  options: FindPlacesOptions,
): Promise<readonly HubPlace[]> {
  const found = await Promise.all(uris.map((uri) => placesOf(uri, options)));
  const byKey = new Map(found.flat().map((place) => [place.key, place]));
  return [...byKey.values()].slice(0, MAX_PLACES);
}

/** Options of {@linkcode watchPlaces}. */
export interface WatchPlacesOptions extends FindPlacesOptions {
  readonly signal: AbortSignal;
  readonly onChange: (places: readonly HubPlace[]) => void;
  /** @default LOOK_AGAIN_MS */
  readonly lookMs?: number;
}

/** Looks names up again and again, until the signal fires. Never rejects. */
export async function watchPlaces(
  uris: readonly URL[],
  options: WatchPlacesOptions,
): Promise<void> {
  const { signal, onChange, isProxied, lookMs = LOOK_AGAIN_MS } = options;
  if (!uris.some((uri) => hasAddresses(uri, isProxied))) return;
  let { known = [] } = options;
  while (!signal.aborted) {
    await delay(jittered(lookMs, { share: LOOK_JITTER }), { signal }).catch(() => {});
    if (signal.aborted) return;
    const places = await findPlaces(uris, { ...options, known });
    const isSame = places.map(({ key }) => key).join() === known.map(({ key }) => key).join();
    known = places;
    if (!isSame && !signal.aborted) onChange(places);
  }
}

/**
 * Places for as many tunnels as are wanted. A single one may be a balancer's: dialled once more, it
 * may lead to another hub.
 *
 * @param maxHubs As given. @default two, where there are two
 */
export function placesFor(
  places: readonly HubPlace[],
  maxHubs: number | undefined,
): { readonly places: readonly HubPlace[]; readonly most: number } {
  const [only] = places;
  if (maxHubs === undefined || only === undefined || places.length > 1) {
    return { places, most: Math.min(maxHubs ?? DEFAULT_MAX_HUBS, places.length) };
  }
  const copies = Array.from({ length: maxHubs - 1 }, (_, i): HubPlace => ({
    ...only,
    key: `${only.key} (${i + 2})`,
  }));
  return { places: [only, ...copies], most: maxHubs };
}

/** Whether a URI's host is looked up here, so that its places may be others tomorrow. */
export function hasAddresses(uri: URL, isProxied: (uri: URL) => boolean): boolean {
  const { host } = targetOf(uri);
  return isIP(bareHost(host)) === 0 && !isLoopbackHost(host) && !isProxied(uri);
}

async function placesOf(
  uri: URL,
  { isProxied, find = addressesOf, signal, known = [], timeoutMs = LOOKUP_TIMEOUT_MS }:
    FindPlacesOptions,
): Promise<readonly HubPlace[]> {
  const whole = [{ key: uri.href, uri }];
  if (!hasAddresses(uri, isProxied)) return whole;
  const late = new AbortController();
  try {
    const limit = signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]);
    const addresses = await Promise.race([find(uri.hostname), tooLate(timeoutMs, limit)]);
    // A machine may have an address of each family; two of one family are two machines.
    const most = Math.max(...[4, 6].map((family) => countOf(addresses, family)));
    if (most < 2) return whole;
    return [...new Set(addresses)].sort().map((address) => ({
      key: `${uri.href} at ${address}`,
      uri,
      address,
    }));
  } catch {
    // Why stands in the log when it is dialled.
    const before = known.filter((place) => place.uri.href === uri.href);
    return before.length > 0 ? before : whole;
  } finally {
    late.abort();
  }
}

async function tooLate(ms: number, signal: AbortSignal): Promise<never> {
  await delay(ms, { signal });
  throw new Error(`No address within ${ms} ms`);
}

function countOf(addresses: readonly string[], family: number): number {
  return new Set(addresses.filter((address) => isIP(address) === family)).size;
}

async function addressesOf(host: string): Promise<readonly string[]> {
  return (await lookupName(host, { all: true })).map(({ address }) => address);
}
