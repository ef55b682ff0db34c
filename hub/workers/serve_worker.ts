/**
 * The worker's side: runs a hub in this thread, for the main thread.
 *
 * @module
 */
import { type Port, ThreadChannel } from "../../shared/threads/thread_channel.ts";
import { configureLog, shareLog } from "../../shared/cli/log.ts";
import { Joint } from "../joint/joint.ts";
import { logLock } from "../joint/joint_memory.ts";
import { PortEngine } from "../engine/port_engine.ts";
import { startHub } from "../hub.ts";
import type { HubProgramOptions, RunningHub } from "../hub_options.ts";
import { PortWay, WORKER_NAME } from "../links/port_way.ts";
import {
  MAIN,
  type MainService,
  type StartedWorker,
  WORKER,
  type WorkerService,
  type WorkerTask,
} from "./messages.ts";
import { THREAD_NAME } from "./worker_thread.ts";

/**
 * A worker lives as long as its process: its session never has to end by itself, not even in a
 * process that was frozen.
 */
const SESSION = { ttlMs: 24 * 3_600_000, renewMs: 3_600_000 };

/** Whether this thread was started as a worker of a hub. */
export function isWorkerThread(): boolean {
  return "WorkerGlobalScope" in globalThis && globalThis.name.startsWith(THREAD_NAME);
}

/** Waits for what the main thread asks. */
export function serveWorker(port = globalThis as unknown as Port): void {
  const channel = new ThreadChannel(port);
  const main = channel.to<MainService>(MAIN);
  const way = new PortWay((to, port) => main.tell("link", { to, port }, [port]));
  const hurry = new AbortController();
  let hub: RunningHub | undefined;
  let isEnding = false;
  let _held: MessagePort | undefined;
  const running = (): RunningHub => {
    if (hub === undefined) throw new Error("The worker has not started its hub");
    return hub;
  };
  const service: WorkerService = {
    hold: (port) => void (_held = port),
    async start(task) {
      shareLog(logLock(task.joint.memory));
      await configureLog(task.log);
      const joint = new Joint(task.joint, task.worker.number, channel);
      const started = hub = await startHub(optionsOf(task, { channel, way }), joint);
      started.closed.catch((error) => error).then((error) => {
        if (!isEnding) main.tell("ended", error?.message ?? "its hub has ended by itself");
      });
      return about(started);
    },
    link: (port) => way.listener.put(port),
    untilLinked: () => running().untilLinked(),
    useCertificate: (identity) => running().useCertificate(identity),
    useLog: (log) => configureLog(log),
    look: async (part) => await running().reloadParts[part]!.look(),
    async drain() {
      isEnding = true;
      await running().drain(hurry.signal);
    },
    hurry: () => hurry.abort(),
    async close() {
      isEnding = true;
      hub?.close();
      await hub?.closed;
    },
  };
  channel.serve(WORKER, { ...service });
}

function optionsOf(
  { hub, worker }: WorkerTask,
  { channel, way }: { readonly channel: ThreadChannel; readonly way: PortWay },
): HubProgramOptions {
  return {
    ...hub,
    worker: { ...worker, way },
    cluster: {
      cluster: "workers",
      hub: `${WORKER_NAME}${worker.number}`,
      times: SESSION,
      open: () => new PortEngine(channel),
    },
  };
}

function about(hub: RunningHub): StartedWorker {
  const { tunnelAddress, callAddress, wildcards } = hub;
  return { tunnelAddress, callAddress, wildcards, parts: hub.reloadParts.map(({ what }) => what) };
}
