/**
 * The argument that names a server, and its completion.
 *
 * @module
 */
import type { Argument, CompletionContext } from "../../shared/cli/program.ts";
import type { ConnectionValues } from "../connect/connection_options.ts";
import { type CallRoute, findLogin, planHubs } from "../call/route.ts";
import { askServers } from "../call/server_list.ts";
import { readToken } from "../connect/token.ts";

/** Somebody who pressed TAB does not wait longer. */
const COMPLETION_TIMEOUT_MS = 1000;

/** How a completion reaches the hub. */
export async function completionRoute(
  { options, signal, env }: CompletionContext,
): Promise<CallRoute & { readonly deadline: number }> {
  const values = options as ConnectionValues;
  const hubs = await planHubs(values, env);
  // A command could ask for a password in the middle of a line.
  const given = await readToken({ ...values, tokenCommand: [] }, env);
  return {
    ...hubs,
    // A login is not renewed here: it could be over in the middle of that.
    token: given ?? (await findLogin(values, hubs, env))?.last,
    server: undefined,
    raw: false,
    waitForServerMs: 0,
    headers: [],
    deadline: Date.now() + COMPLETION_TIMEOUT_MS,
    connectTimeoutMs: COMPLETION_TIMEOUT_MS,
    signal,
    trace: undefined,
  };
}

/** The names of the servers at the hub. */
export async function serverNames(context: CompletionContext): Promise<string[]> {
  const servers = await askServers(await completionRoute(context), {});
  return servers.map(({ name = "" }) => name);
}

/** `[server]`. */
export const serverArgument: Argument = {
  name: "server",
  summary: "The server; without it, the hub takes its only one",
  optional: true,
  complete: serverNames,
};

/** `[server...]`. */
export const serversArgument: Argument = {
  ...serverArgument,
  summary: "The servers; without one, the hub takes its only one",
  many: true,
};
