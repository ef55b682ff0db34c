/**
 * `gclient hub servers|hubs|activity`.
 *
 * @module
 */
import { count } from "../../shared/cli/parse_count.ts";
import { formatHostPort } from "../../shared/cli/parse_host_port.ts";
import type { Command } from "../../shared/cli/command.ts";
import type {
  ghub_v1_Activity as Activity,
  ghub_v1_ListHubsResponse as ListHubsResponse,
  ghub_v1_ListServersResponse as ListServersResponse,
} from "../../shared/gen/types.ts";
import { type Attempt, attemptCall } from "../call/attempt.ts";
import { attemptServerList } from "../call/server_list.ts";
import { activityLine, hubsTable, serversTable } from "../print/hub_table.ts";
import { rpcCommand } from "./rpc_command.ts";
import { selectorOptions, selectorText, type SelectorValues } from "./selector_options.ts";
import { serverNames } from "./server_argument.ts";

/** Default limit of a call that only asks. */
const LIST_TIMEOUT_MS = 10_000;

/** The most events of the past that the hub sends. */
const MAX_HISTORY = 1000;

export const hubCommand: Command = {
  name: "hub",
  summary: "Asks the hub itself",
  commands: [
    rpcCommand<ListServersResponse>({
      name: "servers",
      aliases: ["list-clients"],
      summary: "Lists the servers that the hub knows",
      description: "Lists the servers that the hub knows. Without --timeout the call may take 10s.",
      examples: [
        "gclient hub servers",
        "gclient hub servers --all -l 'env=prod,role in (edge,core),!canary'",
        "gclient hub servers -o json | jq -r '.servers[].name'",
      ],
      options: {
        all: { flag: "--all", short: "-a", help: "Also lists servers that are away now" },
        ...selectorOptions,
      },
      title: "hub.servers",
      method: "ghub.v1.Hub/ListServers",
      toServer: false,
      prepare(request, { options }) {
        const { all } = options as { all: boolean };
        const fields = request as { includeOffline?: boolean; selector?: string };
        if (all) fields.includeOffline = true;
        fields.selector = selectorText(options as SelectorValues, fields.selector);
      },
      attempt: attemptServerList,
      timeoutMs: () => LIST_TIMEOUT_MS,
      table: serversTable,
    }),
    rpcCommand<ListHubsResponse>({
      name: "hubs",
      summary: "Lists the hubs of the cluster, as the hub that answers sees them",
      description:
        "Lists the hubs of the cluster, as the hub that answers sees them, and names files " +
        "that hubs must share and that differ. Without --timeout the call may take 10s.",
      examples: ["gclient hub hubs", "gclient hub hubs -o json"],
      title: "hub.hubs",
      method: "ghub.v1.Hub/ListHubs",
      toServer: false,
      timeoutMs: () => LIST_TIMEOUT_MS,
      table: hubsTable,
    }),
    rpcCommand<Activity>({
      name: "activity",
      aliases: ["activity-feed"],
      summary: "Shows what happens at the hub, as it happens, until Ctrl-C",
      description:
        "Shows what happens at the hub, as it happens, until Ctrl-C. Without --timeout it has no limit.",
      examples: ["gclient hub activity", "gclient hub activity edge-1 --history 20 -o json"],
      args: [{
        name: "server",
        summary: "shows only what concerns these servers",
        optional: true,
        many: true,
        complete: serverNames,
      }],
      options: {
        history: {
          flag: "--history",
          ...count({ from: 0, to: MAX_HISTORY }),
          value: "N",
          default: 0,
          help: "First shows up to N events of the recent past",
        },
      },
      title: "hub.activity",
      method: "ghub.v1.Hub/WatchActivity",
      toServer: false,
      prepare(request, { args, options }) {
        const { history } = options as { history: number };
        const fields = request as { servers?: string[]; history?: number };
        if (args.length > 0) fields.servers = [...args];
        if (history > 0) fields.history = history;
      },
      attempt: attemptActivity,
      timeoutMs: () => LIST_TIMEOUT_MS,
      table: activityLine,
    }),
  ],
};

/** Each hub tells what happens at itself. */
async function attemptActivity(...args: Parameters<typeof attemptCall>): Promise<Attempt> {
  const [plan] = args;
  const { address, otherHubs = [], warnings } = plan;
  if (otherHubs.length > 0) {
    const names = [address, ...otherHubs.map((hub) => hub.address)].map(formatHostPort).join(", ");
    await warnings?.write(
      `note: this shows one hub, the first of ${names} that answers; -s with another one shows that\n`,
    );
  }
  return await attemptCall(...args);
}
