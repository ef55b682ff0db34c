/**
 * An operator who calls all the time while others misbehave: whatever they do, each of the calls
 * must succeed.
 *
 * @module
 */
import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import type { Path } from "./path.ts";
import { until } from "./until.ts";

/** Between two calls: so that who shares this process gets a turn. */
const PAUSE_MS = 2;
/** That many must succeed after each misdeed. */
const CALLS_AFTER = 5;

/** Calls Echo, one call after the other, on one connection; every tenth on a fresh one. */
export class Bystander implements AsyncDisposable {
  readonly #path: Path;
  readonly #running: Promise<void>;
  readonly #failures: string[] = [];
  #calls = 0;
  #stopped = false;

  constructor(path: Path) {
    this.#path = path;
    this.#running = this.#run();
  }

  /** Fails if any call has failed since the last look, or no more of them come through. */
  async check(): Promise<void> {
    const before = this.#calls;
    await until(
      "the bystander's next calls",
      () => this.#failures.length > 0 || this.#calls >= before + CALLS_AFTER,
    );
    assert.deepEqual(this.#failures.splice(0), []);
  }

  async #run(): Promise<void> {
    using kept = this.#path.client();
    while (!this.#stopped) {
      using fresh = this.#calls % 10 === 9 ? this.#path.client() : undefined;
      const data = new TextEncoder().encode(`call ${this.#calls}`);
      const { code, details, responses } = await (fresh ?? kept).unary({ data });
      const answer = new TextDecoder().decode(responses[0]?.data);
      if (code !== 0 || answer !== `call ${this.#calls}`) {
        this.#failures.push(`${code} ${details} "${answer}"`);
      }
      this.#calls++;
      await delay(PAUSE_MS);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }
}
