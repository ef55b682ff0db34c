/**
 * How the Fluentds of many servers are, asked a few at a time and not too often.
 *
 * @module
 */
import type { fluentd_v1_GetStatusResponse as GetStatusResponse } from "../../shared/gen/types.ts";
import { statusName } from "../../shared/grpc/status.ts";
import { ask } from "./ask.ts";
import type { CallRoute } from "./route.ts";

/** No more servers are asked at once. */
export const MAX_FLUENTD_QUESTIONS = 10;
/** A server is asked again when its answer is older. */
const FRESH_MS = 10_000;
const ASK_TIMEOUT_MS = 5_000;

interface Known {
  readonly health: string;
  readonly askedMs: number;
}

export class FluentdStates {
  readonly #route: CallRoute;
  readonly #onAnswer: () => void;
  readonly #known = new Map<string, Known>();
  readonly #asking = new Map<string, Promise<void>>();
  #wanted: string[] = [];

  constructor(route: CallRoute, onAnswer: () => void = () => {}) {
    this.#route = route;
    this.#onAnswer = onAnswer;
  }

  /** `HEALTHY`, …, or the name of the error; `undefined` before the first answer. */
  healthOf(name: string): string | undefined {
    return this.#known.get(name)?.health;
  }

  /** Asks these servers, unless their answers are fresh; those that were wanted before no more. */
  want(names: readonly string[]): void {
    const oldestMs = performance.now() - FRESH_MS;
    this.#wanted = names.filter((name) =>
      !this.#asking.has(name) && (this.#known.get(name)?.askedMs ?? -Infinity) < oldestMs
    );
    this.#askNext();
  }

  /** Forgets all servers but these. */
  keep(names: ReadonlySet<string>): void {
    for (const name of this.#known.keys()) if (!names.has(name)) this.#known.delete(name);
  }

  /** Ends when all that are wanted have been asked. */
  async settled(): Promise<void> {
    while (this.#asking.size > 0) await Promise.race(this.#asking.values());
  }

  #askNext(): void {
    while (this.#asking.size < MAX_FLUENTD_QUESTIONS && this.#wanted.length > 0) {
      const name = this.#wanted.shift()!;
      this.#asking.set(name, this.#ask(name));
    }
  }

  /** Does not throw: what ends the program is told to the one that looks at the hub. */
  async #ask(server: string): Promise<void> {
    const askedMs = performance.now();
    const deadline = Date.now() + ASK_TIMEOUT_MS;
    let health = "HEALTH_UNKNOWN";
    try {
      const { answer, error } = await ask<GetStatusResponse>(
        { ...this.#route, server, deadline },
        { method: "fluentd.v1.Fluentd/GetStatus" },
      );
      if (error !== undefined) health = statusName(error.code);
      else if (answer.state?.health !== undefined) health = answer.state.health;
    } catch {
      // Called off.
    }
    this.#known.set(server, { health, askedMs });
    this.#asking.delete(server);
    if (this.#route.signal.aborted) return;
    this.#askNext();
    this.#onAnswer();
  }
}
