/**
 * How Fluentd is started, and what its arguments say.
 *
 *     fluentd -c /etc/fluent/a.conf --log /var/log/a.log   →   config /etc/fluent/a.conf, log /var/log/a.log
 *     … the same for a dry run                             →   fluentd -c /etc/fluent/a.conf --dry-run
 *
 * @module
 */

/** A way to start Fluentd. */
export interface Launch {
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** The user that the service runs as, where it is not ours. */
  readonly user?: string;
}

/** What the arguments say; absent when they do not. */
export interface LaunchFacts {
  readonly configPath?: string;
  readonly logPath?: string;
  /** `-d`: it leaves its starter, and lies about how that went. */
  readonly daemon: boolean;
}

/** Where Fluentd looks when nobody says. */
export const DEFAULT_CONFIG_PATH = "/etc/fluent/fluent.conf";

/** Options of fluentd that take a value and matter here. */
const VALUED = {
  "-c": "config",
  "--config": "config",
  "-o": "log",
  "--log": "log",
  "-d": "daemon",
  "--daemon": "daemon",
  "--user": "user",
  "--group": "user",
} as const;

type Meaning = (typeof VALUED)[keyof typeof VALUED];

interface Part {
  readonly meaning?: Meaning;
  readonly value?: string;
  readonly args: readonly string[];
}

/** The arguments in groups: an option with its value, or anything else alone. */
function* parts(argv: readonly string[]): Generator<Part> {
  for (let i = 0; i < argv.length; i++) {
    const arg = argv[i] ?? "";
    const [, name = arg, attached] = /^(--[a-z-]+)=(.*)$/s.exec(arg) ??
      /^(-[cod])(.+)$/s.exec(arg) ?? [];
    const meaning = (VALUED as Record<string, Meaning>)[name];
    if (meaning === undefined) {
      yield { args: [arg] };
    } else if (attached !== undefined) {
      yield { meaning, value: attached, args: [arg] };
    } else {
      const value = argv[++i];
      yield value === undefined ? { meaning, args: [arg] } : { meaning, value, args: [arg, value] };
    }
  }
}

/** What the arguments say of config, log and daemon; the last one counts, as in fluentd. */
export function readLaunch({ argv, env }: Launch): LaunchFacts {
  const values: Partial<Record<Meaning, string>> = {};
  let daemon = false;
  for (const { meaning, value } of parts(argv)) {
    if (meaning !== undefined && value !== undefined) values[meaning] = value;
    if (meaning === "daemon") daemon = true;
  }
  const configPath = values.config ?? env?.FLUENT_CONF;
  return {
    daemon,
    ...(configPath === undefined ? {} : { configPath }),
    ...(values.log === undefined ? {} : { logPath: values.log }),
  };
}

/**
 * The arguments of a dry run. The log file is left out, or the dry run would write to it (and,
 * run by root, make it root's so that the service could not open it); so is the daemon's PID
 * file, and the change of user, which the dry run's own user replaces.
 */
export function dryRunArgv({ argv }: Launch): string[] {
  const kept = [...parts(argv)].filter(({ meaning }) =>
    meaning === undefined || meaning === "config"
  );
  return [...kept.flatMap(({ args }) => args), "--dry-run"];
}
