/**
 * A link that loses everything, with the numbers that everybody has, and a real gserver behind it.
 *
 * @module
 */
import { startHub } from "../../hub_under_test.ts";
import { Link } from "../../link.ts";
import { Program } from "../../program.ts";
import { HubWatch } from "./hub_watch.ts";
import { atMost, type Part, row, until } from "../../part.ts";

const NAME = "half-open";

export const halfOpen: Part = {
  id: "half-open",
  name: "a link that loses everything",
  seconds: 20,
  async run({ log, signal }) {
    await using stack = new AsyncDisposableStack();
    const hub = stack.use(await startHub());
    const link = stack.use(new Link(new URL(hub.tunnelUri).host));
    const watch = stack.use(new HubWatch(hub.callAddress));
    const dir = await Deno.makeTempDir({ prefix: "ghub-bench-server-" });
    stack.defer(() => Deno.remove(dir, { recursive: true }));
    const { program } = await Program.start(
      "server/main.ts",
      [
        ...["serve", NAME, "--hub-uri", `ws://${link.address}/ws`, "--state-dir", dir],
        ...["--log-level", "error"],
      ],
      { ready: /^gserver ready /m },
    );
    stack.use(program);
    await until(async () => await watch.state(NAME) === "ONLINE", { signal });
    const startMs = performance.now();
    link.down = true;
    link.blackHole();
    const [dialled, ended] = [link.acceptedMs.length, link.endedMs.length];
    const progress = () => log(`silent for ${Math.round((performance.now() - startMs) / 1000)} s`);
    const [hubMs] = await Promise.all([
      until(async () => await watch.state(NAME) === "OFFLINE", { signal, progress }),
      until(() => link.endedMs.length > ended, { signal }),
    ]);
    await until(() => link.acceptedMs.length > dialled, { signal });
    const afterS = (ms: number | undefined) => ((ms ?? NaN) - startMs) / 1000;
    return [
      row("half-open link, noticed by the hub", afterS(hubMs), "s", atMost(15)),
      row("half-open link, noticed by the server", afterS(link.endedMs[ended]), "s", atMost(15)),
      row("  and dialled again", afterS(link.acceptedMs[dialled]), "s"),
    ];
  },
};
