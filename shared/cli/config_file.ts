/**
 * The file that `--config` names: YAML, one key per option, by its name without dashes.
 *
 *     hub-uri: wss://hub.example:8080/ws
 *     labels: { env: prod, site: ams }        # the same as env=prod,site=ams
 *     expose: [payments=127.0.0.1:50051]
 *
 * @module
 */
import {
  isAlias,
  isMap,
  isScalar,
  LineCounter,
  type Pair,
  parseDocument,
  type YAMLMap,
} from "yaml";
import { closest } from "../text/closest.ts";
import { configKey, type Option } from "./option.ts";
import { UsageError } from "./usage_error.ts";
import { whyUnusable } from "../files/why_unusable.ts";

/** Key → what stands there. */
export type ConfigFile = ReadonlyMap<string, {
  readonly value: string | readonly string[] | boolean;
  /** File, line and key, for errors. */
  readonly place: string;
}>;

/** A config file is a page of settings; what is larger is the wrong file. A service reads it in one go. */
const MAX_BYTES = 64 * 1024;

/**
 * @param known The options of all commands of the program.
 * @throws {UsageError} If it cannot be read, is no YAML, or has an unknown key.
 */
export async function readConfigFile(path: string, known: readonly Option[]): Promise<ConfigFile> {
  return parseConfigFile(await readText(path), path, known);
}

async function readText(path: string): Promise<string> {
  try {
    const { size } = await Deno.stat(path);
    if (size > MAX_BYTES) throw new Error(`it has ${size} bytes, at most ${MAX_BYTES} are allowed`);
    return await Deno.readTextFile(path);
  } catch (error) {
    throw new UsageError(`Cannot read config file "${path}": ${whyUnusable(error)}`, {
      cause: error,
    });
  }
}

/** The content of a config file. */
export function parseConfigFile(text: string, path: string, known: readonly Option[]): ConfigFile {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    // Looked for below: the library compares each key with each other one.
    uniqueKeys: false,
    merge: false,
    prettyErrors: false,
  });
  const [problem] = document.errors;
  if (problem !== undefined) {
    const what = problem.code === "MULTIPLE_DOCS"
      ? "a second document begins here; one is allowed"
      : problem.message;
    throw new UsageError(`${path}:${lines.linePos(problem.pos[0]).line}: ${what}`);
  }
  const config = new Map<string, { value: string | string[] | boolean; place: string }>();
  if (
    document.contents === null || (isScalar(document.contents) && document.contents.value === null)
  ) {
    return config;
  }
  if (!isMap(document.contents)) throw new UsageError(`${path}: must be a map of options`);
  const names = new Map<string, Option>();
  for (const option of known) {
    const name = configKey(option);
    if (name !== undefined) names.set(name, option);
  }
  for (const pair of document.contents.items as Pair[]) {
    const key = isScalar(pair.key) ? String(pair.key.value) : String(pair.key);
    const offset = isScalar(pair.key) ? pair.key.range?.[0] ?? 0 : 0;
    const where = `${path}:${lines.linePos(offset).line}`;
    const option = names.get(key);
    if (option === undefined) {
      const flag = `--${key}`;
      if (known.some((option) => option.flag === flag)) {
        throw new UsageError(`${where}: ${flag} belongs on the command line, not into a file`);
      }
      const near = closest(key, [...names.keys()]);
      throw new UsageError(`${where}: unknown option "${key}"`, {
        ...(near !== undefined && { hint: `Did you mean "${near}"?` }),
      });
    }
    const place = `${where} "${key}"`;
    if (config.has(key)) throw new UsageError(`${place} is there twice`);
    config.set(key, { value: toText(pair.value, option, place), place });
  }
  return config;
}

/** As it would be typed after the flag. */
function toText(node: unknown, option: Option, place: string): string | string[] | boolean {
  if (isAlias(node)) throw new UsageError(`${place} is an alias: write the value itself`);
  const value = isScalar(node) ? node.value : node;
  if (isMap(value)) checkKeys(value, place);
  if (isMap(value) || (typeof value === "object" && value !== null)) {
    // deno-lint-ignore no-explicit-any -- a node of the yaml package
    const plain = (value as any).toJSON();
    const items = Array.isArray(plain)
      ? plain.map((item) => scalar(item, place))
      : Object.entries(plain).map(([key, item]) => `${key}=${scalar(item, place)}`);
    return option.many ? items : items.join(",");
  }
  return typeof value === "boolean" ? value : scalar(value, place);
}

function checkKeys(map: YAMLMap, place: string): void {
  const seen = new Set<string>();
  for (const { key } of map.items) {
    const name = String(isScalar(key) ? key.value : key);
    if (seen.has(name)) throw new UsageError(`${place} has the key "${name}" twice`);
    seen.add(name);
  }
}

function scalar(value: unknown, place: string): string {
  if (value === null || value === undefined) throw new UsageError(`${place} has no value`);
  if (typeof value === "object") throw new UsageError(`${place} is nested too deeply`);
  return String(value);
}
