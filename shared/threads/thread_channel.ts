/**
 * Questions and messages between two threads, over a MessagePort or a Worker. What goes over it is
 * plain data, which the threads do not share: it is copied.
 *
 *     channel.to<EngineService>("engine").ask("renew", session) ─▶ serve("engine", { renew })
 *                            a promise of the answer, or its error ◀─ what it returned or threw
 *     channel.to<AuditService>("audit").tell("record", line)    ─▶ serve("audit", { record })
 *
 * - What one thread sends, the other one gets in the same order.
 * - When the channel closes, each question that waits for its answer ends with an error.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";

/** Questions that may wait for an answer at a time, unless told otherwise; more end with an error at once. */
export const MAX_WAITING = 10_000;

export interface ThreadChannelOptions {
  /** @default MAX_WAITING */
  readonly maxWaiting?: number;
}

/** What one thread can be asked and told: functions of one plain value that return one. */
// deno-lint-ignore no-explicit-any -- Of any value: each service has its own.
export type ThreadService = { readonly [name: string]: (value: any) => unknown };

/** The names of a service's functions. */
type NameOf<T> = keyof T & string;
/** What a function takes. */
type Value<T, K extends keyof T> = T[K] extends (value: infer V) => unknown ? V : never;
/** What a function answers. */
type Reply<T, K extends keyof T> = T[K] extends (value: never) => infer R ? Awaited<R> : never;

/** A service of the other thread. */
export interface Remote<T> {
  /**
   * Asks, and waits for the answer.
   *
   * @throws {Error} If it threw, or the channel is closed; the signal's reason when that fires.
   */
  ask<K extends NameOf<T>>(name: K, value: Value<T, K>, signal?: AbortSignal): Promise<Reply<T, K>>;
  /**
   * Sends, and does not hear what became of it: an error is logged by the other thread.
   *
   * @param moved What is in the value and is not copied: this thread has it no more.
   */
  tell<K extends NameOf<T>>(
    name: K,
    value: Value<T, K>,
    moved?: readonly Transferable[],
  ): void;
}

/** What a channel needs: a MessagePort, a Worker, or a worker's own global object. */
export interface Port {
  postMessage(message: unknown, moved: Transferable[]): void;
  onmessage: ((event: MessageEvent) => void) | null;
}

type Message =
  | { readonly to: string; readonly name: string; readonly value: unknown; readonly id?: number }
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: string };

interface Waiting {
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/** One end of a channel. */
export class ThreadChannel implements Disposable {
  readonly #port: Port;
  readonly #services = new Map<string, ThreadService>();
  readonly #waiting = new Map<number, Waiting>();
  readonly #maxWaiting: number;
  #nextId = 0;
  #closed: Error | undefined;

  constructor(port: Port, { maxWaiting = MAX_WAITING }: ThreadChannelOptions = {}) {
    this.#port = port;
    this.#maxWaiting = maxWaiting;
    port.onmessage = ({ data }) => this.#receive(data as Message);
  }

  /** Lets the other thread use these functions. One of a service that is here already takes its place. */
  serve(to: string, service: ThreadService): void {
    this.#services.set(to, service);
  }

  /** A service of the other thread. */
  to<T>(to: string): Remote<T> {
    return {
      ask: (name, value, signal) => this.#ask({ to, name, value }, signal) as never,
      tell: (name, value, moved = []) => {
        if (this.#closed === undefined) this.#port.postMessage({ to, name, value }, [...moved]);
      },
    };
  }

  /** Ends it on this side: questions end with an error, and what is told goes nowhere. */
  close(why: string): void {
    if (this.#closed !== undefined) return;
    this.#closed = new Error(why);
    this.#port.onmessage = null;
    for (const { reject } of this.#waiting.values()) reject(this.#closed);
    this.#waiting.clear();
  }

  [Symbol.dispose](): void {
    this.close("The channel was closed");
  }

  #ask(
    asked: { readonly to: string; readonly name: string; readonly value: unknown },
    signal?: AbortSignal,
  ): Promise<unknown> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#waiting.size >= this.#maxWaiting) {
      const why = `The other thread has ${this.#maxWaiting} questions to answer`;
      return Promise.reject(new Error(why));
    }
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#waiting.set(id, { resolve, reject });
    this.#port.postMessage({ ...asked, id }, []);
    if (signal === undefined) return promise;
    const stop = () => {
      this.#waiting.delete(id);
      reject(signal.reason);
    };
    signal.addEventListener("abort", stop);
    return promise.finally(() => signal.removeEventListener("abort", stop));
  }

  #receive(message: Message): void {
    if ("to" in message) return void this.#answer(message);
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if ("error" in message) waiting?.reject(new Error(message.error));
    else waiting?.resolve(message.value);
  }

  async #answer({ to, name, value, id }: Extract<Message, { to: string }>): Promise<void> {
    try {
      const called = this.#services.get(to)?.[name];
      if (called === undefined) throw new Error(`No thread serves ${to}.${name}`);
      const answer = await called(value);
      if (id !== undefined && this.#closed === undefined) {
        this.#port.postMessage({ id, value: answer }, []);
      }
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      if (id === undefined) {
        getLogger(["channel"]).error("{to}.{name} hit an unexpected error: {error}", {
          to,
          name,
          error,
        });
      } else if (this.#closed === undefined) this.#port.postMessage({ id, error: text }, []);
    }
  }
}
