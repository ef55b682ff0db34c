/**
 * A worker, as the main thread has it: a thread of this process in which a hub runs.
 *
 * @module
 */
import { MessageChannel } from "node:worker_threads";
import { type Remote, ThreadChannel } from "../../shared/threads/thread_channel.ts";
import { MAIN, type MainService, WORKER, type WorkerService } from "./messages.ts";

/** What the names of workers' threads begin with. */
export const THREAD_NAME = "ghub-worker-";

/** How long the end of a thread waits for the error that may tell why. */
const REASON_MS = 1_000;

/** One thread. */
export class WorkerThread implements Disposable {
  /** Counted from 1. */
  readonly number: number;
  readonly channel: ThreadChannel;
  readonly remote: Remote<WorkerService>;
  /** Rejects when it ends by itself. */
  readonly died: Promise<never>;
  readonly #thread: Worker;
  readonly #reject: (error: Error) => void;
  /** Its other end is the thread's: it closes when that has ended, also without a word. */
  readonly #lifeline: MessageChannel["port1"];
  #isDisposed = false;
  #reasonTimer: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param module The module of the program, which is the worker's as well.
   * @param link Hands a port to another worker.
   */
  constructor(
    module: string,
    { number, link }: { readonly number: number; readonly link: MainService["link"] },
  ) {
    this.number = number;
    this.#thread = new Worker(module, { type: "module", name: `${THREAD_NAME}${number}` });
    this.channel = new ThreadChannel(this.#thread);
    this.remote = this.channel.to<WorkerService>(WORKER);
    const { promise, reject } = Promise.withResolvers<never>();
    this.died = promise;
    this.#reject = reject;
    promise.catch(() => {});
    this.#thread.onerror = (event) => {
      // Or else it would end the process at once, and calls of the other workers with it.
      event.preventDefault();
      this.#die(event.message);
    };
    const service: MainService = {
      link,
      ended: (why) => this.#die(why),
    };
    this.channel.serve(MAIN, { ...service });
    // A port of Node's API: that of the web does not tell that its other end is gone, nor does a Worker.
    const { port1, port2 } = new MessageChannel();
    this.#lifeline = port1;
    port1.on("message", () => {});
    port1.on("close", () => {
      if (this.#isDisposed) return;
      this.#reasonTimer = setTimeout(() => this.#die("its thread has closed"), REASON_MS);
    });
    const end = port2 as unknown as MessagePort;
    this.remote.tell("hold", end, [end]);
  }

  /** Ends the thread at once. */
  [Symbol.dispose](): void {
    this.channel.close("The worker has ended");
    this.#isDisposed = true;
    this.#lifeline.close();
    clearTimeout(this.#reasonTimer);
    this.#thread.terminate();
  }

  #die(why: string): void {
    clearTimeout(this.#reasonTimer);
    const error = new Error(`Worker ${this.number} has ended: ${why}`);
    this.channel.close(error.message);
    this.#reject(error);
  }
}
