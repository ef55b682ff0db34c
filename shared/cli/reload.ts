/**
 * What a service does at SIGHUP, or when `reload` asks it (reload_socket.ts): it looks again at each
 * thing that it can reload while it runs, and says of each what has become of it. A broken one
 * changes nothing, and ends nothing.
 *
 *     SIGHUP, reload ─▶ look() of each part ─▶ a line of log for each, and one for all
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { configureLog, type LogOptions } from "./log.ts";
import type { Options } from "./option.ts";

/** Something that can be reloaded. */
export interface ReloadPart {
  /** As the log names it: `auth file /etc/ghub/auth.yaml`. */
  readonly what: string;
  /**
   * Looks at it, and puts it in force.
   *
   * @returns What has become of it, in words: `unchanged`.
   * @throws {Error} If it cannot be used; then what was in force still is.
   */
  look(): string | Promise<string>;
}

/** What became of one part. */
export interface ReloadedPart {
  readonly what: string;
  readonly good: boolean;
  /** What has become of it, or why it could not be used. */
  readonly outcome: string;
}

/** How a reload went. */
export interface Reloaded {
  readonly parts: readonly ReloadedPart[];
  readonly failed: number;
}

/** Who asked for a reload, as the log names it. */
export type ReloadCause = "SIGHUP" | "reload";

export interface ReloaderOptions {
  readonly parts: readonly ReloadPart[];
  readonly onStart?: () => void;
  readonly onEnd?: (reloaded: Reloaded) => void;
}

/** Guarantee: one reload at a time; all who ask meanwhile share the next one. Never rejects. */
export class Reloader {
  readonly #options: ReloaderOptions;
  #last: Promise<unknown> = Promise.resolve();
  #next: Promise<Reloaded> | undefined;

  constructor(options: ReloaderOptions) {
    this.#options = options;
  }

  /** Resolves when a reload that began after this call has ended. */
  reload(cause: ReloadCause): Promise<Reloaded> {
    if (this.#next !== undefined) return this.#next;
    const next = this.#last.then(async () => {
      this.#next = undefined;
      this.#options.onStart?.();
      const reloaded = await this.#lookAtAll(cause);
      this.#options.onEnd?.(reloaded);
      return reloaded;
    });
    this.#last = this.#next = next;
    return next;
  }

  async #lookAtAll(cause: ReloadCause): Promise<Reloaded> {
    const log = getLogger(["reload"]);
    const parts: ReloadedPart[] = [];
    for (const { what, look } of this.#options.parts) {
      try {
        const outcome = await look();
        parts.push({ what, good: true, outcome });
        log.info("{cause}: {what}: {outcome}", { cause, what, outcome });
      } catch (error) {
        const { message } = error as Error;
        const outcome = `is NOT applied, what was before still is: ${message}`;
        parts.push({ what, good: false, outcome });
        log.error("{cause}: {what} is NOT applied, what was before still is: {message}", {
          cause,
          what,
          message,
        });
      }
    }
    const failed = parts.filter(({ good }) => !good).length;
    log.info("{cause}: looked at {all} parts, {count} of them are good", {
      cause,
      all: parts.length,
      count: parts.length - failed,
    });
    return { parts, failed };
  }
}

/** Values of the options that every service has. */
type LogValues = { readonly [key: string]: unknown } & {
  readonly logLevel: NonNullable<LogOptions["level"]>;
  readonly logFormat: NonNullable<LogOptions["format"]>;
};

/**
 * The options, where a config file may have changed: the log's are in force at once, and the log
 * names the others, which wait for a restart.
 */
export function optionsPart<V extends LogValues>(
  table: Options,
  { values, reread, onLog }: {
    readonly values: V;
    readonly reread: () => Promise<V>;
    /** Told how the log is from now on, where other threads write to it as well. */
    readonly onLog?: ((log: Pick<LogOptions, "level" | "format">) => Promise<void>) | undefined;
  },
): ReloadPart {
  let current = values;
  return {
    what: "options and config file",
    async look() {
      const next = await reread();
      const { logLevel: level, logFormat: format } = next;
      const logs = level !== current.logLevel || format !== current.logFormat;
      if (logs) await configureLog({ level, format });
      if (logs) await onLog?.({ level, format });
      current = { ...current, logLevel: level, logFormat: format };
      const waiting = Object.entries(table)
        .filter(([key]) => JSON.stringify(next[key]) !== JSON.stringify(current[key]))
        .map(([, { flag }]) => flag);
      const words = [
        ...(logs ? [`log level ${level}, format ${format}`] : []),
        ...(waiting.length > 0 ? [`NOT before a restart: ${waiting.join(", ")}`] : []),
      ];
      return words.join("; ") || "unchanged";
    },
  };
}
