/**
 * The fluentd of this machine, for tests that need a real one.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";

/**
 * For a gserver of which a test does not need the Fluentd of this machine: a PATH on which there is none.
 * It would ask each plugin of the config that it makes which of its parameters are secret: a second of a
 * processor and more at each start. Its Fluentd service is there all the same, and says STOPPED.
 */
export function pathWithoutFluentd(): Record<"PATH", string> {
  const has = (dir: string, name: string) => existsSync(join(dir, name));
  const dirs = (Deno.env.get("PATH") ?? "").split(delimiter);
  // Where fluentd is among the system's own commands, it stays.
  const kept = dirs.filter((dir) => !has(dir, "fluentd") || has(dir, "sh"));
  return { PATH: kept.join(delimiter) };
}

/** With this set to 1, a machine without fluentd fails the tests that need it. */
const REQUIRE = "GHUB_REQUIRE_FLUENTD";

/**
 * The command that runs fluentd, or `undefined` where there is none. Says so, once.
 *
 * @throws {Error} If there is none and `GHUB_REQUIRE_FLUENTD=1`.
 */
export function fluentdCommand(): string[] | undefined {
  found ??= find() ?? missing();
  return found || undefined;
}

let found: string[] | false | undefined;

function find(): string[] | undefined {
  for (const dir of (Deno.env.get("PATH") ?? "").split(delimiter)) {
    const path = join(dir, "fluentd");
    try {
      if (dir !== "" && Deno.statSync(path).isFile) return [path];
    } catch {
      // Not in this one.
    }
  }
  return undefined;
}

function missing(): false {
  const message = "No fluentd on PATH: gem install fluentd";
  if (Deno.env.get(REQUIRE) === "1") throw new Error(`${message} (${REQUIRE}=1)`);
  console.warn(`\n*** ${message}. Tests that need a real fluentd are IGNORED.\n`);
  return false;
}

/** Folders of gems, each with another fluentd, that run the same tests: separated by colons. */
const VERSIONS = "GHUB_FLUENTD_VERSIONS";

/** One fluentd to test with. */
export interface FluentdVersion {
  /** What is in its tests' names; empty for the machine's own. */
  readonly label: string;
  readonly command: string[];
}

/**
 * All that the same tests shall run with: the machine's own, and those of `GHUB_FLUENTD_VERSIONS`, as
 * `GEM_HOME=folder GEM_PATH=folder gem install fluentd -v 1.16.11` makes them.
 */
export function fluentdVersions(): FluentdVersion[] {
  const own = fluentdCommand();
  const folders = (Deno.env.get(VERSIONS) ?? "").split(delimiter).filter((folder) => folder !== "");
  return [
    ...(own === undefined ? [] : [{ label: "", command: own }]),
    ...folders.map((folder) => ({
      label: ` (${versionIn(folder)})`,
      // `env` becomes it: no process stands between.
      command: ["env", `GEM_HOME=${folder}`, `GEM_PATH=${folder}`, join(folder, "bin", "fluentd")],
    })),
  ];
}

/** @throws {Error} If there is none: tests that were asked for shall not be left out in silence. */
function versionIn(folder: string): string {
  for (const { name } of Deno.readDirSync(join(folder, "gems"))) {
    const [, version] = /^fluentd-(\d.*)$/.exec(name) ?? [];
    if (version !== undefined) return version;
  }
  throw new Error(`Cannot find a fluentd in ${folder}, which ${VERSIONS} names`);
}

/** A pipeline that receives lines at a port, if one is given, and drops them. */
export function simpleConfig(
  { port, monitor, system = "" }: { port?: number; monitor?: number; system?: string } = {},
): string {
  const input = port === undefined ? "" : `
<source>
  @type tcp
  tag test
  bind 127.0.0.1
  port ${port}
  <parse>
    @type none
  </parse>
</source>`;
  const agent = monitor === undefined ? "" : `
<source>
  @type monitor_agent
  bind 127.0.0.1
  port ${monitor}
</source>`;
  return `<system>
${system}
</system>
${input}
${agent}
<match **>
  @type null
</match>
`;
}
