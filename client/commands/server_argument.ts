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

/** Somebody who pressed TAB does not wait longer for a hub, or a server, that says nothing. */
const SILENCE_MS = 1000;

/** A route, and the deadline of a question that is asked now. */
export type CompletionRoute = CallRoute & {
  readonly deadline: number;
  readonly nextDeadline: () => number;
};

/** How a completion reaches the hub. */
export async function completionRoute(
  { options, signal, env }: CompletionContext,
): Promise<CompletionRoute> {
  const values = options as ConnectionValues;
  const hubs = await planHubs(values, env);
  // A command could ask for a password in the middle of a line.
  const given = await readToken({ ...values, tokenCommand: [] }, env);
  // Each of the hubs may be the one that is away.
  const nextDeadline = () => Date.now() + SILENCE_MS * (1 + hubs.otherHubs.length);
  return {
    ...hubs,
    // A login is not renewed here: it could be over in the middle of that.
    token: given ?? (await findLogin(values, hubs, env))?.last,
    server: undefined,
    raw: false,
    waitForServerMs: 0,
    headers: [],
    deadline: nextDeadline(),
    nextDeadline,
    connectTimeoutMs: SILENCE_MS,
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
