/**
 * Asks the hub for its servers, page after page. If there are several hubs, it asks all of them, and
 * makes one list.
 *
 * @module
 */
import type protobuf from "protobufjs";
import type {
  ghub_v1_ListServersRequest as ListServersRequest,
  ghub_v1_ListServersResponse as ListServersResponse,
  ghub_v1_Server as ServerMessage,
} from "../../shared/gen/types.ts";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import { parseSelector, selects } from "../../shared/registration/selector.ts";
import { formatHostPort } from "../../shared/cli/parse_host_port.ts";
import { printable } from "../../shared/text/printable.ts";
import type { MissedHub } from "./failure.ts";
import { mostTelling } from "./hub_turn.ts";
import { clusterWarnings } from "./cluster_warnings.ts";
import { type HubList, type MergedServer, mergeServers } from "./merged_servers.ts";
import { ask } from "./ask.ts";
import { type Attempt, attemptCall, type CallPlan, type Stage } from "./attempt.ts";
import { messageTypes } from "./call.ts";

/** A hub that has more is not believed: it takes half as many. */
export const MAX_LISTED_SERVERS = 100_000;

/** The fields of the messages that this file looks at. */
type ListRequest = protobuf.Message & { pageToken: string; selector: string };
type ListResponse = protobuf.Message & {
  servers: MergedServer[];
  nextPageToken: string;
};

/**
 * As `attemptCall`, for `ListServers`: makes all pages of all hubs one response. A hub that does not
 * answer is named in it; if none does, that is the failure.
 *
 * A hub that does not know selectors lists all servers. Those that are not selected are left out here.
 */
export async function attemptServerList(
  plan: CallPlan,
  take: Parameters<typeof attemptCall>[1],
  stage?: Stage,
): Promise<Attempt> {
  const { otherHubs = [] } = plan;
  if (otherHubs.length === 0) return await attemptPages(plan, take, stage);
  const lists: HubList[] = [];
  const missed: (MissedHub & { readonly attempt: Attempt })[] = [];
  let whole: { attempt: Attempt; call: Parameters<typeof take>[1]; list: ListResponse } | undefined;
  await Promise.all([plan, ...otherHubs].map(async ({ address, tls, proxy, shared }) => {
    const hub = { address, tls, proxy, shared };
    const name = formatHostPort(address);
    const attempt = await attemptPages({ ...plan, ...hub, otherHubs: [] }, (message, call) => {
      const list = message as ListResponse;
      lists.push({ hub: name, servers: list.servers });
      const { headers, trailers } = call;
      whole ??= { attempt: { connected: true, refused: false, headers, trailers }, call, list };
      return Promise.resolve();
    });
    const { error, connected, refused } = attempt;
    if (error === undefined) return;
    missed.push({
      address: name,
      error,
      way: { connected, refused },
      attempt: { ...attempt, hub },
    });
  }));
  if (stage !== undefined) Object.assign(stage, { connected: true, sent: true });
  if (whole === undefined) {
    const most = mostTelling(missed)!;
    return { ...most.attempt, missed: missed.filter((one) => one !== most) };
  }
  for (const { address, error } of missed) {
    await plan.warnings?.write(`warning: ${printable(`${address}: ${error.message}`)}\n`);
  }
  const { servers, twins } = mergeServers(lists);
  for (const twin of twins) await plan.warnings?.write(`warning: ${printable(twin)}\n`);
  const { attempt, call, list } = whole;
  Object.assign(list, { servers, hubsSilent: missed.map(({ address }) => address).sort() });
  await take(list, call);
  return attempt;
}

/** All pages of one hub. */
async function attemptPages(
  plan: CallPlan,
  take: Parameters<typeof attemptCall>[1],
  stage?: Stage,
): Promise<Attempt> {
  const { request: requestType } = messageTypes(plan.method);
  const [first] = plan.requests as readonly [ListRequest];
  const selector = first.selector === "" ? [] : parseSelector(first.selector);
  let all: ListResponse | undefined;
  let pageToken = first.pageToken;
  while (true) {
    const request = requestType.create({ ...first, pageToken });
    let page: ListResponse | undefined;
    let call: Parameters<typeof take>[1] | undefined;
    const attempt = await attemptCall({ ...plan, requests: [request] }, (message, its) => {
      page = message as ListResponse;
      call = its;
      return Promise.resolve();
    }, stage);
    if (attempt.error !== undefined || page === undefined) return attempt;
    page.servers = page.servers.filter(({ labels }) => selects(selector, labels));
    if (all === undefined) all = page;
    else for (const server of page.servers) all.servers.push(server);
    const next = page.nextPageToken;
    page.nextPageToken = "";
    if (next === "") {
      for (const line of clusterWarnings(all)) {
        await plan.warnings?.write(`warning: ${printable(line)}\n`);
      }
      await take(all, call!);
      return attempt;
    }
    if (next === pageToken || all.servers.length > MAX_LISTED_SERVERS) {
      const error = new RpcError(Status.INTERNAL, "The hub's list of servers has no end");
      return { ...attempt, error };
    }
    pageToken = next;
  }
}

/**
 * The servers that a request names, sorted.
 *
 * @throws {RpcError} If the hub does not tell them; and what `attemptCall` throws.
 */
export async function askServers(
  plan: Omit<CallPlan, "method" | "requests">,
  fields: ListServersRequest,
): Promise<ServerMessage[]> {
  const { error, answer } = await ask<ListServersResponse>(plan, {
    method: "ghub.v1.Hub/ListServers",
    fields,
    attempt: attemptServerList,
  });
  if (error !== undefined) throw error;
  return answer.servers ?? [];
}
