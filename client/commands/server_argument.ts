/**
 * The argument that names a server, and its completion.
 *
 * @module
 */
import { root } from "../../shared/grpc/root.ts";
import { decodeMessage } from "../../shared/grpc/service.ts";
import type { Argument, CompletionContext } from "../../shared/cli/program.ts";
import type { ghub_v1_ListServersResponse as ListServersResponse } from "../../shared/gen/types.ts";
import { attemptCall } from "../call/attempt.ts";
import { messageTypes } from "../call/call.ts";
import type { ConnectionValues } from "../connect/connection_options.ts";
import { planHubAddress } from "../call/route.ts";
import { readToken } from "../connect/token.ts";

/** Somebody who pressed TAB does not wait longer. */
const COMPLETION_TIMEOUT_MS = 1000;

/** The names of the servers at the hub. */
export async function serverNames({ options, signal, env }: CompletionContext): Promise<string[]> {
  const values = options as ConnectionValues;
  const method = root.lookupService("ghub.v1.Hub").methods["ListServers"]!;
  const { request, response } = messageTypes(method);
  const names: string[] = [];
  await attemptCall({
    method,
    requests: [request.create()],
    ...await planHubAddress(values, env),
    token: await readToken(values.tokenFile, env),
    server: undefined,
    raw: false,
    waitForServerMs: 0,
    headers: [],
    deadline: Date.now() + COMPLETION_TIMEOUT_MS,
    connectTimeoutMs: COMPLETION_TIMEOUT_MS,
    signal,
    trace: undefined,
  }, (message) => {
    const { servers = [] } = decodeMessage<ListServersResponse>(
      response,
      response.encode(message).finish(),
    );
    names.push(...servers.map(({ name = "" }) => name));
    return Promise.resolve();
  });
  return names;
}

/** `[server]`. */
export const serverArgument: Argument = {
  name: "server",
  summary: "the server; without it, the hub takes its only one",
  optional: true,
  complete: serverNames,
};
