/**
 * A thread that takes and gives back places as fast as it can, for tests of what threads share.
 *
 * @module
 */
import { SharedTally } from "../shared_tally.ts";

/** What it is told. */
export interface BusyWork {
  readonly memory: SharedArrayBuffer;
  readonly names: readonly string[];
  readonly rounds: number;
  readonly max: number;
}

/** What it has seen. */
export interface BusyResult {
  readonly taken: number;
  readonly refused: number;
  /** The largest number of one name that it saw under the lock. */
  readonly most: number;
}

const thread = self as unknown as {
  onmessage: (event: MessageEvent<BusyWork>) => void;
  postMessage(result: BusyResult): void;
};

thread.onmessage = ({ data: { memory, names, rounds, max } }) => {
  const tally = new SharedTally(memory);
  const held: string[] = [];
  let [taken, refused, most] = [0, 0, 0];
  for (let round = 0; round < rounds; round++) {
    const name = names[round % names.length]!;
    const mayTake = (own: number) => {
      most = Math.max(most, own);
      return own < max;
    };
    if (tally.take(name, mayTake)) {
      taken++;
      held.push(name);
    } else refused++;
    if (held.length > max || round % 3 === 0) {
      const last = held.pop();
      if (last !== undefined) tally.add(last, -1);
    }
  }
  for (const name of held) tally.add(name, -1);
  thread.postMessage({ taken, refused, most });
};
