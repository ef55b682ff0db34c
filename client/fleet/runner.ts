/**
 * Does one thing to many targets: a number of them at a time, some first, and not all when too many
 * fail.
 *
 *     targets  a b c d e f g        --canary 2 --parallel 3
 *     first    a b                  if one of them fails, the others are not tried
 *     then         c d e            each that ends makes room for the next one
 *
 * It knows nothing of calls and of output.
 *
 * @module
 */

export interface FleetRun {
  readonly targets: readonly string[];
  /** How many run at the same time, at most. */
  readonly parallel: number;
  /** How many run first; when one of them fails, nothing else is started. 0 for none. */
  readonly canary: number;
  /** When more than these have failed, nothing else is started. `Infinity` for all. */
  readonly maxFailures: number;
  /** Nothing is started once it says yes. */
  readonly stopped: () => boolean;
  /** Resolves when there is room for what another target prints. */
  readonly room?: () => Promise<void>;
  /**
   * Does it, and tells whether that went well. What it throws ends the run: nothing else is started,
   * and what runs is waited for.
   */
  readonly run: (target: string) => Promise<boolean>;
}

/** @returns The targets that were not tried, in their order. */
export async function runFleet(fleet: FleetRun): Promise<string[]> {
  const { targets, canary } = fleet;
  const broken = Promise.withResolvers<void>();
  const state: State = { failures: 0, thrown: undefined, broken, next: 0 };
  if (canary > 0) {
    await runUpTo(Math.min(canary, targets.length), fleet, state);
    if (state.failures > 0) return targets.slice(state.next);
  }
  await runUpTo(targets.length, fleet, state);
  return targets.slice(state.next);
}

interface State {
  failures: number;
  thrown: { readonly error: unknown } | undefined;
  /** Resolves when something was thrown. */
  readonly broken: PromiseWithResolvers<void>;
  /** Index of the first target that was not started. */
  next: number;
}

/** Runs the targets from `state.next` to before `end`. */
async function runUpTo(end: number, fleet: FleetRun, state: State): Promise<void> {
  const { targets, parallel, maxFailures, stopped, room, run } = fleet;
  const goesOn = () =>
    state.next < end && state.failures <= maxFailures && state.thrown === undefined &&
    !stopped();
  const lane = async () => {
    while (goesOn()) {
      // What has thrown makes no room any more.
      await Promise.race([room?.(), state.broken.promise]);
      if (!goesOn()) return;
      const target = targets[state.next++]!;
      try {
        if (!await run(target)) state.failures++;
      } catch (error) {
        state.thrown ??= { error };
        state.broken.resolve();
      }
    }
  };
  const lanes = Math.min(parallel, end - state.next);
  await Promise.all(Array.from({ length: lanes }, lane));
  if (state.thrown !== undefined) throw state.thrown.error;
}
