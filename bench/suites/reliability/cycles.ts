/**
 * Links that go half-open, again and again, and what they leave in the hub. In one round the hub
 * notices the silence; in the next one the servers are faster, and come back while it still holds
 * their old tunnels.
 *
 * @module
 */
import { Fleet } from "../../fleet.ts";
import { type RunningHub, startHub } from "../../hub_under_test.ts";
import { Link } from "../../link.ts";
import { HubWatch } from "./hub_watch.ts";
import { atMost, type Part, type PartOptions, type Row, row, sleep, until } from "../../part.ts";

const CYCLES = 10_000;
/** Tunnels of one round: below the hub's bound on handshakes under way. */
const AT_ONCE = 500;
/** Until caches, histories and pools are full. */
const WARM_ROUNDS = 4;
/** What each tunnel consists of, by its classes' names: none may be left. */
export const TUNNEL_CLASSES = [
  ...["OpenTunnel", "TunnelFrames", "SocketPump", "TcpConn", "Connection", "FrameReader"],
  ...["ReceiveBudget", "ResetPacer", "Streams", "Sender", "OutBuffer", "Receiver", "DataReceiver"],
  ...["HeaderReceiver", "HpackDecoder", "FloodGuard", "StreamFaults"],
];
/** The same, for what a tunnel has for a moment only. */
export const PASSING_CLASSES = ["Stream", "ClientCall"];
/** Any class of which there is one more per so many cycles leaks too. */
const SUSPICIOUS = 20;
/** Heap after collection may grow by this in all cycles: code that is compiled meanwhile. */
const HEAP_MIB = 2;

/** Closed sockets say goodbye for a second. */
const GOODBYE_MS = 1_500;
const ARGS = [
  ...["--ping-interval", "300ms", "--dead-after", "1s"],
  ...["--max-handshakes-per-second", "10000"],
];

/** What the hub holds between two rounds. */
interface Sample {
  readonly cycles: number;
  readonly online: number;
  readonly files: number;
  readonly handles: number;
  readonly heapBytes: number;
  readonly rssBytes: number;
}

export const cycles: Part = {
  id: "cycles",
  name: "half-open links, again and again",
  seconds: 110,
  async run(options) {
    const { some, log } = options;
    const goal = some(CYCLES);
    const atOnce = Math.min(AT_ONCE, goal);
    log("what a hub holds that has seen some");
    const before = await objectsAfter(WARM_ROUNDS, { atOnce, ...options });
    await using hub = await startHub({ inspect: true, args: ARGS });
    using watch = new HubWatch(hub.callAddress);
    for (let i = 0; i < WARM_ROUNDS; i++) await round(hub, watch, { i, atOnce, ...options });
    const samples = [await sample(hub, watch, { cycles: 0, ...options })];
    for (let i = 0, done = 0; done < goal; i++) {
      await round(hub, watch, { i, atOnce, ...options });
      done += atOnce;
      const now = await sample(hub, watch, { cycles: done, ...options });
      samples.push(now);
      log(
        `${done} of ${goal}: heap ${mib(now.heapBytes).toFixed(1)} MiB, memory ` +
          `${mib(now.rssBytes).toFixed(0)} MiB, ${now.files} files, ${now.handles} handles`,
      );
    }
    const after = await hub.program.inspector.objects();
    const suspects = [...after].filter(([name, count]) =>
      // V8's own have names that are others in each process.
      count - (before.get(name) ?? 0) > goal / SUSPICIOUS && !name.startsWith("system / ")
    );
    for (const [name, count] of suspects) log(`${count - (before.get(name) ?? 0)} more of ${name}`);
    return rows(samples, { leaked: leaked(before, after), suspects: suspects.length });
  },
};

/** In a hub of its own: to count objects takes memory, which it would not give back. */
async function objectsAfter(
  rounds: number,
  options: Omit<RoundOptions, "i">,
): Promise<Map<string, number>> {
  await using hub = await startHub({ inspect: true, args: ARGS });
  using watch = new HubWatch(hub.callAddress);
  for (let i = 0; i < rounds; i++) await round(hub, watch, { i, ...options });
  await expectClasses(hub, options);
  await sleep(GOODBYE_MS, options.signal);
  return await hub.program.inspector.objects();
}

/** Who counts objects by the names of their classes must notice when a name is no more. */
async function expectClasses(
  hub: RunningHub,
  { atOnce: count, signal }: Omit<RoundOptions, "i">,
): Promise<void> {
  await using fleet = new Fleet(hub.tunnelUri, { name: "cycle", count });
  await until(() => fleet.registered === count, { signal });
  const objects = await hub.program.inspector.objects();
  const missing = TUNNEL_CLASSES.filter((name) => (objects.get(name) ?? 0) < count);
  if (missing.length === 0) return;
  throw new Error(
    `No tunnel of the hub has a ${missing.join(", ")}: TUNNEL_CLASSES is out of date`,
  );
}

interface RoundOptions extends Pick<PartOptions, "signal"> {
  readonly i: number;
  readonly atOnce: number;
}

async function round(
  hub: RunningHub,
  watch: HubWatch,
  { i, atOnce: count, signal }: RoundOptions,
): Promise<void> {
  using link = new Link(new URL(hub.tunnelUri).host);
  await using fleet = new Fleet(`ws://${link.address}/ws`, { name: "cycle", count });
  await until(() => fleet.registered === count, { signal });
  link.down = true;
  link.blackHole();
  if (i % 2 === 1) {
    await using second = new Fleet(hub.tunnelUri, { name: "cycle", count });
    await until(() => second.registered === count, { signal });
  }
  await until(async () => await watch.online() === 0, { signal, everyMs: 200 });
}

async function sample(
  hub: RunningHub,
  watch: HubWatch,
  { cycles, signal }: { readonly cycles: number; readonly signal: AbortSignal },
): Promise<Sample> {
  await sleep(GOODBYE_MS, signal);
  const { heapBytes, handles } = await hub.program.inspector.held();
  const { rssBytes } = await hub.program.usage();
  const files = hub.program.files();
  return { cycles, online: await watch.online(), files, handles, heapBytes, rssBytes };
}

/** Objects of tunnels that are there and were not. */
function leaked(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): number {
  const more = (name: string) => Math.max(0, (after.get(name) ?? 0) - (before.get(name) ?? 0));
  return [...TUNNEL_CLASSES, ...PASSING_CLASSES].reduce((sum, name) => sum + more(name), 0);
}

function rows(
  samples: readonly Sample[],
  { leaked, suspects }: { readonly leaked: number; readonly suspects: number },
): Row[] {
  const [first, last] = [samples[0]!, samples.at(-1)!];
  const none = atMost(0);
  return [
    row(`after ${last.cycles} half-open cycles: objects leaked`, leaked, "", none),
    row(`  classes with one more per ${SUSPICIOUS} cycles`, suspects, "", none),
    row("  tunnels left", last.online, "", none),
    row("  file descriptors more than before", last.files - first.files, "", none),
    row("  handles more than before", last.handles - first.handles, "", none),
    row(
      "  heap after collection, more than before",
      mib(last.heapBytes - first.heapBytes),
      "MiB",
      atMost(HEAP_MIB),
    ),
    row("  heap after collection", mib(last.heapBytes), "MiB"),
    row("  memory of the process before", mib(first.rssBytes), "MiB"),
    row(
      "  memory of the process, highest",
      mib(Math.max(...samples.map((one) => one.rssBytes))),
      "MiB",
    ),
    row("  memory of the process at the end", mib(last.rssBytes), "MiB"),
  ];
}

function mib(bytes: number): number {
  return bytes / 2 ** 20;
}
