/**
 * Hubs that are members of one cluster, each a process: linked with each other, with an etcd.
 *
 * @module
 */
import { type RunningHub, startHub } from "../../hub_under_test.ts";
import { type PartOptions, until } from "../../part.ts";
import type { BenchEtcd } from "./etcd.ts";

const ANSWER_WITHIN_MS = 1_000;
const ANYWHERE = "127.0.0.1:0";

export interface MemberHubsOptions extends Pick<PartOptions, "signal"> {
  readonly etcd: Pick<BenchEtcd, "uri">;
  readonly names: readonly string[];
  /** Further arguments of each. @default none */
  readonly args?: readonly string[];
}

/** Starts hubs, and waits until each is a member and knows all others. */
export async function startMembers(
  stack: AsyncDisposableStack,
  { etcd, names, args = [], signal }: MemberHubsOptions,
): Promise<readonly RunningHub[]> {
  const dir = await Deno.makeTempDir({ prefix: "ghub-bench-" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const secretFile = `${dir}/peer.secret`;
  await Deno.writeTextFile(secretFile, crypto.randomUUID(), { mode: 0o600 });
  const hubs: RunningHub[] = [];
  for (const name of names) {
    const hub = await startHub({
      args: [
        ...["--cluster", etcd.uri, "--hub-name", name, "--metrics-listen", ANYWHERE],
        ...["--peer-listen", ANYWHERE, "--peer-secret-file", secretFile],
        ...args,
      ],
    });
    hubs.push(stack.use(hub));
  }
  await until(async () => {
    const all = await Promise.all(hubs.map(memberMetrics));
    return all.every(({ isMember, linksUp }) => isMember && linksUp === names.length - 1);
  }, { signal });
  return hubs;
}

/** How a hub says that it stands in its cluster. */
export interface MemberMetrics {
  readonly isMember: boolean;
  /** Servers that it has registered while etcd was away. */
  readonly provisional: number;
  readonly linksUp: number;
}

/** Asks a hub; one that does not answer is no member. */
export async function memberMetrics({ metricsAddress }: RunningHub): Promise<MemberMetrics> {
  const answer = fetch(`http://${metricsAddress}/metrics`, {
    signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
  });
  const text = await answer.then((one) => one.text()).catch(() => "");
  const value = (name: string) =>
    Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1] ?? NaN);
  return {
    isMember: value("ghub_cluster_member") === 1,
    provisional: value("ghub_cluster_provisional_servers"),
    linksUp: value('ghub_links\\{state="up"\\}'),
  };
}
