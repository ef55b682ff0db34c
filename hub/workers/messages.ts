/**
 * What the main thread and a worker ask and tell each other.
 *
 *     main thread ──WorkerService──▶ worker          one hub each, with listeners on shared ports
 *     main thread ◀──MainService──── worker
 *     main thread ◀──EngineService── worker          hub/engine/port_engine.ts
 *
 * @module
 */
import type { LogOptions } from "../../shared/cli/log.ts";
import type { HubProgramOptions, RunningHub, WorkerPlace } from "../hub_options.ts";
import type { JointTask } from "../joint/joint.ts";
import type { TlsIdentity } from "../net/listen_options.ts";

/** The names of the services. */
export const WORKER = "worker";
export const MAIN = "main";

/** What a worker is started with. */
export interface WorkerTask {
  readonly hub: Omit<HubProgramOptions, "peers" | "cluster" | "worker">;
  readonly worker: Omit<WorkerPlace, "way">;
  readonly joint: JointTask;
  readonly log: Pick<LogOptions, "level" | "format">;
}

/** What a worker tells of its hub when that runs. */
export interface StartedWorker
  extends Pick<RunningHub, "tunnelAddress" | "callAddress" | "wildcards"> {
  /** What it can reload, in the order of `look`. */
  readonly parts: readonly string[];
}

/** What a worker can be asked. */
export interface WorkerService {
  /** Keeps the end of a port as long as its thread lives. */
  hold(port: MessagePort): void;
  /** Starts its hub; the answer comes when that listens. */
  start(task: WorkerTask): Promise<StartedWorker>;
  /** Takes a link of another worker. */
  link(port: MessagePort): void;
  /** Waits until it is linked with all other workers. */
  untilLinked(nothing: undefined): Promise<void>;
  useCertificate(identity: TlsIdentity): Promise<void>;
  /** Writes the log in this way from now on. */
  useLog(log: WorkerTask["log"]): Promise<void>;
  /** Looks again at a part that can be reloaded. */
  look(part: number): Promise<string>;
  /** Lets the calls in flight end; the answer comes when all have ended. */
  drain(nothing: undefined): Promise<void>;
  /** Ends what still goes on in a drain. */
  hurry(nothing: undefined): void;
  /** Ends everything at once; the answer comes when that is done. */
  close(nothing: undefined): Promise<void>;
}

/** What a worker tells the main thread. */
export interface MainService {
  /** Hands a port to another worker. */
  link(asked: { readonly to: string; readonly port: MessagePort }): void;
  /** Its hub has ended by itself. */
  ended(why: string): void;
}
