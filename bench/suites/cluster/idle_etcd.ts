/**
 * What etcd costs while nothing happens: hubs with very many tunnels renew their sessions, compared with an etcd that
 * nobody uses.
 *
 * @module
 */
import { atMost, type Part, type PartOptions, row, sleep } from "../../part.ts";
import { Program } from "../../program.ts";
import { BenchEtcd } from "./etcd.ts";
import { startMembers } from "./member_hubs.ts";

const TUNNELS_EACH = 5_000;
const HOLD_S = 60;
/** What the hubs add: three members that nobody uses can take as much on a slow machine. */
const MAX_PERCENT = 5;
/** Claims of 15 000 names, on a machine that also runs the servers. */
const OPEN_WITHIN_MS = 300_000;
const ARGS = ["--max-handshakes-per-second", "10000"];

export const idleEtcd: Part = {
  id: "idle-etcd",
  name: "etcd below three hubs with idle tunnels",
  seconds: 180,
  async run({ some, signal, log }) {
    await using stack = new AsyncDisposableStack();
    const etcd = stack.use(await BenchEtcd.start({ signal }));
    const forS = some(HOLD_S);
    const unused = await cpuPercent(etcd, { forS, signal });
    const names = ["west", "east", "north"];
    const hubs = await startMembers(stack, { etcd, names, args: ARGS, signal });
    const each = some(TUNNELS_EACH);
    log(`${names.length} × ${each} tunnels open`);
    await Promise.all(hubs.map(async ({ tunnelUri }, i) => {
      const { program } = await Program.start(
        "bench/idle_tunnels.ts",
        [tunnelUri, String(each), names[i]!],
        { ready: /^tunnels ready /m, readyWithinMs: OPEN_WITHIN_MS },
      );
      stack.use(program);
    }));
    log(`held for ${forS} s`);
    const used = await cpuPercent(etcd, { forS, signal });
    const { rssBytes } = await etcd.usage();
    const what = `${names.length} hubs × ${each} idle tunnels: CPU of etcd, all three members`;
    return [
      row(what, used, "%"),
      row("  of an etcd that nobody uses", unused, "%"),
      row("  what the hubs add to it", used - unused, "%", atMost(MAX_PERCENT)),
      row("  memory of all three members", rssBytes / 2 ** 20, "MiB"),
    ];
  },
};

/** Of one core. */
async function cpuPercent(
  etcd: BenchEtcd,
  { forS, signal }: { readonly forS: number } & Pick<PartOptions, "signal">,
): Promise<number> {
  const startMs = performance.now();
  const before = await etcd.usage();
  await sleep(forS * 1000, signal);
  const after = await etcd.usage();
  return (after.cpuUs - before.cpuUs) / ((performance.now() - startMs) * 1000) * 100;
}
