/**
 * What is secret in the plugins of a fluentd, asked once for all services of a test's process, and by the
 * runner's folder once for all processes: each question starts a Ruby, and a second of a processor for
 * each plugin of each story is most of what the stories would cost. A test of the asking itself gives its
 * service no such thing.
 *
 * @module
 */
import { untilAborted } from "../../../shared/async/until_aborted.ts";
import { runAsService } from "../as_service.ts";
import type { Launch } from "../manager/launch.ts";
import { type PluginName, PluginSchemas } from "../plugin_schemas.ts";
import type { WaitOptions } from "../system/run.ts";

/** A folder that all files of a run of `deno task test` share. */
const SHARED = Deno.env.get("GHUB_BUNDLES");

/** By command: another fluentd has other plugins. */
const known = new Map<string, KnownPlugins>();

/** What is known of the plugins of the fluentd that this command starts. */
export function knownPlugins(command: readonly string[]): PluginSchemas {
  const key = JSON.stringify(command);
  let found = known.get(key);
  if (found === undefined) known.set(key, found = new KnownPlugins(command));
  return found;
}

class KnownPlugins extends PluginSchemas {
  readonly #command: readonly string[];
  #before = Promise.resolve();

  constructor(command: readonly string[]) {
    super({ run: askOnce });
    this.#command = command;
  }

  /** One service after the other, and in the same words whichever asks: so each plugin is asked once. */
  override async learn(
    plugins: Iterable<PluginName>,
    _launch: Launch,
    { signal }: WaitOptions,
  ): Promise<boolean> {
    const before = this.#before;
    const turn = Promise.withResolvers<void>();
    this.#before = before.then(() => turn.promise);
    try {
      await Promise.race([before, untilAborted(signal)]);
      await super.learn(plugins, { argv: this.#command }, { signal });
    } finally {
      turn.resolve();
    }
    // Another service may have asked what this one is told now.
    return true;
  }
}

/** What the same command line said before, in whichever process; else runs it. */
const askOnce: typeof runAsService = async (launch, argv, options) => {
  if (SHARED === undefined) return await runAsService(launch, argv, options);
  const path = `${SHARED}/asked-${await digest(argv)}.json`;
  const said = await Deno.readTextFile(path).catch(() => undefined);
  if (said !== undefined) return JSON.parse(said);
  const result = await runAsService(launch, argv, options);
  if (result.code !== 0) return result;
  // Renamed when all is there: another process may be reading.
  const draft = await Deno.makeTempFile({ dir: SHARED, prefix: "asked-" });
  await Deno.writeTextFile(draft, JSON.stringify(result));
  await Deno.rename(draft, path);
  return result;
};

async function digest(words: readonly string[]): Promise<string> {
  const bytes = new TextEncoder().encode(JSON.stringify(words));
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}
