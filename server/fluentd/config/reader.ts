/**
 * What the config on disk says that a judgement needs: how many workers there should be, where they
 * should listen, where the log and the buffers are, and what in it is suspicious.
 *
 * The files are what Fluentd *will* read; whether the running one has read them is told by their
 * age (`changedMs`), and judged in observe/expectation.ts.
 *
 * @module
 */
import { globSync } from "node:fs";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { type ConfigElement, INCLUDE, literal, parseFluentdConfig } from "./text.ts";
import { parseYamlConfig } from "./yaml.ts";

/** Files of one config, with all that it includes; more are not looked at. */
export const MAX_CONFIG_FILES = 200;
/** Bytes of all of them. */
export const MAX_CONFIG_BYTES = 4 * 1024 * 1024;
/** Includes within includes. */
const MAX_INCLUDE_DEPTH = 16;

/** A place where an input waits for others. */
export interface Listening {
  readonly proto: "tcp" | "udp" | "unix";
  /** A port, or the path of a unix socket. */
  readonly at: string;
  /** Of the input. */
  readonly type: string;
}

/** An output, with where it keeps what it has not delivered. */
export interface ConfiguredOutput {
  /** Absent without `@id`: Fluentd makes up another one at each start. */
  readonly id?: string;
  readonly type: string;
  /** Whether it survives the end of Fluentd; what has no buffer of its own keeps nothing. */
  readonly buffer: "memory" | "file";
  /** Files of the buffer as patterns, where it is in files and the config tells. */
  readonly files?: readonly string[];
}

/** What a config says. */
export interface ConfigFacts {
  readonly path: string;
  /** When the youngest of its files was changed, in milliseconds since the epoch. */
  readonly changedMs: number;
  /** Absent where only Ruby could tell. */
  readonly workers?: number;
  /** Of `<log>`. */
  readonly logPath?: string;
  /** Of `<system>`: where plugins keep what has no place of its own. */
  readonly rootDir?: string;
  /** All of it, with what it includes. */
  readonly root?: ConfigElement;
  readonly sources: number;
  readonly listening: readonly Listening[];
  readonly outputs: readonly ConfiguredOutput[];
  /** Patterns of `@include` that match no file. */
  readonly emptyIncludes: readonly string[];
  /** An output prints records into the log, so that not each line there is Fluentd's own. */
  readonly printsRecords: boolean;
}

/** How a Fluentd reads its config. */
export interface ConfigOptions {
  /** Of the Fluentd that reads it: relative paths begin there. @default ours */
  readonly cwd?: string | undefined;
  /** It is YAML, whatever its name says (`--config-file-type yaml`). @default as its name ends */
  readonly yaml?: boolean | undefined;
  /**
   * The folder that is read in addition, unless the config names another one: 1.19+ has one.
   *
   * @default none
   */
  readonly includeDir?: string | undefined;
}

/**
 * Reads the config.
 *
 * @returns `undefined` if it cannot be read: it is not there, it is not ours to read, or it is no text
 *   that this can read.
 */
export async function readConfig(
  path: string,
  options: ConfigOptions = {},
): Promise<ConfigFacts | undefined> {
  return await new ConfigReader().read(path, options);
}

/** Reads a config again and again: what has not changed is not read twice. */
export class ConfigReader {
  #last:
    | { readonly key: string; readonly reading: Reading; readonly facts: ConfigFacts }
    | undefined;

  /** See `readConfig`. The same object as before where nothing has changed. */
  async read(path: string, options: ConfigOptions): Promise<ConfigFacts | undefined> {
    const key = JSON.stringify([path, options]);
    if (this.#last?.key === key && this.#last.reading.isFresh()) return this.#last.facts;
    this.#last = undefined;
    const { cwd = Deno.cwd(), includeDir } = options;
    const reading = new Reading(cwd);
    const full = resolve(cwd, path);
    try {
      const own = await reading.read(full, 0, options.yaml ?? isYaml(full));
      const root = includeDir === undefined ? own : await reading.withFolder(own, includeDir);
      const facts = { ...factsOf(root, cwd), path: full, ...reading.facts };
      this.#last = { key, reading, facts };
      return facts;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied) {
        return undefined;
      }
      if (error instanceof RangeError || error instanceof Deno.errors.IsADirectory) {
        return undefined;
      }
      throw error;
    }
  }
}

function isYaml(path: string): boolean {
  return /\.ya?ml$/.test(path);
}

/** What changes with each change of a file. */
function stampOf(path: string): string {
  try {
    const { mtime, ctime, size, ino } = Deno.statSync(path);
    return `${mtime?.getTime()} ${ctime?.getTime()} ${size} ${ino}`;
  } catch {
    return "";
  }
}

/** One reading of files with those that they include. */
class Reading {
  readonly #cwd: string;
  readonly #emptyIncludes: string[] = [];
  /** Path → its stamp when it was read. */
  readonly #read = new Map<string, string>();
  /** What `@include` looked for, and what it found. */
  readonly #globs: { readonly pattern: string; readonly found: string }[] = [];
  #changedMs = 0;
  /** Those that are read twice count twice. */
  #files = 0;
  #bytes = 0;

  constructor(cwd: string) {
    this.#cwd = cwd;
  }

  get facts(): Pick<ConfigFacts, "changedMs" | "emptyIncludes"> {
    return { changedMs: this.#changedMs, emptyIncludes: this.#emptyIncludes };
  }

  /** Whether it would give the same now. */
  isFresh(): boolean {
    return [...this.#read].every(([path, stamp]) => stampOf(path) === stamp) &&
      this.#globs.every(({ pattern, found }) => globbed(pattern).join("\n") === found);
  }

  async read(path: string, depth: number, yaml: boolean): Promise<ConfigElement> {
    this.#read.set(path, stampOf(path));
    const { mtime, size, isFile } = await Deno.stat(path);
    this.#files++;
    this.#bytes += size;
    // What is no file, such as a pipe, may be there to be read once, by somebody else.
    if (!isFile || this.#files > MAX_CONFIG_FILES || this.#bytes > MAX_CONFIG_BYTES) {
      throw new RangeError(`Cannot read config ${path}: no file, or too much of it`);
    }
    this.#changedMs = Math.max(this.#changedMs, mtime?.getTime() ?? 0);
    const text = await Deno.readTextFile(path);
    const root = yaml ? parseYamlConfig(text) : parseFluentdConfig(text);
    // Each syntax includes files of its own kind, whatever they are called.
    return await this.#resolved(root, { folder: dirname(path), depth, yaml });
  }

  /** With the sections of all files in the folder that the config names, or else this one. */
  async withFolder(root: ConfigElement, usual: string): Promise<ConfigElement> {
    const system = root.children.filter(({ name }) => name === "system");
    const folder = literal(last(system, "config_include_dir") ?? usual);
    if (!folder) return root;
    const children = [...root.children];
    const pattern = join(globEscaped(resolve(this.#cwd, folder)), "**", "*.{conf,yaml,yml}");
    for (const path of this.#glob(pattern)) {
      if (this.#read.has(path)) continue;
      const { children: more } = await this.read(path, 0, isYaml(path));
      // The system's section has been read before.
      children.push(...more.filter(({ name }) => name !== "system"));
    }
    return { ...root, children };
  }

  /** The same with what it includes in place of each `@include`. */
  async #resolved(
    element: ConfigElement,
    file: { readonly folder: string; readonly depth: number; readonly yaml: boolean },
  ): Promise<ConfigElement> {
    const { folder, depth, yaml } = file;
    const params = new Map(element.params);
    const children: ConfigElement[] = [];
    for (const child of element.children) {
      if (child.name !== INCLUDE) {
        children.push(await this.#resolved(child, file));
        continue;
      }
      for (const path of this.#matches(child.arg, folder)) {
        if (depth >= MAX_INCLUDE_DEPTH) throw new RangeError(`Cannot read ${path}: too deep`);
        const included = await this.read(path, depth + 1, yaml);
        for (const [key, value] of included.params) params.set(key, value);
        children.push(...included.children);
      }
    }
    return { ...element, params, children };
  }

  #matches(pattern: string, folder: string): string[] {
    const text = literal(pattern);
    // Ruby and other machines' files: only Fluentd knows what they are.
    if (text === undefined || /^https?:/.test(text)) return [];
    const full = isAbsolute(text) ? text : join(folder, text);
    const paths = this.#glob(full);
    if (paths.length === 0) this.#emptyIncludes.push(pattern);
    return paths.map((path) => resolve(this.#cwd, path));
  }

  #glob(pattern: string): string[] {
    const paths = globbed(pattern);
    this.#globs.push({ pattern, found: paths.join("\n") });
    return paths;
  }
}

function globbed(pattern: string): string[] {
  return globSync(pattern).map(String).sort();
}

function globEscaped(path: string): string {
  return path.replace(/[\\*?[\]{}]/g, "\\$&");
}

function factsOf(root: ConfigElement, cwd: string) {
  const system = root.children.filter(({ name }) => name === "system");
  const all = [...everyElement(root)];
  const workers = Number(literal(last(system, "workers") ?? "1"));
  const logs = system.flatMap(({ children }) => children.filter(({ name }) => name === "log"));
  const logPath = literal(last(logs, "path"));
  const rootDir = literal(last(system, "root_dir"));
  const sources = all.filter(({ name }) => name === "source");
  const sinks = all.filter(({ name }) => name === "match" || name === "store");
  return {
    root,
    sources: sources.length,
    listening: sources.flatMap(listeningOf),
    outputs: sinks.filter((sink) => !sink.children.some(({ name }) => name === "store"))
      .map((sink) => outputOf(sink, rootDir, cwd)),
    printsRecords: all.some((element) => element.params.get("@type") === "stdout"),
    ...(Number.isInteger(workers) && workers > 0 ? { workers } : {}),
    ...(logPath === undefined ? {} : { logPath: resolve(cwd, logPath) }),
    ...(rootDir === undefined ? {} : { rootDir: resolve(cwd, rootDir) }),
  };
}

function* everyElement(element: ConfigElement): Generator<ConfigElement> {
  for (const child of element.children) {
    yield child;
    yield* everyElement(child);
  }
}

function last(elements: readonly ConfigElement[], param: string): string | undefined {
  return elements.findLast(({ params }) => params.has(param))?.params.get(param);
}

/** Inputs of Fluentd itself that listen → their default port or path. */
const LISTENING_INPUTS: Readonly<Record<string, Omit<Listening, "type">>> = {
  forward: { proto: "tcp", at: "24224" },
  http: { proto: "tcp", at: "9880" },
  monitor_agent: { proto: "tcp", at: "24220" },
  syslog: { proto: "udp", at: "5140" },
  tcp: { proto: "tcp", at: "5170" },
  udp: { proto: "udp", at: "5160" },
  unix: { proto: "unix", at: "/var/run/fluent/fluent.sock" },
};

function listeningOf(source: ConfigElement): Listening[] {
  const type = source.params.get("@type") ?? "";
  const usual = Object.hasOwn(LISTENING_INPUTS, type) ? LISTENING_INPUTS[type] : undefined;
  if (usual === undefined) return [];
  const at = literal(source.params.get(usual.proto === "unix" ? "path" : "port") ?? usual.at);
  if (at === undefined || usual.proto !== "unix" && !/^[1-9]\d*$/.test(at)) return [];
  const transport = source.children.find(({ name }) => name === "transport")?.arg ||
    source.params.get("protocol_type") || "";
  const proto = type === "syslog" && /^(tcp|tls)$/.test(transport) ? "tcp" : usual.proto;
  return [{ proto, at, type }];
}

/** Chunks of a buffer, without the `.meta` beside each. */
const CHUNKS: Readonly<Record<string, string>> = {
  file: "buffer.*.log",
  file_single: "fsb.*.buf",
};

function outputOf(sink: ConfigElement, rootDir: string | undefined, cwd: string): ConfiguredOutput {
  const type = sink.params.get("@type") ?? "";
  const id = literal(sink.params.get("@id"));
  const buffer = sink.children.find(({ name }) => name === "buffer");
  const kind = buffer?.params.get("@type") ?? sink.params.get("buffer_type") ??
    (type === "file" ? "file" : "memory");
  const chunks = CHUNKS[kind];
  const named = literal(buffer?.params.get("path") ?? sink.params.get("buffer_path"));
  // out_file writes its chunks where it writes its files.
  const fallback = type === "file" ? literal(sink.params.get("path")) : undefined;
  const ownFolder = rootDir === undefined || id === undefined
    ? fallback === undefined || chunks === undefined
      ? undefined
      : bufferPatterns(resolve(cwd, fallback), chunks)
    // Each worker has a folder of its own.
    : [join(resolve(cwd, rootDir), "worker*", id, "buffer", chunks ?? "")];
  const files = chunks === undefined
    ? undefined
    : named === undefined
    ? ownFolder
    : bufferPatterns(resolve(cwd, named), chunks);
  return {
    type,
    buffer: kind === "memory" ? "memory" : "file",
    ...(id === undefined ? {} : { id }),
    ...(files === undefined ? {} : { files }),
  };
}

/** A path of `<buffer>` is a folder, or a file name with or without a `*` in it. */
function bufferPatterns(path: string, chunks: string): string[] {
  if (path.includes(".*.")) return [path];
  if (path.endsWith(".*")) return [`${path}.*`];
  // One of several workers has a folder within; a file name is continued.
  const within = [join(path, chunks), join(path, "worker*", chunks)];
  return [...within, `${path}.*.log`, `${path}.*.buf`];
}
