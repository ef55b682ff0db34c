/**
 * An engine of another thread, through a channel: what the hubs of one process share.
 *
 *     PortEngine ──EngineService, over a channel──▶ serveEngine() ─▶ MemoryEngine
 *
 * @module
 */
import type { Remote, ThreadChannel, ThreadService } from "../../shared/threads/thread_channel.ts";
import {
  type Commit,
  type Engine,
  EngineError,
  type EngineFault,
  type EngineReadOptions,
  type KeyChange,
  type Page,
  type Txn,
} from "./engine.ts";

/** The name of the service. */
const ENGINE = "engine";

/** An answer, or why there is none. */
type Answered<T> =
  | { readonly value: T }
  | { readonly fault: EngineFault; readonly message: string; readonly unknown: boolean };

/** What the thread with the engine can be asked. */
interface EngineService {
  session(ttlMs: number): Promise<Answered<string>>;
  renew(session: string): Promise<Answered<boolean>>;
  revoke(session: string): Promise<Answered<void>>;
  commit(txn: Txn): Promise<Answered<Commit>>;
  read(asked: { readonly prefix: string; readonly options: EngineReadOptions }): Promise<
    Answered<Page>
  >;
  /** Begins a watch under a number that the other thread has chosen. */
  watch(asked: { readonly id: number; readonly prefix: string; readonly from: number }): void;
  /** The next changes of a watch; `undefined` after its end. */
  next(id: number): Promise<Answered<readonly KeyChange[] | undefined>>;
  /** Ends a watch; one that is not there is no fault. */
  unwatch(id: number): void;
}

/** Lets the thread at the other end of a channel use an engine, until it closes. */
export function serveEngine(channel: ThreadChannel, engine: Engine): void {
  const watches = new Map<number, { changes: AsyncIterator<readonly KeyChange[]>; stop(): void }>();
  const service: EngineService = {
    session: (ttlMs) => answered(engine.session(ttlMs)),
    renew: (session) => answered(engine.renew(session)),
    revoke: (session) => answered(engine.revoke(session)),
    commit: (txn) => answered(engine.commit(txn)),
    read: ({ prefix, options }) => answered(engine.read(prefix, options)),
    watch({ id, prefix, from }) {
      const ending = new AbortController();
      const changes = engine.watch(prefix, from, ending.signal)[Symbol.asyncIterator]();
      watches.set(id, { changes, stop: () => ending.abort() });
    },
    next(id) {
      const changes = watches.get(id)?.changes.next();
      return answered(Promise.resolve(changes).then((one) => one?.done ? undefined : one?.value));
    },
    unwatch(id) {
      watches.get(id)?.stop();
      watches.delete(id);
    },
  };
  channel.serve(ENGINE, { ...service } as ThreadService);
}

async function answered<T>(promise: Promise<T>): Promise<Answered<T>> {
  try {
    return { value: await promise };
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    const { fault, message, unknown } = error;
    return { fault, message, unknown };
  }
}

/** The engine at the other end of a channel. To dispose of it ends nothing there. */
export class PortEngine implements Engine {
  readonly #remote: Remote<EngineService>;
  readonly #closing = new AbortController();
  #nextWatch = 0;

  constructor(channel: ThreadChannel) {
    this.#remote = channel.to<EngineService>(ENGINE);
  }

  session(ttlMs: number): Promise<string> {
    return this.#given(this.#remote.ask("session", ttlMs, this.#closing.signal));
  }

  renew(session: string): Promise<boolean> {
    return this.#given(this.#remote.ask("renew", session, this.#closing.signal));
  }

  revoke(session: string): Promise<void> {
    return this.#given(this.#remote.ask("revoke", session, this.#closing.signal));
  }

  commit(txn: Txn): Promise<Commit> {
    return this.#given(this.#remote.ask("commit", txn, this.#closing.signal));
  }

  read(prefix: string, options: EngineReadOptions = {}): Promise<Page> {
    return this.#given(this.#remote.ask("read", { prefix, options }, this.#closing.signal));
  }

  async *watch(
    prefix: string,
    from: number,
    signal: AbortSignal,
  ): AsyncGenerator<readonly KeyChange[], void, undefined> {
    signal.throwIfAborted();
    const id = this.#nextWatch++;
    const either = AbortSignal.any([signal, this.#closing.signal]);
    this.#remote.tell("watch", { id, prefix, from });
    try {
      for (;;) {
        const asked = this.#remote.ask("next", id, either);
        const changes = await this.#given(asked).catch((error) => {
          throw signal.aborted ? signal.reason : error;
        });
        if (changes === undefined) return;
        yield changes;
      }
    } finally {
      this.#remote.tell("unwatch", id);
    }
  }

  // deno-lint-ignore require-await
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new EngineError("away", "The engine was closed"));
  }

  /** Nobody knows what a thread that is gone has done. */
  async #given<T>(asked: Promise<Answered<T>>): Promise<T> {
    const answer = await asked.catch((error: Error) => {
      if (error instanceof EngineError) throw error;
      throw new EngineError("away", error.message, { cause: error, unknown: true });
    });
    if ("value" in answer) return answer.value;
    throw new EngineError(answer.fault, answer.message, { unknown: answer.unknown });
  }
}
