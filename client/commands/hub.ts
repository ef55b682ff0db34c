/**
 * `gclient hub servers|hubs|activity`.
 *
 * @module
 */
import type protobuf from "protobufjs";
import { root } from "../../shared/grpc/root.ts";
import { decodeMessage } from "../../shared/grpc/service.ts";
import { Exit } from "../print/exit_code.ts";
import { SERVER_COLUMNS, type ServerColumn, sortServers } from "./server_order.ts";
import { count } from "../../shared/cli/parse_count.ts";
import { formatHostPort } from "../../shared/cli/parse_host_port.ts";
import { printable } from "../../shared/text/printable.ts";
import type { Command } from "../../shared/cli/command.ts";
import type {
  ghub_v1_Activity as Activity,
  ghub_v1_ListHubsResponse as ListHubsResponse,
  ghub_v1_ListServersResponse as ListServersResponse,
  ghub_v1_Server as ListedServer,
} from "../../shared/gen/types.ts";
import { type Attempt, attemptCall } from "../call/attempt.ts";
import { clusterWarnings } from "../call/cluster_warnings.ts";
import { attemptServerList } from "../call/server_list.ts";
import { activityLine, hubsTable, serversTable, serverText } from "../print/hub_table.ts";
import { rpcCommand } from "./rpc_command.ts";
import { selectorOptions, selectorText, type SelectorValues } from "./selector_options.ts";
import { serverNames } from "./server_argument.ts";

/** Default limit of a call that only asks. */
const LIST_TIMEOUT_MS = 10_000;

/** The most events of the past that the hub sends. */
const MAX_HISTORY = 1000;

function nameOf(server: protobuf.Message): string {
  return (server as { name?: string }).name ?? "";
}

function sorted(servers: readonly protobuf.Message[], column: ServerColumn): protobuf.Message[] {
  const type = root.lookupType("ghub.v1.Server");
  const pairs = servers.map((message) => ({
    ...decodeMessage<ListedServer>(type, type.encode(message).finish()),
    message,
  }));
  return sortServers(pairs, column).map(({ message }) => message);
}

export const hubCommand: Command = {
  name: "hub",
  summary: "Asks the hub itself",
  commands: [
    rpcCommand<ListServersResponse>({
      name: "servers",
      aliases: ["list-clients"],
      summary: "Lists the servers that the hub knows, or shows all that it knows of some",
      description: "Lists the servers that the hub knows, or shows all that it knows of some. " +
        "Without --timeout the call may take 10s.",
      examples: [
        "gclient hub servers",
        "gclient hub servers edge-1",
        "gclient hub servers --sort-by rtt --no-headers",
        "gclient hub servers --all -l 'env=prod,role in (edge,core),!canary'",
        "gclient hub servers -o name",
      ],
      args: [{
        name: "server",
        summary: "Shows only these servers, also when they are away",
        optional: true,
        many: true,
        complete: serverNames,
      }],
      options: {
        all: { flag: "--all", short: "-a", help: "Also lists servers that are away now" },
        ...selectorOptions,
        sortBy: {
          flag: "--sort-by",
          value: "COLUMN",
          choices: SERVER_COLUMNS,
          defaultText: "name",
          help: "Lists in this order; by calls and flaps, the most comes first",
          group: "Output",
        },
        noHeaders: {
          flag: "--no-headers",
          help: "Leaves the line of heads out of a table",
          group: "Output",
        },
      },
      title: "hub.servers",
      method: "ghub.v1.Hub/ListServers",
      toServer: false,
      prepare(request, { options, args }) {
        const { all } = options as { all: boolean };
        const fields = request as { includeOffline?: boolean; selector?: string };
        if (all || args.length > 0) fields.includeOffline = true;
        fields.selector = selectorText(options as SelectorValues, fields.selector);
      },
      attempt: attemptServerList,
      timeoutMs: () => LIST_TIMEOUT_MS,
      arrange(response, { args, options }) {
        const { sortBy } = options as { sortBy: ServerColumn | undefined };
        const fields = response as protobuf.Message & { servers: protobuf.Message[] };
        if (args.length > 0) {
          fields.servers = fields.servers.filter((server) => args.includes(nameOf(server)));
        }
        // Decoded, enums are their names and times their numbers.
        if (sortBy !== undefined) fields.servers = sorted(fields.servers, sortBy);
      },
      table: (response, columns, { args, options }) =>
        args.length === 1 && response.servers?.length === 1
          ? serverText(response)
          : serversTable(response, { columns, heads: !options["noHeaders"] }),
      names: ({ servers = [] }) => servers.map(({ name = "" }) => name),
      outcome({ servers = [] }, { args }) {
        const missing = args.filter((name) => !servers.some((server) => server.name === name));
        if (missing.length === 0) return { exitCode: Exit.OK };
        return {
          exitCode: Exit.NO_TARGET,
          error: `The hub does not know ${missing.map((name) => `"${name}"`).join(", ")}`,
        };
      },
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
      attempt: attemptHubs,
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
        summary: "Shows only what concerns these servers",
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

async function attemptHubs(
  ...[plan, take, stage]: Parameters<typeof attemptCall>
): Promise<Attempt> {
  return await attemptCall(plan, async (message, call) => {
    for (const line of clusterWarnings(message)) {
      await plan.warnings?.write(`warning: ${printable(line)}\n`);
    }
    await take(message, call);
  }, stage);
}

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
