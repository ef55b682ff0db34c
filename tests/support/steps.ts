/**
 * Counts what a piece of code does: how often V8 has entered each of its blocks. Unlike a clock, it
 * says the same on a slow machine and on a busy one.
 *
 * It sees JavaScript only. What runs inside V8 counts as one step, however long it takes: a regular
 * expression (`ambiguity.ts` looks at these), `indexOf`, `slice`, `JSON.parse`.
 *
 * @module
 */
import { type Profiler, Session } from "node:inspector";

type Coverage = Profiler.TakePreciseCoverageReturnType;

/** Blocks of this project's code, and of the packages that it uses. */
const COUNTED = "file://";

/**
 * Counts from here on, for as long as the process lives. V8 counts the blocks of what it compiles
 * while it counts: of a function that ran before, or between two counts, it would see calls alone.
 */
const session = new Session();
session.connect();
await post(session, "Profiler.enable");
await post(session, "Profiler.startPreciseCoverage", { callCount: true, detailed: true });

/** How many blocks were entered while `act` ran. */
export async function countSteps(act: () => unknown): Promise<number> {
  await taken(); // Each time begins at zero.
  await act();
  return (await taken()).filter(({ url }) => url.startsWith(COUNTED))
    .flatMap(({ functions }) => functions)
    .flatMap(({ ranges }) => ranges)
    .reduce((sum, { count }) => sum + count, 0);
}

async function taken(): Promise<Coverage["result"]> {
  return (await post(session, "Profiler.takePreciseCoverage") as Coverage).result;
}

function post(session: Session, method: string, params?: object): Promise<unknown> {
  return new Promise((resolve, reject) => {
    session.post(method, params, (error, result) => error ? reject(error) : resolve(result));
  });
}
