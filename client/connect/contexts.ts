/**
 * gclient's config file, `$XDG_CONFIG_HOME/gclient/config.yaml`: sets of options under a name.
 *
 *     current-context: prod
 *     contexts:
 *       prod:
 *         server-addr: hub.example:9090
 *         tls-ca-cert-file: /home/me/hub-ca.crt
 *         token-command: [pass, show, hub]
 *       test: { server-addr: localhost:9090, server: edge-1 }
 *     timeout: 20s                     # for all of them
 *
 * It names commands to run and files with tokens, so nobody else may change it.
 *
 * @module
 */
import type { CompletionContext } from "../../shared/cli/program.ts";
import type { Contexts, Env } from "../../shared/cli/command.ts";
import { CONFIG_KEY, CONTEXT_KEYS } from "../../shared/cli/option.ts";

/** The file that is read unless `--config` or `GCLIENT_CONFIG` names another one. */
export function contextsFile(env: Env): string | undefined {
  const { XDG_CONFIG_HOME: config = "", HOME: home = "" } = env;
  // "All paths set in these environment variables must be absolute" (XDG base directories).
  if (config.startsWith("/")) return `${config}/gclient/config.yaml`;
  return home === "" ? undefined : `${home}/.config/gclient/config.yaml`;
}

/** When one of them counts. */
export const contexts: Contexts = {
  file: contextsFile,
  option: "context",
  // Whoever names another hub must not send it this one's token.
  identity: "serverAddr",
};

/** The file of this command line. */
export function fileOf(
  { options, env }: Pick<CompletionContext, "options" | "env">,
): string | undefined {
  return options[CONFIG_KEY] ?? env["GCLIENT_CONFIG"] ?? contextsFile(env);
}

/** For completion; nothing if the file cannot be read. */
export async function contextNames(context: CompletionContext): Promise<string[]> {
  const file = fileOf(context);
  if (file === undefined) return [];
  const { isMap, isScalar, parseDocument } = await import("yaml");
  const all = parseDocument(await Deno.readTextFile(file)).get(CONTEXT_KEYS.all, true);
  if (!isMap(all)) return [];
  return all.items.map(({ key }) => isScalar(key) ? String(key.value) : String(key));
}
