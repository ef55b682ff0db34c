/**
 * The file that `--config` names: YAML, one key per option, by its name without dashes.
 *
 *     hub-uri: wss://hub.example:8080/ws
 *     labels: { env: prod, site: ams }        # the same as env=prod,site=ams
 *     expose: [payments=127.0.0.1:50051]
 *
 * A program that has contexts takes sets of options as well; one set counts, and before the others:
 *
 *     current-context: prod
 *     contexts:
 *       prod: { server-addr: hub.example:9090, token-file: /home/me/.ghub-token }
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
import { configKey, CONTEXT_KEYS, type Option } from "./option.ts";
import { UsageError } from "./usage_error.ts";
import { type Owned, rulesFault } from "../files/modes.ts";
import { whyUnusable } from "../files/why_unusable.ts";

/** Key → what stands there. */
export type ConfigFile = ReadonlyMap<string, {
  readonly value: string | readonly string[] | boolean;
  /** File, line and key, for errors. */
  readonly place: string;
}>;

/** A config file is a page of settings; what is larger is the wrong file. A service reads it in one go. */
const MAX_BYTES = 64 * 1024;

/** Which context counts. */
export interface ContextChoice {
  /** Absent: the file's current one. */
  readonly name?: string | undefined;
  /** Does the file's current one count? */
  readonly useCurrent: boolean;
  /** The key under which the name of the one that counts is an option itself. @default none */
  readonly key?: string | undefined;
}

/**
 * @param known The options of all commands of the program.
 * @param choice Absent: the program has no contexts. With them, a file that others could have written
 *     is refused: it may name a command to run.
 * @throws {UsageError} If it cannot be read, is no YAML, or has an unknown key.
 */
export async function readConfigFile(
  path: string,
  known: readonly Option[],
  choice?: ContextChoice,
): Promise<ConfigFile> {
  const faultOf = choice === undefined ? () => undefined : rulesFault;
  return parseConfigFile(await readText(path, faultOf), { path, known, choice });
}

export interface ParseConfigOptions {
  readonly path: string;
  /** The options of all commands of the program. */
  readonly known: readonly Option[];
  /** @default the program has no contexts */
  readonly choice?: ContextChoice | undefined;
}

async function readText(
  path: string,
  faultOf: (info: Owned, path: string) => string | undefined,
): Promise<string> {
  try {
    // One look at the file that is read: its name could lead to another one a moment later.
    using file = await Deno.open(path);
    const info = await file.stat();
    const fault = faultOf(info, path);
    if (fault !== undefined) throw new Error(fault);
    const bytes = new Uint8Array(MAX_BYTES + 1);
    let length = 0;
    for (
      let count: number | null = 0;
      count !== null && length < bytes.length;
      length += count ?? 0
    ) {
      count = await file.read(bytes.subarray(length));
    }
    if (length > MAX_BYTES) {
      const size = Math.max(info.size, length);
      throw new Error(`it has ${size} bytes, at most ${MAX_BYTES} are allowed`);
    }
    return new TextDecoder().decode(bytes.subarray(0, length));
  } catch (error) {
    throw new UsageError(`Cannot read config file "${path}": ${whyUnusable(error)}`, {
      cause: error,
    });
  }
}

/** The content of a config file. */
export function parseConfigFile(text: string, options: ParseConfigOptions): ConfigFile {
  const { path, choice } = options;
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
  const { contents } = document;
  if (contents === null || (isScalar(contents) && contents.value === null)) {
    return inContext(new Map(), { path, choice });
  }
  if (!isMap(contents)) throw new UsageError(`${path}: must be a map of options`);
  const place = (key: unknown) => {
    const offset = isScalar(key) ? key.range?.[0] ?? 0 : 0;
    return `${path}:${lines.linePos(offset).line}`;
  };
  const isContext = ({ key }: Pair) =>
    choice !== undefined && isScalar(key) &&
    (Object.values(CONTEXT_KEYS) as unknown[]).includes(key.value);
  const pairs = contents.items as Pair[];
  const config = readOptions(pairs.filter((pair) => !isContext(pair)), options.known, place);
  if (choice === undefined) return config;
  const own = readContext(contents, { path, choice, known: options.known, place });
  return new Map([...config, ...own]);
}

/** Options as pairs of YAML. */
function readOptions(
  pairs: readonly Pair[],
  known: readonly Option[],
  placeOf: (key: unknown) => string,
): Map<string, { value: string | string[] | boolean; place: string }> {
  const config = new Map<string, { value: string | string[] | boolean; place: string }>();
  const names = new Map<string, Option>();
  for (const option of known) {
    const name = configKey(option);
    if (name !== undefined) names.set(name, option);
  }
  for (const pair of pairs) {
    const key = isScalar(pair.key) ? String(pair.key.value) : String(pair.key);
    const where = placeOf(pair.key);
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

interface ContextOptions extends ParseConfigOptions {
  readonly choice: ContextChoice;
  readonly place: (key: unknown) => string;
}

/** The options of the context that counts; none if there is none. */
function readContext(
  file: YAMLMap,
  { path, choice, known, place }: ContextOptions,
): ReturnType<typeof readOptions> {
  const contexts = file.get(CONTEXT_KEYS.all, true);
  if (contexts !== undefined && !isMap(contexts)) {
    throw new UsageError(`${path}: "${CONTEXT_KEYS.all}" must be a map of contexts`);
  }
  const current = choice.useCurrent ? file.get(CONTEXT_KEYS.current) : undefined;
  const name = choice.name ?? (current === undefined || current === null ? "" : String(current));
  if (name === "") return new Map();
  const context = contexts?.get(name, true);
  if (context === undefined) throw noContext(name, path, contexts?.items as Pair[] | undefined);
  const own = choice.key === undefined
    ? []
    : [[choice.key, { value: name, place: `${path} "${CONTEXT_KEYS.current}"` }] as const];
  if (isScalar(context) && context.value === null) return new Map(own);
  if (!isMap(context)) throw new UsageError(`${path}: context "${name}" must be a map of options`);
  return new Map([...readOptions(context.items as Pair[], known, place), ...own]);
}

/** The error for a context that is not there. */
function noContext(name: string, path: string, pairs: readonly Pair[] = []): UsageError {
  const names = pairs.map(({ key }) => isScalar(key) ? String(key.value) : String(key));
  return new UsageError(`There is no context "${name}" in ${path}`, {
    hint: names.length === 0 ? "It has no contexts" : `It has ${names.join(", ")}`,
  });
}

function inContext(
  config: ReturnType<typeof readOptions>,
  { path, choice }: Pick<ParseConfigOptions, "path" | "choice">,
): ConfigFile {
  if (choice?.name !== undefined) throw noContext(choice.name, path);
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
