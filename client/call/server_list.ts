/**
 * Asks the hub for its servers, page after page, until there is no other one.
 *
 * @module
 */
import type protobuf from "protobufjs";
import type {
  ghub_v1_ListServersRequest as ListServersRequest,
  ghub_v1_ListServersResponse as ListServersResponse,
  ghub_v1_Server as ServerMessage,
} from "../../shared/gen/types.ts";
import { root } from "../../shared/grpc/root.ts";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { decodeMessage, methodOf } from "../../shared/grpc/service.ts";
import { Status } from "../../shared/grpc/status.ts";
import { parseSelector, selects } from "../../shared/registration/selector.ts";
import { type Attempt, attemptCall, type CallPlan, type Stage } from "./attempt.ts";
import { messageTypes } from "./call.ts";

/** A hub that has more is not believed: it takes half as many. */
export const MAX_LISTED_SERVERS = 100_000;

/** The fields of the messages that this file looks at. */
type ListRequest = protobuf.Message & { pageToken: string; selector: string };
type ListResponse = protobuf.Message & {
  servers: { labels: Record<string, string> }[];
  nextPageToken: string;
};

/**
 * As `attemptCall`, for `ListServers`: makes all pages one response.
 *
 * A hub that does not know selectors lists all servers. Those that are not selected are left out here.
 */
export async function attemptServerList(
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
  const method = methodOf(root, "ghub.v1.Hub/ListServers")!;
  const { request, response } = messageTypes(method);
  let servers: ServerMessage[] = [];
  const { error } = await attemptServerList(
    { ...plan, method, requests: [request.fromObject(fields)] },
    (message) => {
      const bytes = response.encode(message).finish();
      ({ servers = [] } = decodeMessage<ListServersResponse>(response, bytes));
      return Promise.resolve();
    },
  );
  if (error !== undefined) throw error;
  return servers;
}
