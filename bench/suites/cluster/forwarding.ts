/**
 * What a call costs that one hub forwards to another one, compared with a call at the hub that has the
 * server, on the same machine and in turns.
 *
 * @module
 */
import { HUB_V8_FLAGS } from "../../../scripts/build/programs.ts";
import { atMost, type Part, row } from "../../part.ts";
import { Program } from "../../program.ts";
import { type Figures, measureWays, ROWS, type Way } from "../../ways.ts";

const SERVER = "bench";
/** Processor time of both hubs for a forwarded call, of that for a local one. */
const MAX_CPU_RATIO = 2.2;
/** What a single call may take longer. */
const MAX_P50_MORE_US = 60;

const KEYS = Object.entries(ROWS("hubs")) as [keyof Figures, string][];

export const forwarding: Part = {
  id: "forwarding",
  name: "calls at the hub that has the server, and forwarded by another one",
  seconds: 50,
  async run({ seconds, rounds, log }) {
    await using stack = new AsyncDisposableStack();
    const second = stack.use(await start(["second"]));
    const first = stack.use(await start(["first", SERVER, second.peer]));
    const echo = await Program.start("bench/echo_end.ts", [`${SERVER}=${second.tunnel}`], {
      ready: /^echo ready address=(\S+)/m,
    });
    stack.use(echo.program);
    const ways: Way[] = [
      { name: "local", target: { address: second.call, server: SERVER }, program: second },
      {
        name: "forwarded",
        target: { address: first.call, server: SERVER },
        program: {
          // Both hubs work for it.
          usage: async () => {
            const [a, b] = [await first.usage(), await second.usage()];
            return { ...a, cpuUs: a.cpuUs + b.cpuUs };
          },
        },
      },
    ];
    const { medians } = await measureWays(ways, { seconds, rounds, log });
    const { local = {}, forwarded = {} } = medians;
    const of = (figures: Figures, key: keyof Figures) => figures[key] ?? NaN;
    const cpuRatio = of(forwarded, "parallelCpuUs") / of(local, "parallelCpuUs");
    const moreUs = of(forwarded, "serialP50Us") - of(local, "serialP50Us");
    return [
      row("CPU of both hubs, 64 in flight, of a local call", cpuRatio, "×", atMost(MAX_CPU_RATIO)),
      row("p50 more for a forwarded call, one at a time", moreUs, "µs", atMost(MAX_P50_MORE_US)),
      ...KEYS.map(([key, what]) =>
        row(`  forwarded: ${what.trim()}`, of(forwarded, key), "", undefined, of(local, key))
      ),
    ];
  },
};

/** A hub with a peer port, and where it is. */
async function start(args: readonly string[]) {
  const { program, match } = await Program.start("bench/linked_hub.ts", args, {
    ready: /^hub ready tunnel=(\S+) call=(\S+) peer=(\S+)$/m,
    flags: [HUB_V8_FLAGS],
  });
  const [, tunnel = "", call = "", peer = ""] = match;
  return Object.assign(program, { tunnel, call, peer });
}
