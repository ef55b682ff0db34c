/**
 * Asks the plugins which of their parameters are secret, by the tool that fluentd's gem installs next to
 * fluentd: same Ruby, same gems, same rights as the service. Nobody waits for it: what is not known
 * yet is masked by its form.
 *
 * | bound                            | why                                                              |
 * | -------------------------------- | ---------------------------------------------------------------- |
 * | one at a time                    | each costs most of a second of a processor                       |
 * | `ASK_TIMEOUT_MS`                 | a plugin may do anything while it is loaded                      |
 * | `MAX_KNOWN` plugins are kept     | a config names a dozen                                           |
 * | `KEEP_MS`, `RETRY_MS`            | a gem may be updated, or installed, without fluentd's version    |
 * | `MAX_FAILURES` in a row → silent | there is no such tool, or no right to run it                     |
 *
 * @see ../../docs/decisions/0014-secrets-by-the-plugins-schema.md
 * @module
 */
import { dirname, join, resolve } from "node:path";
import { runAsService } from "./as_service.ts";
import { fluentdVersion } from "./dry_run.ts";
import { type Launch, ownUserOf, programOf, schemaArgv } from "./manager/launch.ts";
import type { WaitOptions } from "./system/run.ts";
import { parsePluginSchema, type PluginSchema } from "./plugin_schema.ts";

const TOOL = "fluent-plugin-config-format";
/** Where packages have it, if fluentd itself is a script in /usr/sbin that leads there. */
const PACKAGE_FOLDERS = ["/opt/fluent/bin", "/opt/td-agent/bin"];
const DEFAULT_PLUGIN_DIR = "/etc/fluent/plugin";

/** A second is usual, and half a minute where the machine has much else to do. No call waits for it. */
const ASK_TIMEOUT_MS = 120_000;
/** Plugins whose answers are kept. */
export const MAX_KNOWN = 200;
/** How long an answer counts, and how long the version does. */
const KEEP_MS = 12 * 3600_000;
/** The same where there was no answer. */
const RETRY_MS = 600_000;
/** After this many questions without an answer, nothing is asked for `RETRY_MS`. */
export const MAX_FAILURES = 5;

/** A plugin, as fluentd's registry has it: `output http`. */
export interface PluginName {
  readonly kind: string;
  readonly type: string;
}

/** What a config may have as a type: never an option of a command, never a path. */
const TYPE = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$/;

interface Answer {
  /** Absent if there was none. */
  readonly schema?: PluginSchema | undefined;
  readonly untilMs: number;
}

export interface PluginSchemasOptions {
  /** Monotonic, in milliseconds. @default performance.now */
  readonly now?: () => number;
  /** @default MAX_KNOWN */
  readonly maxKnown?: number;
  /** Runs the tool. @default runAsService */
  readonly run?: typeof runAsService;
}

/** What is known of plugins. */
export class PluginSchemas {
  readonly #now: () => number;
  readonly #maxKnown: number;
  readonly #run: typeof runAsService;
  /** By version, kind and type; what was asked last is last. */
  readonly #answers = new Map<string, Answer>();
  #installation: { readonly launch: string; readonly version: string; readonly untilMs: number } = {
    launch: "",
    version: "",
    untilMs: -Infinity,
  };
  #failures = 0;
  #silentUntilMs = -Infinity;

  constructor(options: PluginSchemasOptions = {}) {
    const { now = () => performance.now(), maxKnown = MAX_KNOWN, run = runAsService } = options;
    this.#now = now;
    this.#maxKnown = maxKnown;
    this.#run = run;
  }

  /** What is known now. Never waits. */
  get({ kind, type }: PluginName): PluginSchema | undefined {
    return this.#answers.get(this.#key({ kind, type }))?.schema;
  }

  /** Of the fluentd that would be started; absent until it has been asked. */
  get version(): string | undefined {
    return this.#installation.version || undefined;
  }

  /** How many plugins have an answer. */
  get size(): number {
    return this.#answers.size;
  }

  /**
   * Asks for what is not known of these.
   *
   * @param launch How the service is started.
   * @returns Whether something has been learned.
   */
  async learn(
    plugins: Iterable<PluginName>,
    launch: Launch,
    { signal }: WaitOptions,
  ): Promise<boolean> {
    if (this.#now() < this.#silentUntilMs) return false;
    const service = asItself(launch);
    const tool = await toolOf(service);
    if (tool === undefined || !await this.#knowVersion(service, { signal })) {
      this.#silence();
      return false;
    }
    let learned = false;
    for (const plugin of this.#due(plugins)) {
      const key = this.#key(plugin);
      const known = this.#answers.get(key);
      signal.throwIfAborted();
      const schema = await ask(plugin, { launch: service, tool, run: this.#run, signal });
      // What an older answer said is better than nothing.
      this.#keep(key, schema ?? known?.schema, schema === undefined ? RETRY_MS : KEEP_MS);
      learned ||= schema !== undefined;
      this.#failures = schema === undefined ? this.#failures + 1 : 0;
      if (this.#failures < MAX_FAILURES) continue;
      this.#silence();
      break;
    }
    return learned;
  }

  /** Those that have not been asked come first: what fails again and again is not in their way. */
  #due(plugins: Iterable<PluginName>): PluginName[] {
    const until = (plugin: PluginName) =>
      this.#answers.get(this.#key(plugin))?.untilMs ?? -Infinity;
    return [...plugins].filter((plugin) => TYPE.test(plugin.type) && until(plugin) <= this.#now())
      .toSorted((a, b) => until(a) < until(b) ? -1 : until(a) > until(b) ? 1 : 0);
  }

  /** Another fluentd has other plugins. */
  async #knowVersion(service: Launch, { signal }: WaitOptions): Promise<boolean> {
    const launch = JSON.stringify(service);
    const known = this.#installation;
    if (known.launch === launch && this.#now() < known.untilMs) return true;
    try {
      const untilMs = performance.now() + ASK_TIMEOUT_MS;
      const version = await fluentdVersion(service, { signal, untilMs });
      if (version === undefined) return false;
      this.#installation = { launch, version, untilMs: this.#now() + KEEP_MS };
      return true;
    } catch {
      signal.throwIfAborted();
      return false;
    }
  }

  #key({ kind, type }: PluginName): string {
    return `${this.#installation.version} ${kind} ${type}`;
  }

  #keep(key: string, schema: PluginSchema | undefined, ms: number): void {
    this.#answers.delete(key);
    this.#answers.set(key, { schema, untilMs: this.#now() + ms });
    if (this.#answers.size > this.#maxKnown) {
      this.#answers.delete(this.#answers.keys().next().value!);
    }
  }

  #silence(): void {
    this.#failures = 0;
    this.#silentUntilMs = this.#now() + RETRY_MS;
  }
}

/** As the user that Fluentd itself becomes: its plugins are never loaded with more rights. */
function asItself(launch: Launch): Launch {
  const { user, group } = ownUserOf(launch);
  return {
    ...launch,
    ...(user === undefined ? {} : { user }),
    ...(group === undefined ? {} : { group }),
  };
}

/** The tool next to the very fluentd that is started; `undefined` if there is none. */
async function toolOf(launch: Launch): Promise<string | undefined> {
  const program = programOf(launch);
  if (program === undefined) return undefined;
  // Found like fluentd itself, on the service's own PATH.
  if (!program.includes("/")) return TOOL;
  const path = resolve(launch.cwd ?? "", program);
  const real = await Deno.realPath(path).catch(() => path);
  const wrapped = dirname(path).endsWith("/sbin") ? PACKAGE_FOLDERS : [];
  for (const folder of [dirname(path), dirname(real), ...wrapped]) {
    const tool = join(folder, TOOL);
    if (await Deno.stat(tool).then(({ isFile }) => isFile, () => false)) return tool;
  }
  return undefined;
}

interface AskOptions extends WaitOptions {
  readonly launch: Launch;
  readonly tool: string;
  readonly run: typeof runAsService;
}

async function ask(
  plugin: PluginName,
  { launch, tool, run, signal }: AskOptions,
): Promise<PluginSchema | undefined> {
  const pluginDir = launch.env?.FLUENT_PLUGIN ?? DEFAULT_PLUGIN_DIR;
  const argv = schemaArgv(launch, { ...plugin, tool, pluginDir });
  if (argv === undefined) return undefined;
  try {
    const options = { signal, timeoutMs: ASK_TIMEOUT_MS };
    const { code, stdout } = await run(launch, argv, options);
    return code === 0 ? parsePluginSchema(stdout) : undefined;
  } catch {
    signal.throwIfAborted();
    // No such program, no right, or too slow: then the form alone counts.
    return undefined;
  }
}
