/**
 * `systemctl`, as programs should use it: machine-readable output, no pager, no questions, and
 * never waiting for a job (`--no-block`), so that a call keeps its own deadline.
 *
 * @see https://www.freedesktop.org/software/systemd/man/systemctl.html
 * @module
 */
import { fluentdError } from "../failures.ts";
import { run, type RunResult, type WaitOptions } from "../system/run.ts";

/** It only talks to a local bus, which takes its time on a machine that is overloaded. */
const SYSTEMCTL_TIMEOUT_MS = 30_000;
const MAX_ERROR_LENGTH = 300;

/** What polkit and the bus say to those who may not. */
const NO_RIGHTS =
  /interactive authentication|authentication is required|access denied|permission denied|not authorized|a password is required|operation not permitted/i;
const NO_BUS = /failed to connect to (?:the )?(?:system )?bus|has not been booted with systemd/i;

/** Properties that we ask for. */
export const PROPERTIES = [
  "Id",
  "LoadState",
  "ActiveState",
  "SubState",
  "Result",
  "Type",
  "User",
  "MainPID",
  "ExecMainStatus",
  "ExecMainCode",
  "ExecMainExitTimestamp",
  "NRestarts",
  "NeedDaemonReload",
  "Job",
  "ControlGroup",
  "ExecStart",
  "Environment",
  "EnvironmentFiles",
] as const;

export type UnitProperties = Readonly<Record<(typeof PROPERTIES)[number], string>>;

/** Commands on one unit. */
export class Systemctl {
  readonly #command: readonly string[];
  readonly unit: string;
  /** Its own name, once systemd has told that it was given by an alias. */
  #id: string;

  constructor(command: readonly string[], unit: string) {
    this.#command = command;
    this.unit = unit;
    this.#id = unit;
  }

  /** Everything we ask about the unit; a unit that does not exist has `LoadState=not-found`. */
  async show(options: WaitOptions): Promise<UnitProperties> {
    const list = PROPERTIES.join(",");
    // Times as @seconds do not depend on locale and time zone, but need systemd 247; older ones
    // refuse the option, and then go without.
    let result = await this.#run(["show", "--timestamp=unix", "-p", list], options);
    if (result.code !== 0) result = await this.#run(["show", "-p", list], options);
    if (result.code !== 0) throw this.#error("show", result);
    const properties = parseProperties(result.stdout);
    this.#id = properties.Id || this.#id;
    return properties;
  }

  start(options: WaitOptions): Promise<void> {
    return this.#must(["start", "--no-block"], options);
  }

  stop(options: WaitOptions): Promise<void> {
    return this.#must(["stop", "--no-block"], options);
  }

  resetFailed(options: WaitOptions): Promise<void> {
    return this.#must(["reset-failed"], options);
  }

  /** `who`: the main process, or all of the control group. */
  kill(who: "main" | "all", signal: string, options: WaitOptions): Promise<void> {
    return this.#must(["kill", `--kill-who=${who}`, `--signal=${signal}`], options);
  }

  async #must(args: readonly string[], options: WaitOptions): Promise<void> {
    const result = await this.#run(args, options);
    if (result.code !== 0) throw this.#error(args[0] ?? "", result);
  }

  async #run(args: readonly string[], { signal }: WaitOptions): Promise<RunResult> {
    const fixed = ["--no-ask-password", "--no-pager"];
    const argv = [...this.#command, ...args, ...fixed, "--", this.unit];
    try {
      return await run(argv, { timeoutMs: SYSTEMCTL_TIMEOUT_MS, signal });
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      throw fluentdError("SYSTEMD_UNREACHABLE", `Cannot run "${this.#command[0]}": not found`, {
        cause: error,
      });
    }
  }

  #error(verb: string, { stderr, stdout, code }: RunResult) {
    const said = (stderr.trim() || stdout.trim() || `exit code ${code}`).slice(0, MAX_ERROR_LENGTH);
    const metadata = { unit: this.unit, verb };
    if (NO_BUS.test(said)) {
      return fluentdError("SYSTEMD_UNREACHABLE", `Cannot reach systemd: ${said}`, { metadata });
    }
    if (NO_RIGHTS.test(said)) {
      return fluentdError(
        "AGENT_PRIVILEGE",
        `This gserver may not ${verb} ${this.unit}: ${said}. Let its user manage this unit by a ` +
          `polkit rule for org.freedesktop.systemd1.manage-units (docs/fluentd.md has one, and it must ` +
          `name ${this.#id}), or run gserver as root`,
        { metadata },
      );
    }
    return new Error(`systemctl ${verb} ${this.unit} failed: ${said}`);
  }
}

/** `Key=value` lines; the values of a key that comes several times are joined by blanks. */
export function parseProperties(text: string): UnitProperties {
  const found: Record<string, string> = Object.fromEntries(PROPERTIES.map((name) => [name, ""]));
  for (const line of text.split("\n")) {
    const at = line.indexOf("=");
    const before = found[line.slice(0, at)];
    if (before !== undefined) {
      found[line.slice(0, at)] = `${before} ${line.slice(at + 1)}`.trimStart();
    }
  }
  return found as UnitProperties;
}

/** `A=1 "B=two words" C=3`, as `systemctl show` prints a list. */
export function parseShellWords(text: string): string[] {
  return [...text.matchAll(/"((?:[^"\\]|\\.)*)"|([^\s"]\S*)/g)].map(([, quoted, bare = ""]) =>
    quoted === undefined ? bare : quoted.replace(/\\(.)/g, "$1")
  );
}
