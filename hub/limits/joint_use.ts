/**
 * What all workers of one process use together, in memory that they share: so an operator has one limit,
 * whichever worker its connections came to.
 *
 * | what                          | where                            | exact                         |
 * | ----------------------------- | -------------------------------- | ----------------------------- |
 * | calls of one operator         | `calls`                          | at each call                  |
 * | calls of the hub's own        | `ownCalls`                       | at each call                  |
 * | bytes/s of one operator       | `rates`: when its bucket is full | as they move                  |
 * | bytes kept for one operator   | `kept`                           | as they move                  |
 * | memory of the whole process   | `loads`: one row for each worker | each second, as in one loop   |
 *
 * Calls and bytes/s at one server are the business of the worker that has its tunnel: all of them come
 * there.
 *
 * @module
 */
import { isWithinShare } from "../../shared/async/fair_share.ts";
import { type MayTake, SharedTally, tallyMemory } from "../../shared/memory/shared_tally.ts";
import type { Account } from "./account.ts";
import { ByteRate } from "./byte_rate.ts";
import { JointBucket } from "./joint_bucket.ts";

/** Operators that are counted each by itself; those beyond have one count together. */
export const MAX_JOINT_OPERATORS = 16_384;

/** Numbers in a row of `loads`. */
const LOAD_NUMBERS = 3;

/** Memory that can be sent to other threads. */
export interface JointUseMemory {
  readonly calls: SharedArrayBuffer;
  readonly ownCalls: SharedArrayBuffer;
  readonly rates: SharedArrayBuffer;
  readonly kept: SharedArrayBuffer;
  readonly loads: SharedArrayBuffer;
  readonly shedding: SharedArrayBuffer;
}

/** What one worker has of what must be summed up. */
export interface WorkerLoad {
  readonly connections: number;
  readonly bufferedBytes: number;
  readonly waitingForBytes: number;
}

export function jointUseMemory(workers: number): JointUseMemory {
  const tally = () => tallyMemory(MAX_JOINT_OPERATORS);
  return {
    calls: tally(),
    ownCalls: tally(),
    rates: tally(),
    kept: tally(),
    loads: new SharedArrayBuffer(workers * LOAD_NUMBERS * Float64Array.BYTES_PER_ELEMENT),
    shedding: new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT),
  };
}

/** One worker's view of it. */
export class JointUse {
  readonly calls: SharedTally;
  readonly ownCalls: SharedTally;
  readonly #rates: SharedTally;
  readonly kept: SharedTally;
  readonly #loads: Float64Array;
  readonly #shedding: Int32Array;
  readonly #worker: number;
  /** The operator whose call has a place that was not entered yet; likewise at the own services. */
  #calling: string | undefined;
  #callingOwn: string | undefined;

  /** @param worker From 0; the main thread, which only reads, has none. */
  constructor(memory: JointUseMemory, worker: number) {
    this.calls = new SharedTally(memory.calls);
    this.ownCalls = new SharedTally(memory.ownCalls);
    this.#rates = new SharedTally(memory.rates);
    this.kept = new SharedTally(memory.kept);
    this.#loads = new Float64Array(memory.loads);
    this.#shedding = new Int32Array(memory.shedding);
    this.#worker = worker;
  }

  /**
   * Takes a place for a call at once, since another worker may ask in the same moment. The same turn of
   * the event loop enters the call; a place that is not entered is given back at the next question.
   */
  takeCall(operator: string, mayTake: MayTake): boolean {
    if (this.#calling !== undefined) this.calls.add(this.#calling, -1);
    const isTaken = this.calls.take(operator, mayTake);
    this.#calling = isTaken ? operator : undefined;
    return isTaken;
  }

  /** The same for a call of the hub's own services. */
  takeOwnCall(operator: string, most: number): boolean {
    if (this.#callingOwn !== undefined) this.ownCalls.add(this.#callingOwn, -1);
    const isTaken = this.ownCalls.take(operator, (own, all) => isWithinShare(own, most - all));
    this.#callingOwn = isTaken ? operator : undefined;
    return isTaken;
  }

  enter(operator: string, isOwn: boolean): void {
    if (this.#calling === operator) this.#calling = undefined;
    else this.calls.add(operator, 1);
    if (!isOwn) return;
    if (this.#callingOwn === operator) this.#callingOwn = undefined;
    else this.ownCalls.add(operator, 1);
  }

  /** An account for calls that came to this worker. */
  account(name: string, perSecond: number | undefined): Account {
    const rate = perSecond === undefined
      ? undefined
      : new ByteRate(perSecond, (options) => new JointBucket(this.#rates, name, options));
    return new JointAccount(name, rate, this.kept);
  }

  /** To be told once a second what this worker has. */
  tell({ connections, bufferedBytes, waitingForBytes }: WorkerLoad): void {
    const at = this.#worker * LOAD_NUMBERS;
    this.#loads.set([connections, bufferedBytes, waitingForBytes], at);
  }

  /** What all of them have. */
  get load(): WorkerLoad {
    let [connections, bufferedBytes, waitingForBytes] = [0, 0, 0];
    for (let at = 0; at < this.#loads.length; at += LOAD_NUMBERS) {
      connections += this.#loads[at]!;
      bufferedBytes += this.#loads[at + 1]!;
      waitingForBytes += this.#loads[at + 2]!;
    }
    return { connections, bufferedBytes, waitingForBytes };
  }

  /** How many connections each of them has. */
  get connections(): readonly number[] {
    return Array.from(this.#loads.filter((_, at) => at % LOAD_NUMBERS === 0));
  }

  /** Whether calls are refused to save memory, at any worker. */
  get shedding(): boolean {
    return Atomics.load(this.#shedding, 0) === 1;
  }

  /** @returns Whether it was this worker that has changed it. */
  shed(on: boolean): boolean {
    return Atomics.compareExchange(this.#shedding, 0, Number(!on), Number(on)) === Number(!on);
  }

  /** Forgets buckets that are full. To be called once a second. */
  forgetIdle(): void {
    const now = JointBucket.now();
    if (this.#rates.size > 0) this.#rates.forget((fullAtMs) => fullAtMs <= now);
  }
}

/** What an operator has at this worker; what is kept for it, all workers count together. */
class JointAccount implements Account {
  readonly name: string;
  readonly rate: ByteRate | undefined;
  readonly isForwarded = false;
  readonly callsAt = new Map<string, number>();
  calls = 0;
  readonly #kept: SharedTally;

  constructor(name: string, rate: ByteRate | undefined, kept: SharedTally) {
    this.name = name;
    this.rate = rate;
    this.#kept = kept;
  }

  get bufferedBytes(): number {
    return this.#kept.of(this.name);
  }

  keep(bytes: number): void {
    this.#kept.add(this.name, bytes);
  }
}
