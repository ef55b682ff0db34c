/**
 * `reload`: has a service of this machine reload, and says what became of each part.
 *
 * @module
 */
import { type Command, defineCommand, type Env } from "./command.ts";
import type { Reloaded } from "./reload.ts";
import { askReload, NotRunningError } from "./reload_socket.ts";
import { UsageError } from "./usage_error.ts";

export interface ReloadCommandOptions {
  /** `ghub`, `gserver`. */
  readonly program: string;
  /** Where the service keeps its state if nobody says: in the first of these in which one answers. */
  readonly stateDirs: (env: Env) => readonly string[];
}

/** The command of a program. */
export function reloadCommand({ program, stateDirs }: ReloadCommandOptions): Command {
  return defineCommand({
    name: "reload",
    summary: `Has the ${program} of this machine reload its files, and says how it went`,
    description: `Does what SIGHUP does to the ${program} that runs on this machine, waits until ` +
      "it is done, and prints what became of each part. If the new content of a part cannot be " +
      "used, the old one stays in force.",
    examples: [`${program} reload`, `${program} reload --state-dir /var/lib/${program}`],
    notes: `Run it as the user of that ${program}, or as root. ` +
      "Exit codes: 0 all is in force, 1 a part is not, or nothing answers, 2 wrong command line.",
    options: {
      stateDir: {
        flag: "--state-dir",
        value: "FOLDER",
        help: `Where that ${program} keeps its state`,
        defaultText: "as for serve; for root that of the service first",
        complete: "directory",
      },
    },
    run: async ({ options, io, env }) => {
      const folders = options.stateDir === undefined ? stateDirs(env) : [options.stateDir];
      if (folders.length === 0) {
        throw new UsageError("No folder for state: HOME is not set", {
          hint: "Name one with --state-dir",
        });
      }
      try {
        const { parts, failed } = await askFirst(folders);
        const lines = parts.map(({ what, good, outcome }) =>
          `${what}${good ? ":" : ""} ${outcome}`
        );
        await io.stdout.write(lines.map((line) => `${line}\n`).join(""));
        return failed === 0 ? 0 : 1;
      } catch (error) {
        if (!(error instanceof NotRunningError)) throw error;
        await io.stderr.write(
          `error: ${error.message}\n` +
            `hint: Check that ${program} runs, as this user if you are not root, and name its folder ` +
            "with --state-dir if it has another one\n",
        );
        return 1;
      }
    },
  }) as Command;
}

/** @throws {NotRunningError} If none answers; it names all of the folders. */
async function askFirst(folders: readonly string[]): Promise<Reloaded> {
  const faults: string[] = [];
  for (const folder of folders) {
    try {
      return await askReload(folder);
    } catch (error) {
      if (!(error instanceof NotRunningError)) throw error;
      faults.push(error.message);
    }
  }
  throw new NotRunningError(faults.join("; "));
}
