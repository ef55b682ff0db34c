/**
 * How Fluentd is started, and what its arguments say.
 *
 *     fluentd -c /etc/fluent/a.conf --log /var/log/a.log   →   config /etc/fluent/a.conf, log /var/log/a.log
 *     … the same for a dry run                             →   fluentd -c /etc/fluent/a.conf --dry-run
 *
 * @module
 */
import { basename } from "node:path";

/** A way to start Fluentd. */
export interface Launch {
  readonly argv: readonly string[];
  /** What is set for it in addition to our own environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** `env` is all that it gets: whoever starts it has another environment than we have. */
  readonly cleanEnv?: boolean;
  /** The user that the service runs as, where it may not be ours. */
  readonly user?: string;
  /** Its group, where it is not the user's own. */
  readonly group?: string;
  /** Groups in addition to the user's own. */
  readonly groups?: readonly string[];
  /** Where relative paths begin; where we are by default. */
  readonly cwd?: string;
  /** Files of its environment that we may not read: what it is started with is known in part only. */
  readonly unreadable?: readonly string[];
}

/** What the arguments say; absent when they do not. */
export interface LaunchFacts {
  readonly configPath?: string;
  readonly logPath?: string;
  /** `--config-file-type yaml`; absent where the name of the config tells. */
  readonly yaml?: boolean;
  /** `-d`: it leaves its starter, and lies about how that went. */
  readonly daemon: boolean;
}

/** Where Fluentd looks when nobody says. */
export const DEFAULT_CONFIG_PATH = "/etc/fluent/fluent.conf";

/** Whether an option has a value: always, never, or only where the next word is none of an option. */
type Takes = "value" | "nothing" | "maybe";

/** Options of fluentd 1.14 to 1.20. Each may be written as the beginning that no other has. */
const OPTIONS: Readonly<Record<string, Takes>> = {
  "config": "value",
  "config-file-type": "value",
  "conf-encoding": "value",
  "daemon": "value",
  "disable-shared-socket": "nothing",
  "dry-run": "nothing",
  "emit-error-log-interval": "value",
  "enable-input-metrics": "nothing",
  "enable-size-metrics": "nothing",
  "gem-path": "value",
  "gemfile": "value",
  "group": "value",
  "help": "nothing",
  "inline-config": "value",
  "log": "value",
  "log-event-verbose": "nothing",
  "log-rotate-age": "value",
  "log-rotate-size": "value",
  "no-supervisor": "nothing",
  "plugin": "value",
  "quiet": "nothing",
  "setup": "maybe",
  "show-plugin-config": "value",
  "strict-config-value": "nothing",
  "suppress-config-dump": "nothing",
  "suppress-repeated-stacktrace": "maybe",
  "umask": "value",
  "under-supervisor": "nothing",
  "use-v0-config": "nothing",
  "use-v1-config": "nothing",
  "user": "value",
  "verbose": "nothing",
  "version": "nothing",
  "with-source-only": "nothing",
  "without-source": "nothing",
  "workers": "value",
};

const SHORT: Readonly<Record<string, string>> = {
  "c": "config",
  "d": "daemon",
  "g": "gemfile",
  "G": "gem-path",
  "h": "help",
  "i": "inline-config",
  "I": "",
  "o": "log",
  "p": "plugin",
  "q": "quiet",
  "r": "",
  "s": "setup",
  "v": "verbose",
};

/**
 * What a dry run goes without. `no-supervisor` and `under-supervisor` disarm it: Fluentd would collect.
 * `setup`, `version`, `help` and `show-plugin-config` end it before it has looked. With the log file it
 * would write there; with the PID file overwrite that. `quiet` would hide what it has to say.
 */
const NOT_IN_DRY_RUN: ReadonlySet<string> = new Set([
  "daemon",
  "dry-run",
  "help",
  "log",
  "no-supervisor",
  "quiet",
  "setup",
  "show-plugin-config",
  "under-supervisor",
  "version",
]);

/** One option, with its value; or a word that is none. */
interface Part {
  /** The full name. */
  readonly name?: string;
  readonly value?: string;
  readonly args: readonly string[];
}

/**
 * Where the options of Fluentd begin: after its program, which may stand after a wrapper
 * (`tini -- fluentd`, `env A=1 fluentd`, `ruby -W0 fluentd`).
 */
function beginOf(argv: readonly string[]): number {
  const at = argv.findIndex((arg) => /^(?:fluentd|td-agent)\b/.test(basename(arg)));
  return at === -1 ? 1 : at + 1;
}

function fullName(begun: string): string | undefined {
  if (Object.hasOwn(OPTIONS, begun)) return begun;
  // Of `log` and `log-rotate-age`, `lo` is the first.
  const [shortest, ...more] = Object.keys(OPTIONS).filter((name) => name.startsWith(begun))
    .toSorted((a, b) => a.length - b.length);
  return more.every((name) => name.startsWith(shortest!)) ? shortest : undefined;
}

/** The options, each with its value, as Ruby's OptionParser reads them. */
function* parts(argv: readonly string[]): Generator<Part> {
  const begin = beginOf(argv);
  yield { args: argv.slice(0, begin) };
  for (let i = begin; i < argv.length; i++) {
    const arg = argv[i]!;
    if (arg === "--") {
      yield { args: argv.slice(i) };
      return;
    }
    const [, begun, attached] = /^--([^=]+)(?:=(.*))?$/s.exec(arg) ?? [];
    if (begun !== undefined) {
      const name = fullName(begun);
      const takes = name === undefined ? "nothing" : OPTIONS[name];
      const next = argv[i + 1];
      const follows = attached === undefined && next !== undefined &&
        (takes === "value" || takes === "maybe" && !next.startsWith("-"));
      if (follows) i++;
      const value = follows ? next : attached;
      yield {
        args: follows ? [arg, next] : [arg],
        ...(name === undefined ? {} : { name }),
        ...(value === undefined ? {} : { value }),
      };
    } else if (/^-./.test(arg)) {
      i += yield* shortParts(arg, argv[i + 1]);
    } else {
      yield { args: [arg] };
    }
  }
}

/** `-vqc a.conf` is `-v -q -c a.conf`. Returns how many words more were read. */
function* shortParts(arg: string, next: string | undefined): Generator<Part, number> {
  for (let at = 1; at < arg.length; at++) {
    const letter = arg[at]!;
    const name = SHORT[letter];
    const takes = name === "" ? "value" : name === undefined ? "nothing" : OPTIONS[name];
    const named = name ? { name } : {};
    if (takes === "nothing") {
      yield { ...named, args: [`-${letter}`] };
      continue;
    }
    const rest = arg.slice(at + 1);
    if (rest !== "") {
      yield { ...named, value: rest, args: [`-${letter}${rest}`] };
      return 0;
    }
    if (next === undefined || takes === "maybe" && next.startsWith("-")) {
      yield { ...named, args: [`-${letter}`] };
      return 0;
    }
    yield { ...named, value: next, args: [`-${letter}`, next] };
    return 1;
  }
  return 0;
}

/** What the arguments say of config, log and daemon; the last one counts, as in fluentd. */
export function readLaunch({ argv, env }: Launch): LaunchFacts {
  const values: Record<string, string> = {};
  let daemon = false;
  for (const { name, value } of parts(argv)) {
    if (name !== undefined && value !== undefined) values[name] = value;
    if (name === "daemon") daemon = true;
  }
  const configPath = values.config ?? env?.FLUENT_CONF;
  const yaml = /^ya?ml$/.test(values["config-file-type"] ?? "");
  return {
    daemon,
    ...(yaml ? { yaml } : {}),
    ...(configPath === undefined ? {} : { configPath }),
    ...(values.log === undefined ? {} : { logPath: values.log }),
  };
}

/** The user that Fluentd itself changes to once it has read its config (`--user`). */
export function ownUserOf({ argv }: Launch): { user?: string; group?: string } {
  const found: { user?: string; group?: string } = {};
  for (const { name, value } of parts(argv)) {
    if ((name === "user" || name === "group") && value !== undefined) found[name] = value;
  }
  return found;
}

/**
 * The arguments of a dry run: those of the start, without what would disarm it or have it write.
 * It changes its user itself, as the start does.
 */
export function dryRunArgv({ argv }: Launch): string[] {
  const kept = [...parts(argv)].filter(({ name }) =>
    name === undefined || !NOT_IN_DRY_RUN.has(name)
  );
  // Behind "--" it would be no option.
  const begin = beginOf(argv);
  const args = kept.flatMap(({ args }) => args);
  return [...args.slice(0, begin), "--dry-run", ...args.slice(begin)];
}

/** The arguments that ask for the version. */
export function versionArgv({ argv }: Launch): string[] {
  return [...argv.slice(0, beginOf(argv)), "--version"];
}

/** What is added to the config by the arguments (`-i`). */
export function inlineConfigOf({ argv }: Launch): string | undefined {
  const given = [...parts(argv)].findLast(({ name }) => name === "inline-config")?.value;
  return given?.replaceAll("\\n", "\n");
}

/** Which parameters of which plugin. */
export interface PluginQuestion {
  /** Of the tool next to fluentd: see plugin_schemas.ts. */
  readonly tool: string;
  readonly kind: string;
  readonly type: string;
  /** Where fluentd looks for plugins unless told otherwise. */
  readonly pluginDir: string;
}

/** The program itself, as the arguments name it; `undefined` where it stands after something else. */
export function programOf({ argv }: Launch): string | undefined {
  const program = argv[beginOf(argv) - 1];
  return program !== undefined && /^(?:fluentd|td-agent)\b/.test(basename(program))
    ? program
    : undefined;
}

/**
 * The arguments that ask fluentd's own tool for the parameters of a plugin, with the folders and
 * libraries that the start has. `undefined` where Bundler chooses the gems: the tool cannot.
 */
export function schemaArgv({ argv }: Launch, question: PluginQuestion): string[] | undefined {
  const { tool, kind, type, pluginDir } = question;
  const begin = beginOf(argv);
  const load: string[] = ["-p", pluginDir];
  for (const { name, value, args: [option = ""] } of parts(argv)) {
    if (name === "gemfile") return undefined;
    if (value === undefined) continue;
    if (name === "plugin") load.push("-p", value);
    const [, letter] = /^-([Ir])/.exec(option) ?? [];
    if (letter !== undefined) load.push(`-${letter}`, value);
  }
  return [
    ...argv.slice(0, begin - 1),
    tool,
    ...["--verbose", "--compact", "--format=json", ...load, "--", kind, type],
  ];
}

/** Shells that take a command as text, to which no option of Fluentd can be added. */
const SHELLS = /^(?:ba|da|z|k|a)?sh$/;

/** Why these arguments cannot be checked; `undefined` if they can. */
export function dryRunObstacle({ argv }: Launch): string | undefined {
  const shell = argv.slice(0, beginOf(argv)).findIndex((arg) => SHELLS.test(basename(arg)));
  if (shell === -1) return undefined;
  for (const arg of argv.slice(shell + 1)) {
    if (!arg.startsWith("-")) break;
    if (arg.includes("c")) {
      return `the command is a text for ${
        argv[shell]
      }, which would start Fluentd instead of checking it`;
    }
  }
  return undefined;
}

/** Arguments that a zero-downtime restart, which joins them for a shell, would break. */
const NEEDS_QUOTES = /[^A-Za-z0-9_\-+=:,.\/@%]/;

/** Why a supervisor could not start itself again as it was started; `undefined` if it could. */
export function quotingObstacle({ argv }: Launch): string | undefined {
  const arg = argv.find((arg) => NEEDS_QUOTES.test(arg));
  return arg === undefined
    ? undefined
    : `fluentd would join its arguments for a shell, which breaks "${arg}"`;
}
