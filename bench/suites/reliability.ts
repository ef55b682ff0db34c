/**
 * The suite `reliability`: how long failures last, and what they leave behind. Real processes, real
 * kills; with `--seconds 2` all of it takes some minutes, smaller values shrink every part alike.
 *
 * @module
 */
import { type RunningHub, startHub } from "../hub_under_test.ts";
import { Fleet } from "../fleet.ts";
import { Link } from "../link.ts";
import { Program } from "../program.ts";
import { figure, median, table } from "../table.ts";
import type { Suite } from "../suite.ts";
import { HubWatch } from "./reliability/hub_watch.ts";
import { randomKills } from "./reliability/kills.ts";

const HANDSHAKES_PER_S = 200;
/** Longer than this is a failure of the bench itself. */
const PATIENCE_MS = 300_000;
const LOOK_EVERY_MS = 50;
/** How long a hub is down. */
const OUTAGE_MS = 3_000;

interface Row {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  readonly goal: string;
}

export const reliability: Suite = async ({ seconds, log }) => {
  const share = Math.min(1, seconds / 2);
  const some = (count: number) => Math.max(10, Math.round(count * share));
  const rows: Row[] = [];
  const parts = [halfOpen, reconnect, storm, cycles, kills, idle];
  for (const part of parts) {
    log(part.name);
    rows.push(...await part(some));
  }
  return {
    figures: rows,
    text: table([
      ["reliability", "measured", "unit", "goal"],
      ...rows.map(({ what, value, unit, goal }) => [what, figure(value), unit, goal]),
    ]),
  };
};

type Part = (some: (count: number) => number) => Promise<Row[]>;

/** A link that loses everything, with the numbers that everybody has. */
const halfOpen: Part = async () => {
  await using hub = await startHub();
  using link = new Link(new URL(hub.tunnelUri).host);
  using watch = new HubWatch(hub.callAddress);
  await using stack = new AsyncDisposableStack();
  const dir = await Deno.makeTempDir({ prefix: "ghub-bench-server-" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const { program } = await Program.start(
    "server/main.ts",
    ["serve", "half-open", "--hub-uri", `ws://${link.address}/ws`, "--state-dir", dir],
    { ready: /^gserver ready /m },
  );
  stack.use(program);
  const startMs = performance.now();
  link.down = true;
  link.blackHole();
  const known = link.acceptedMs.length;
  const [hubMs, serverMs] = await Promise.all([
    until(async () => await watch.state("half-open") === "OFFLINE"),
    until(() => link.acceptedMs.length > known),
  ]);
  return [
    row("half-open link, noticed by the hub", (hubMs - startMs) / 1000, "s", "≤ 15 (+ 1)"),
    row("half-open link, server dials again", (serverMs - startMs) / 1000, "s", "≤ 15 (+ 1.5)"),
  ];
};

/** The network is away for some seconds, and comes back for a hundred servers at once. */
const reconnect: Part = async () => {
  const count = 100;
  await using hub = await startHub();
  using link = new Link(new URL(hub.tunnelUri).host);
  await using fleet = new Fleet(`ws://${link.address}/ws`, { name: "back", count });
  await until(() => fleet.registered === count);
  link.down = true;
  link.cut();
  await sleep(OUTAGE_MS);
  link.down = false;
  const startMs = performance.now();
  await until(() => fleet.registered === count);
  const afterS = fleet.registeredSince(startMs).map((ms) => (ms - startMs) / 1000);
  return [
    row(`${count} servers, network back after 3 s: median`, median(afterS), "s", "≤ 2"),
    row(`${count} servers, network back after 3 s: last`, afterS.at(-1) ?? NaN, "s", ""),
  ];
};

/** The hub is killed and started again, under all its servers. */
const storm: Part = async (some) => {
  const count = some(2_000);
  const args = ["--max-handshakes-per-second", `${HANDSHAKES_PER_S}`];
  let hub: RunningHub = await startHub({ args });
  await using fleet = new Fleet(hub.tunnelUri, { name: "storm", count });
  try {
    await until(() => fleet.registered === count);
    const old = hub;
    await hub[Symbol.asyncDispose]();
    await until(() => fleet.registered === 0);
    await sleep(OUTAGE_MS);
    hub = await startHub({ args, again: old });
    const startMs = performance.now();
    await until(() => fleet.registered === count);
    const times = fleet.registeredSince(startMs);
    return [
      row(`hub restarted, ${count} servers: all back`, (times.at(-1)! - startMs) / 1000, "s", ""),
      row("the most in any second", busiest(times), "/s", `≤ ${HANDSHAKES_PER_S} at the hub`),
    ];
  } finally {
    await hub[Symbol.asyncDispose]();
  }
};

/** Links that go half-open, are noticed and come back, again and again. */
const cycles: Part = async (some) => {
  const [count, goal] = [100, some(10_000)];
  const args = [
    ...["--ping-interval", "200ms", "--dead-after", "600ms"],
    ...["--max-handshakes-per-second", "10000"],
  ];
  await using hub = await startHub({ args });
  using watch = new HubWatch(hub.callAddress);
  const round = async () => {
    using link = new Link(new URL(hub.tunnelUri).host);
    await using fleet = new Fleet(`ws://${link.address}/ws`, { name: "cycle", count });
    await until(() => fleet.registered === count);
    link.down = true;
    link.blackHole();
    await until(async () => await watch.online() === 0);
  };
  await round();
  const before = await settled(hub, watch);
  for (let done = 0; done < goal; done += count) await round();
  const after = await settled(hub, watch);
  return [
    row(`after ${goal} half-open cycles: tunnels left`, after.online, "", "0"),
    row("file descriptors more than before", after.files - before.files, "", "0"),
    row("memory more than before", (after.rssBytes - before.rssBytes) / 2 ** 20, "MiB", "flat"),
  ];
};

/** Ten servers killed per second, while calls go on. */
const kills: Part = async (some) => {
  const forS = some(60);
  await using hub = await startHub();
  await using fleet = new Fleet(hub.tunnelUri, { name: "kill", count: 50 });
  await until(() => fleet.registered === 50);
  const { calls, failed, untruthful } = await randomKills(hub.callAddress, fleet, {
    perSecond: 10,
    forMs: forS * 1_000,
  });
  return [
    row(`${forS} s of 10 kills per second: calls`, calls, "", ""),
    row("of these ended by a kill, and told so", failed, "", ""),
    row("of these without a truthful status", untruthful, "", "0"),
  ];
};

const idle: Part = async (some) => {
  const count = some(10_000);
  await using hub = await startHub({ args: ["--max-handshakes-per-second", "10000"] });
  const { program } = await Program.start(
    "bench/idle_tunnels.ts",
    [hub.tunnelUri, String(count)],
    { ready: /^tunnels ready /m },
  );
  await using _tunnels = program;
  await sleep(3_000);
  const { rssBytes } = await hub.program.usage();
  return [row(`${count} idle tunnels: memory of the hub`, rssBytes / 2 ** 20, "MiB", "≤ 300")];
};

function row(what: string, value: number, unit: string, goal: string): Row {
  return { what, value, unit, goal };
}

/** The most of these times, in order, that fall into one second. */
function busiest(times: readonly number[]): number {
  let most = 0;
  for (let from = 0, to = 0; to < times.length; to++) {
    while (times[to]! - times[from]! >= 1_000) from++;
    most = Math.max(most, to - from + 1);
  }
  return most;
}

async function settled(hub: RunningHub, watch: HubWatch) {
  await sleep(2_000); // Closed sockets say goodbye for a second.
  const files = [...Deno.readDirSync(`/proc/${hub.program.pid}/fd`)].length;
  return { files, online: await watch.online(), rssBytes: (await hub.program.usage()).rssBytes };
}

/** Waits for a fact, and tells when it came. */
async function until(fact: () => boolean | Promise<boolean>): Promise<number> {
  const lateMs = performance.now() + PATIENCE_MS;
  while (!await fact()) {
    if (performance.now() > lateMs) throw new Error(`Waited ${PATIENCE_MS} ms in vain for ${fact}`);
    await sleep(LOOK_EVERY_MS);
  }
  return performance.now();
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
