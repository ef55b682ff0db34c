/**
 * How a hub names itself to servers, so that a server with several addresses of hubs knows whether
 * two of them lead to the same one: docs/protocol.md §2.6.
 *
 *     GET /ws  X-Hub-Meta-Held: 3f2a…           the hubs at which this server has a tunnel
 *     101      X-Hub-Id: 9c41…                  another hub: one more tunnel
 *     409      X-Hub-Id: 3f2a…  ALREADY_HERE    the same one: the tunnel there stays open
 *
 * @module
 */

/** In a 101, and in a refusal that is about it: a name that this process of the hub has alone. */
export const HUB_ID_HEADER = "X-Hub-Id";
/** In a request: the ids of the hubs at which this server has a tunnel of this name. */
export const HELD_HEADER = "X-Hub-Meta-Held";
/** The code of a refusal: the same server has a tunnel of this name here. */
export const ALREADY_HERE = "ALREADY_HERE";

/** More hubs a server does not hold. */
export const MAX_HELD_HUBS = 16;

const HUB_ID = /^[\w.-]{1,64}$/;

/** Whether a hub may call itself so. */
export function isHubId(text: string): boolean {
  return HUB_ID.test(text);
}

/** The value of {@linkcode HELD_HEADER}; `undefined` if there is nothing to say. */
export function formatHeld(ids: readonly string[]): string | undefined {
  return ids.length === 0 ? undefined : ids.slice(0, MAX_HELD_HUBS).join(",");
}

/** Reads the value of {@linkcode HELD_HEADER}. An id that is none counts for nothing. */
export function parseHeld(text: string | null | undefined): readonly string[] {
  return (text ?? "").split(",", MAX_HELD_HUBS).map((id) => id.trim()).filter(isHubId);
}
