/**
 * What a service does at SIGHUP: it looks again at each thing that it can take anew while it runs,
 * and says of each what has become of it. A broken one changes nothing, and ends nothing.
 *
 *     SIGHUP ─▶ look() of each part ─▶ a line of log for each, and one for all
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { configureLog, type LogOptions } from "./log.ts";
import type { Options } from "./option.ts";

/** Something that can be taken anew. */
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

/** How a reload went. */
export interface Reloaded {
  readonly parts: number;
  readonly failed: number;
}

export interface ReloaderOptions {
  readonly parts: readonly ReloadPart[];
  readonly onStart?: () => void;
  readonly onEnd?: (reloaded: Reloaded) => void;
}

/** Guarantee: one reload at a time; signals that come meanwhile make one more. Never throws. */
export class Reloader {
  readonly #options: ReloaderOptions;
  #running = false;
  #again = false;

  constructor(options: ReloaderOptions) {
    this.#options = options;
  }

  /** To be called at each SIGHUP. */
  readonly reload = async (): Promise<void> => {
    this.#again = true;
    if (this.#running) return;
    this.#running = true;
    while (this.#again) {
      this.#again = false;
      this.#options.onStart?.();
      this.#options.onEnd?.(await this.#lookAtAll());
    }
    this.#running = false;
  };

  async #lookAtAll(): Promise<Reloaded> {
    const { parts } = this.#options;
    const log = getLogger(["reload"]);
    let failed = 0;
    for (const { what, look } of parts) {
      try {
        log.info("SIGHUP: {what}: {outcome}", { what, outcome: await look() });
      } catch (error) {
        failed++;
        const { message } = error as Error;
        log.error("SIGHUP: {what} is NOT applied, what was before still is: {message}", {
          what,
          message,
        });
      }
    }
    const count = parts.length - failed;
    log.info("SIGHUP: looked at {all} parts, {count} of them are good", {
      all: parts.length,
      count,
    });
    return { parts: parts.length, failed };
  }
}

/** Values of the options that every service has. */
type LogValues = { readonly [key: string]: unknown } & {
  readonly logLevel: NonNullable<LogOptions["level"]>;
  readonly logFormat: NonNullable<LogOptions["format"]>;
};

/**
 * The options, where a config file may have changed: what is logged is taken anew, of the others it
 * is said that they wait for a restart.
 */
export function optionsPart<V extends LogValues>(
  table: Options,
  { values, reread }: { readonly values: V; readonly reread: () => Promise<V> },
): ReloadPart {
  let current = values;
  return {
    what: "options and config file",
    async look() {
      const next = await reread();
      const { logLevel: level, logFormat: format } = next;
      const logs = level !== current.logLevel || format !== current.logFormat;
      if (logs) await configureLog({ level, format });
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
