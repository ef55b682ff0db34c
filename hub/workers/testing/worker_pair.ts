/**
 * The workers of one hub, all of them in this thread and each on ports of its own: so a test chooses to
 * which worker a connection comes.
 *
 * @module
 */
import { ThreadChannel } from "../../../shared/threads/thread_channel.ts";
import { MemoryEngine } from "../../engine/memory_engine.ts";
import { PortEngine, serveEngine } from "../../engine/port_engine.ts";
import { startHub } from "../../hub.ts";
import type { HubOptions, RunningHub } from "../../hub_options.ts";
import { Joint } from "../../joint/joint.ts";
import { JointHost } from "../../joint/joint_host.ts";
import { PortWay, WORKER_NAME } from "../../links/port_way.ts";

const LISTEN = { hostname: "127.0.0.1", port: 0 };

/** Two workers that are linked. */
export interface WorkerPair extends AsyncDisposable {
  readonly hubs: readonly [RunningHub, RunningHub];
  readonly host: JointHost;
}

/** Starts two workers. */
export async function startPair(options: Partial<HubOptions> = {}): Promise<WorkerPair> {
  await using stack = new AsyncDisposableStack();
  const host = stack.use(new JointHost(options, 2));
  const engine = stack.use(new MemoryEngine());
  const hubId = crypto.randomUUID();
  const ways: PortWay[] = [];
  const hubs: RunningHub[] = [];
  for (const number of [1, 2]) {
    const { port1, port2 } = new MessageChannel();
    stack.defer(() => [port1, port2].forEach((port) => port.close()));
    const [main, worker] = [new ThreadChannel(port1), new ThreadChannel(port2)];
    serveEngine(main, engine);
    host.serve(main);
    const way = new PortWay((to, port) => ways[Number(to.at(-1)) - 1]?.listener.put(port));
    ways.push(way);
    const hub = await startHub({
      ...options,
      tunnelListen: LISTEN,
      callListen: LISTEN,
      worker: { number, of: 2, hubId, way },
      cluster: {
        cluster: "workers",
        hub: `${WORKER_NAME}${number}`,
        times: { ttlMs: 3_600_000, renewMs: 600_000 },
        open: () => new PortEngine(worker),
      },
    }, new Joint(host.task, number, worker));
    hubs.push(stack.use(hub));
  }
  const [one, two] = hubs;
  await Promise.all(hubs.map((hub) => hub.untilLinked()));
  const parts = stack.move();
  return { hubs: [one!, two!], host, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}
