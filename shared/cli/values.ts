/**
 * The value of each option: flag, environment, config file, default, the first that is there.
 *
 * @module
 */
import type { ConfigFile } from "./config_file.ts";
import { configKey, envName, type Option, type Options } from "./option.ts";
import type { Env, Program, Raw } from "./command.ts";
import { UsageError } from "./usage_error.ts";

export interface ValueSources {
  readonly raw: Raw;
  readonly env: Env;
  readonly config?: ConfigFile | undefined;
  readonly program: Program;
}

/** A value and where it stands, for errors. */
interface Given {
  readonly value: string | readonly string[] | boolean;
  readonly place: string;
}

/**
 * @throws {UsageError} For the first value that is refused, with the place where it stands.
 */
export function resolveValues(options: Options, sources: ValueSources): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const [key, option] of Object.entries(options)) {
    const given = find(key, option, sources);
    if (given === undefined && option.required) {
      const name = envName(option, sources.program.envPrefix);
      throw new UsageError(`Option "${option.flag}" is missing`, {
        hint: `Write ${option.flag} ${option.value}${name === undefined ? "" : ` or set ${name}`}`,
      });
    }
    values[key] = given === undefined ? defaultOf(option) : read(option, given);
  }
  return values;
}

function defaultOf(option: Option): unknown {
  if (option.default !== undefined) return option.default;
  if (option.value === undefined) return false;
  return option.many ? [] : undefined;
}

function find(key: string, option: Option, sources: ValueSources): Given | undefined {
  const { raw, env, config, program } = sources;
  const flag = raw[key];
  if (flag !== undefined) {
    refuseSecret(option, flag, program);
    return { value: flag, place: option.flag };
  }
  for (const name of [envName(option, program.envPrefix), ...option.envFallbacks ?? []]) {
    const value = name === undefined ? undefined : env[name];
    if (value === undefined || value === "") continue;
    return { value: option.many ? split(value) : value, place: name! };
  }
  if (option.yieldsTo !== undefined && env[option.yieldsTo]) return undefined;
  const configured = configKey(option);
  return configured === undefined ? undefined : config?.get(configured);
}

function refuseSecret(option: Option, value: Given["value"], { envPrefix }: Program): void {
  if (![value].flat().some((text) => option.isSecret?.(String(text)))) return;
  const name = envName(option, envPrefix);
  throw new UsageError(
    `${option.flag} holds a password, and every user of this machine can read command lines`,
    { hint: `${name === undefined ? "Write" : `Set ${name}, or write`} it into the --config file` },
  );
}

function split(text: string): string[] {
  return text.split(text.includes("\n") ? "\n" : ",").map((part) => part.trim()).filter(Boolean);
}

function read(option: Option, { value, place }: Given): unknown {
  if (option.value === undefined) return readBoolean(value, place);
  const texts = Array.isArray(value) ? value : [value];
  const values = texts.map((text) => readOne(option, String(text), place));
  if (option.many) return values;
  if (values.length !== 1) throw new UsageError(`Cannot use a list as ${place}`);
  return values[0];
}

/** Word → value, as people write booleans in environments. */
const BOOLEANS: Readonly<Record<string, boolean>> = {
  "1": true,
  true: true,
  yes: true,
  on: true,
  "0": false,
  false: false,
  no: false,
  off: false,
};

function readBoolean(value: Given["value"], place: string): boolean {
  const read = typeof value === "boolean" ? value : BOOLEANS[String(value).toLowerCase()];
  if (read !== undefined) return read;
  throw new UsageError(`Cannot use "${value}" as ${place}`, { hint: "Write true or false" });
}

function readOne(option: Option, text: string, place: string): unknown {
  const { choices, parse } = option;
  if (choices !== undefined && !choices.includes(text)) {
    const hint = `Choose from ${choices.join(", ")}`;
    throw new UsageError(`Cannot use "${text}" as ${place}`, { hint });
  }
  if (parse === undefined) return text;
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const hint = error instanceof UsageError ? error.hint : undefined;
    throw new UsageError(`Cannot use ${place}: ${error.message}`, {
      cause: error,
      ...(hint !== undefined && { hint }),
    });
  }
}
