/**
 * What a command line's config file says: the one that `--config` names, else the program's own, with
 * the context that counts.
 *
 * @module
 */
import type { Env, Program, Raw } from "./command.ts";
import type { ConfigFile, ContextChoice } from "./config_file.ts";
import { leafOptions } from "./hoisted.ts";
import { CONFIG_KEY, CONFIG_OPTION, configKey, envName, type Options } from "./option.ts";
import { resolveValues } from "./values.ts";

export interface SettingsOptions {
  /** The flags that were given. */
  readonly raw: Raw;
  readonly env: Env;
  /** Of the command. */
  readonly options: Options;
}

/**
 * `undefined` if there is no file.
 *
 * @throws {UsageError} If it cannot be used.
 */
export async function readSettings(
  program: Program,
  { raw, env, options }: SettingsOptions,
): Promise<ConfigFile | undefined> {
  const { contexts } = program;
  const known = [...leafOptions([program])].map(([, option]) => option);
  const named = valueOf(CONFIG_KEY, { [CONFIG_KEY]: CONFIG_OPTION });
  if (contexts === undefined) {
    return named === undefined ? undefined : await read(named);
  }
  const file = named ?? contexts.file(env);
  const name = valueOf(contexts.option, options);
  const identity = options[contexts.identity];
  const isGiven = raw[contexts.identity] !== undefined || (identity !== undefined &&
    [envName(identity, program.envPrefix), ...identity.envFallbacks ?? []]
      .some((variable) => variable !== undefined && env[variable]));
  const option = options[contexts.option];
  const choice = {
    name,
    useCurrent: identity !== undefined && !isGiven,
    key: option && configKey(option),
  };
  const mustBe = named !== undefined || name !== undefined;
  if (file === undefined || (!mustBe && !await exists(file))) return undefined;
  return await read(file, choice);

  async function read(path: string, choice?: ContextChoice): Promise<ConfigFile> {
    // Most lines have no file: YAML is loaded for those that have one.
    const { readConfigFile } = await import("./config_file.ts");
    return await readConfigFile(path, known, choice);
  }

  function valueOf(key: string, table: Options): string | undefined {
    const option = table[key];
    if (option === undefined) return undefined;
    const value = resolveValues({ [key]: option }, { raw, env, program })[key];
    return value === undefined ? undefined : String(value);
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch {
    return false;
  }
}
