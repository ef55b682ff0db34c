/**
 * One hub in several threads of a process: each worker runs a hub that is a member of a cluster, of
 * which the main thread has the engine. All of them listen on the same ports, and the kernel spreads
 * connections over them.
 *
 *     main thread                     worker 1 … N
 *     signals, config, metrics        listeners, tunnels, calls
 *     MemoryEngine ◀────channel────── Cluster, claims
 *                                     links from each to each, over ports
 *
 * @module
 */
import { deadline, TimeoutError } from "../../shared/async/deadline.ts";
import { type LogOptions, shareLog } from "../../shared/cli/log.ts";
import { MemoryEngine } from "../engine/memory_engine.ts";
import { serveEngine } from "../engine/port_engine.ts";
import type { HubProgramOptions, RunningHub } from "../hub_options.ts";
import { JointHost } from "../joint/joint_host.ts";
import { logLock } from "../joint/joint_memory.ts";
import type { PeerUsage } from "../links/peer_port.ts";
import { WORKER_NAME } from "../links/port_way.ts";
import { lockFiles } from "../locked_files.ts";
import type { Usage } from "../limits/limits.ts";
import { listen } from "../net/listen.ts";
import type { ListenAddress, TlsIdentity } from "../net/listen_options.ts";
import type { JointTask } from "../joint/joint.ts";
import type { MainService, StartedWorker, WorkerTask } from "./messages.ts";
import { WorkerThread } from "./worker_thread.ts";

export interface WorkerOptions {
  /** How many threads. */
  readonly count: number;
  /** The module of the program, which is the workers' as well. */
  readonly module: string;
  readonly hub: HubProgramOptions;
  readonly log: Pick<LogOptions, "level" | "format">;
  /** How long a worker may take for each step of its start. @default STEP_MS */
  readonly stepMs?: number;
}

/** A worker loads the program, reads files and dials the others: seconds, also on a busy machine. */
const STEP_MS = 30_000;

/**
 * Revisions begin with the milliseconds since then: a hub that starts again gives higher generations
 * than before, because fewer than one registration comes in each millisecond.
 */
const FIRST_MS = Date.UTC(2025);

/** Files that a thread has open in addition to its connections; those of the first one count anyway. */
const WORKER_FILES = 32;

/**
 * Starts a hub in several threads.
 *
 * @throws {Error} As `startHub` does.
 */
export async function startWorkers(options: WorkerOptions): Promise<RunningHub> {
  const { count, module, hub } = options;
  await using stack = new AsyncDisposableStack();
  stack.use(await lockFiles(hub));
  const { tunnelListen, callListen } = hub;
  assertFree(tunnelListen, "--tunnel-listen");
  assertFree(callListen, "--call-listen");
  const joint = stack.use(new JointHost(hub, count));
  shareLog(logLock(joint.memory));
  const engine = stack.use(new MemoryEngine({ revision: Date.now() - FIRST_MS }));
  const threads: WorkerThread[] = [];
  const link: MainService["link"] = ({ to, port }) => {
    const other = threads.find(({ number }) => to === `${WORKER_NAME}${number}`);
    other?.remote.tell("link", port, [port]);
  };
  while (threads.length < count) {
    const thread = stack.use(new WorkerThread(module, { number: threads.length + 1, link }));
    serveEngine(thread.channel, engine);
    joint.serve(thread.channel);
    threads.push(thread);
  }
  const task = taskFor(options, joint.task);
  // The first one makes the files that are missing, and finds the ports.
  const [first, ...others] = threads;
  const { stepMs: ms = STEP_MS } = options;
  const start = (thread: WorkerThread, listens: Listens) => {
    const asked = thread.remote.ask("start", task(thread.number, listens));
    return inTime(asked, thread, { ms, what: "does not listen" });
  };
  const found = await start(first!, { tunnelListen, callListen });
  const ports = {
    tunnelListen: { ...tunnelListen, port: portOf(found.tunnelAddress) },
    callListen: { ...callListen, port: portOf(found.callAddress) },
  };
  await Promise.all(others.map((thread) => start(thread, ports)));
  await Promise.all(threads.map((thread) => {
    const asked = thread.remote.ask("untilLinked", undefined);
    return inTime(asked, thread, { ms, what: "is not linked with the others" });
  }));
  return new WorkerGroup(threads, found, { joint, stack: stack.move() });
}

/**
 * Workers share their ports with whoever says that they may be shared. So a second hub, started by
 * mistake, would get half of the connections of the first one.
 *
 * @throws {Error} If somebody listens there.
 */
function assertFree(address: ListenAddress, flag: string): void {
  if (address.port !== 0) listen({ ...address, flag, alpn: [] }).close();
}

type Listens = Pick<HubProgramOptions, "tunnelListen" | "callListen">;

function taskFor(
  options: WorkerOptions,
  joint: JointTask,
): (number: number, listens: Listens) => WorkerTask {
  const { count, log } = options;
  const { peers: _peers, cluster: _cluster, tunnelTls, callTls, openFiles, ...hub } = options.hub;
  const hubId = crypto.randomUUID();
  return (number, { tunnelListen, callListen }) => ({
    hub: {
      ...hub,
      tunnelListen: { ...tunnelListen, reusePort: true },
      callListen: { ...callListen, reusePort: true },
      tunnelTls: tunnelTls && plain(tunnelTls),
      callTls: callTls && plain(callTls),
      ...(openFiles !== undefined && { openFiles: openFiles - (count - 1) * WORKER_FILES }),
    },
    worker: { number, of: count, hubId },
    joint,
    log,
  });
}

/** @throws {Error} If the worker dies, or needs longer. */
async function inTime<T>(
  asked: Promise<T>,
  { number, died }: WorkerThread,
  { ms, what }: { readonly ms: number; readonly what: string },
): Promise<T> {
  try {
    return await deadline(Promise.race([asked, died]), ms);
  } catch (error) {
    if (!(error instanceof TimeoutError)) throw error;
    const why = "start the hub again, with fewer --workers if the machine is busy";
    throw new Error(`Worker ${number} ${what} after ${ms / 1_000} s: ${why}`);
  }
}

/** What another thread can be given of a certificate. */
function plain({ cert, key, clientCa }: TlsIdentity): TlsIdentity {
  return { cert, key, clientCa };
}

/** Of `wss://127.0.0.1:8080/ws` and of `[::1]:9090`. */
function portOf(address: string): number {
  return Number(/^(?:wss?:\/\/)?(?:\[[^\]]*\]|[^:/]*):(\d+)/.exec(address)![1]);
}

class WorkerGroup implements RunningHub {
  readonly tunnelAddress: string;
  readonly callAddress: string;
  readonly peerAddress = undefined;
  readonly wildcards: RunningHub["wildcards"];
  readonly cluster = undefined;
  readonly reloadParts: RunningHub["reloadParts"];
  readonly closed: Promise<void>;
  readonly #threads: readonly WorkerThread[];
  readonly #joint: JointHost;
  readonly #stack: AsyncDisposableStack;
  readonly #settleClosed: Pick<PromiseWithResolvers<void>, "resolve" | "reject">;
  #isReady = true;
  #closing: Promise<void> | undefined;

  constructor(
    threads: readonly WorkerThread[],
    { tunnelAddress, callAddress, wildcards, parts }: StartedWorker,
    { joint, stack }: { readonly joint: JointHost; readonly stack: AsyncDisposableStack },
  ) {
    this.#threads = threads;
    this.#joint = joint;
    this.#stack = stack;
    this.tunnelAddress = tunnelAddress;
    this.callAddress = callAddress;
    this.wildcards = wildcards;
    this.reloadParts = [
      ...parts.map((what, part) => ({ what, look: () => this.#look(part) })),
      ...joint.reloadParts,
    ];
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.closed = promise;
    this.#settleClosed = { resolve, reject };
    for (const { died } of threads) died.catch((error) => reject(error));
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  async untilLinked(): Promise<void> {}

  usage(): Usage {
    return this.#joint.usage();
  }

  get links(): PeerUsage {
    return this.#joint.links;
  }

  get workerConnections(): readonly number[] {
    return this.#joint.workerConnections;
  }

  async useCertificate(identity: TlsIdentity): Promise<void> {
    await Promise.all(
      this.#threads.map(({ remote }) => remote.ask("useCertificate", plain(identity))),
    );
  }

  async useLog(log: WorkerTask["log"]): Promise<void> {
    await Promise.all(this.#threads.map(({ remote }) => remote.ask("useLog", log)));
  }

  async drain(signal?: AbortSignal): Promise<void> {
    this.#isReady = false;
    const hurry = () => {
      for (const { remote } of this.#threads) remote.tell("hurry", undefined);
    };
    signal?.addEventListener("abort", hurry);
    if (signal?.aborted) hurry();
    try {
      await Promise.all(this.#threads.map(({ remote }) => remote.ask("drain", undefined)));
    } finally {
      signal?.removeEventListener("abort", hurry);
    }
    this.close();
    await this.closed;
  }

  close(): void {
    this.#isReady = false;
    const { resolve, reject } = this.#settleClosed;
    this.#closing ??= this.#close().then(resolve, reject);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    // Also of one of which a worker has died: `closed` has told that.
    await this.#closing;
  }

  async #close(): Promise<void> {
    // One that is gone has nothing to close any more.
    await Promise.allSettled(this.#threads.map(({ remote }) => remote.ask("close", undefined)));
    await this.#stack.disposeAsync();
  }

  /** All workers look, and the first one that fails tells why. */
  async #look(part: number): Promise<string> {
    const outcomes = await Promise.all(
      this.#threads.map(({ remote }) => remote.ask("look", part)),
    );
    // One may have seen by itself that it has changed.
    return outcomes.find((outcome) => outcome !== outcomes[0] && outcome !== "unchanged") ??
      outcomes[0]!;
  }
}
