/**
 * Ten thousand tunnels that only keep themselves alive, as servers do: a ping each five seconds
 * from either end.
 *
 * @module
 */
import { startHub } from "../../hub_under_test.ts";
import { Program } from "../../program.ts";
import { atMost, type Part, row, sleep } from "./part.ts";

const TUNNELS = 10_000;
/** Besides tunnels: listeners, files, callers. */
const OTHER_FILES = 100;
/** The highest that memory gets shows only after some collections. */
const HOLD_S = 60;
const TELL_EVERY_S = 10;

export const idle: Part = {
  id: "idle",
  name: "idle tunnels",
  seconds: 85,
  async run({ some, log, signal }) {
    const count = some(TUNNELS);
    const files = await maxOpenFiles();
    if (files < count + OTHER_FILES) {
      log(
        `${count} tunnels need ${
          count + OTHER_FILES
        } open files, and this shell allows ${files}: ` +
          `raise it (ulimit -n ${count + OTHER_FILES}) and run this again. Not measured`,
      );
      return [row(`${count} idle tunnels: memory of the hub`, NaN, "MiB", atMost(300))];
    }
    await using hub = await startHub({ args: ["--max-handshakes-per-second", "10000"] });
    const empty = await hub.program.usage();
    log(`opening ${count} tunnels`);
    const { program } = await Program.start(
      "bench/idle_tunnels.ts",
      [hub.tunnelUri, String(count)],
      { ready: /^tunnels ready /m },
    );
    await using _tunnels = program;
    const open = await hub.program.usage();
    for (let left = some(HOLD_S); left > 0; left -= TELL_EVERY_S) {
      await sleep(Math.min(left, TELL_EVERY_S) * 1_000, signal);
      const { rssBytes } = await hub.program.usage();
      log(`memory of the hub ${mib(rssBytes).toFixed(0)} MiB`);
    }
    const held = await hub.program.usage();
    const perTunnel = (held.rssBytes - empty.rssBytes) / count / 1024;
    const cpu = (held.cpuUs - open.cpuUs) / 1e4 / some(HOLD_S);
    return [
      row(`${count} idle tunnels: memory of the hub`, mib(held.rssBytes), "MiB", atMost(300)),
      row("  the highest since its start", mib(held.peakRssBytes), "MiB", atMost(300)),
      row("  per tunnel", perTunnel, "KiB"),
      row("  processor time of the hub", cpu, "%"),
    ];
  },
};

/** What a program that we start may open. */
async function maxOpenFiles(): Promise<number> {
  const limits = await Deno.readTextFile("/proc/self/limits");
  return Number(/^Max open files +(\d+)/m.exec(limits)?.[1] ?? Infinity);
}

function mib(bytes: number): number {
  return bytes / 2 ** 20;
}
