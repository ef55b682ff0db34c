/**
 * Work that can be left and taken up again. It yields wherever others may have their turn, and whoever
 * runs it decides: a command that serves nobody runs it at once, a hub in turns (turns.ts).
 *
 * @module
 */
import { turns as turnsOfThisLoop } from "./turns.ts";

/**
 * How long it rests between its turns. A call goes through the event loop several times, and would
 * meet one of these turns each time.
 */
const REST_MS = 6;

/** Yields after each small piece: a millisecond of work at most. */
export type Steps<T> = Generator<void, T, void>;

/** Runs it to its end, whoever waits. */
export function atOnce<T>(steps: Steps<T>): T {
  while (true) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

/** What {@linkcode inTurns} asks whether others are to have their turn. */
export interface TurnTaker {
  isOver(): boolean;
  next(): Promise<void>;
}

/** Runs it so that nobody else on this event loop waits for long. */
export async function inTurns<T>(
  steps: Steps<T>,
  turns: TurnTaker = turnsOfThisLoop,
): Promise<T> {
  while (true) {
    const { done, value } = steps.next();
    if (done) return value;
    if (!turns.isOver()) continue;
    await new Promise((resolve) => setTimeout(resolve, REST_MS));
    await turns.next();
  }
}
