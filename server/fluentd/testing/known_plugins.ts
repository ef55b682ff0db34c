/**
 * What is secret in the plugins of a fluentd, asked once for all services of a test's process: each
 * question starts a Ruby, and a second of a processor for each plugin of each story is most of what
 * the stories would cost. A test of the asking itself gives its service no such thing.
 *
 * @module
 */
import { untilAborted } from "../../../shared/async/until_aborted.ts";
import type { Launch } from "../manager/launch.ts";
import { type PluginName, PluginSchemas } from "../plugin_schemas.ts";
import type { WaitOptions } from "../system/run.ts";

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
    super();
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
