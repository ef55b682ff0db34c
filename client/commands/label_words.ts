/**
 * Completion after `-l`: the labels that the servers at the hub carry.
 *
 * @module
 */
import type { CompletionContext } from "../../shared/cli/program.ts";
import { askServers } from "../call/server_list.ts";
import { completionRoute } from "./server_argument.ts";

/** Words such as `env=prod`; what stands before the last comma stays. */
export async function labelWords(context: CompletionContext): Promise<string[]> {
  const before = context.word.slice(0, context.word.lastIndexOf(",") + 1);
  const servers = await askServers(await completionRoute(context), { includeOffline: true });
  const labels = servers.flatMap(({ labels = {} }) =>
    Object.entries(labels).map(([key, value]) => `${key}=${value}`)
  );
  return [...new Set(labels)].sort().map((label) => `${before}${label}`);
}
