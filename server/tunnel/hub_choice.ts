/**
 * At which hubs a name has its tunnels: the best that answer. Pure, so that it is tested as a table.
 *
 *     best ──▶ worst        most = 2
 *     serving serving idle      nothing to do
 *     failed  serving idle      start the third one; the first one is tried again
 *     serving serving serving   the first one is back: stop the third one, which ends its calls
 *     same    serving idle      start the third one: the first address leads where the second does
 *
 * @module
 */

/**
 * How a place stands.
 *
 * - `idle`: nobody dials it.
 * - `new`: the first dial is under way, and may well succeed.
 * - `serving`: there is a tunnel.
 * - `same`: its hub has a tunnel of this name already, from another place.
 * - `failed`: it was dialled, or lost, and is tried again.
 */
export type Standing = "idle" | "new" | "serving" | "same" | "failed";

/** A place, and what is known of it. */
export interface Candidate {
  readonly standing: Standing;
  /** Places of one group may be one hub: they are dialled for the first time one after the other. */
  readonly group: string;
  /** It is no longer among those that were given. */
  readonly isGone?: boolean;
}

/** What is to be done, as indexes of the candidates. */
export interface Choice {
  readonly start: readonly number[];
  readonly stop: readonly number[];
  /** How many tunnels there are that are to stay. */
  readonly serving: number;
}

/** @param candidates The best first. */
export function chooseHubs(candidates: readonly Candidate[], most: number): Choice {
  const start: number[] = [];
  const stop: number[] = [];
  let serving = 0;
  /** Tunnels that are there, or may be soon. */
  let hoped = 0;
  const busy = new Set(
    candidates.filter(({ standing }) => standing === "new").map(({ group }) => group),
  );
  for (const [i, { standing, group, isGone = false }] of candidates.entries()) {
    // Never before as many better ones have their tunnels.
    const isSpare = serving >= most || (isGone && standing !== "serving");
    if (standing === "idle") {
      if (hoped >= most || isGone || busy.has(group)) continue;
      busy.add(group);
      start.push(i);
      hoped++;
    } else if (isSpare) {
      stop.push(i);
    } else {
      if (standing === "serving") serving++;
      if (standing === "serving" || standing === "new") hoped++;
    }
  }
  return { start, stop, serving };
}
