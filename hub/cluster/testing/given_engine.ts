/**
 * An engine that a test gives to a hub, and can take away. For tests.
 *
 * @module
 */
import {
  type Commit,
  type Engine,
  EngineError,
  type EngineReadOptions,
  type KeyChange,
  type Page,
  type Txn,
} from "../../engine/engine.ts";

/** An engine that a test can take away. Disposing of it leaves the engine behind it, which others use. */
export class GivenEngine implements Engine {
  readonly #engine: Engine;
  /** Every call fails, as if nobody answered. */
  isAway = false;
  /** Commits fail, as if the disk were full. */
  isFull = false;
  /** Commits wait for this. */
  hold: Promise<void> | undefined;
  /** Answers to commits wait for this: the watch may tell before. */
  holdAnswer: Promise<void> | undefined;
  /** How many commits wait. */
  held = 0;
  /** How many there were. */
  committed = 0;
  /** What the watch tells waits for this. */
  holdWatch: Promise<void> | undefined;
  #leave = new AbortController();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Nobody answers from now on; watches end. */
  takeAway(): void {
    this.isAway = true;
    this.#leave.abort(new EngineError("away", "Taken away by the test"));
    this.#leave = new AbortController();
  }

  async session(ttlMs: number): Promise<string> {
    this.#check();
    return await this.#engine.session(ttlMs);
  }

  async renew(session: string): Promise<boolean> {
    this.#check();
    return await this.#engine.renew(session);
  }

  async revoke(session: string): Promise<void> {
    this.#check();
    await this.#engine.revoke(session);
  }

  async commit(txn: Txn): Promise<Commit> {
    this.#check();
    if (this.isFull) throw new EngineError("full", "No room, says the test");
    this.held++;
    await this.hold;
    this.held--;
    this.committed++;
    const answer = await this.#engine.commit(txn);
    await this.holdAnswer;
    return answer;
  }

  async read(prefix: string, options?: EngineReadOptions): Promise<Page> {
    this.#check();
    return await this.#engine.read(prefix, options);
  }

  async *watch(
    prefix: string,
    from: number,
    signal: AbortSignal,
  ): AsyncGenerator<readonly KeyChange[]> {
    this.#check();
    const until = AbortSignal.any([signal, this.#leave.signal]);
    for await (const changes of this.#engine.watch(prefix, from, until)) {
      await this.#untilTold(until);
      yield changes;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  async #untilTold(until: AbortSignal): Promise<void> {
    if (this.holdWatch === undefined) return;
    const over = new Promise<void>((resolve) => until.addEventListener("abort", () => resolve()));
    await Promise.race([this.holdWatch, until.aborted ? undefined : over]);
  }

  #check(): void {
    if (this.isAway) throw new EngineError("away", "Taken away by the test");
  }
}
