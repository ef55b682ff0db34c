/**
 * Which servers are meant: those that are named, those of a file, or those that the hub knows; each
 * once, and without those that are left out.
 *
 * @module
 */
import { UsageError } from "../../shared/cli/program.ts";
import { whyUnusable } from "../../shared/files/why_unusable.ts";
import { isServerName, NAME_RULE } from "../../shared/registration/server_name.ts";
import type { FleetValues } from "./fleet_options.ts";

/** A file of names is read in one go: 100,000 short ones. */
const MAX_FILE_BYTES = 2 << 20;

/** Where the names come from. */
export interface TargetSources {
  /** As they stand in the command line. */
  readonly names: readonly string[];
  /** Is there a `-l`? */
  readonly selected: boolean;
  /** Asks the hub, for `--all` and `-l`: a server that is away is meant too. */
  readonly listed: () => Promise<readonly string[]>;
  /** Reads standard input to its end, for `--from-file -`. */
  readonly stdin: () => Promise<string>;
}

/** What was chosen. */
export interface Targets {
  /** In the order in which they were given; the hub's are sorted. */
  readonly names: readonly string[];
  /** Of `--exclude`, those that were not meant anyway: perhaps misspelt. */
  readonly idle: readonly string[];
}

/** @throws {UsageError} If two ways to choose are mixed, or a name cannot be one. */
export async function chooseTargets(values: FleetValues, sources: TargetSources): Promise<Targets> {
  const { allServers, fromFile, exclude } = values;
  const ways = [
    sources.names.length > 0 ? "names" : undefined,
    sources.selected ? "-l" : allServers ? "--all" : undefined,
    fromFile !== undefined ? "--from-file" : undefined,
  ].filter((way) => way !== undefined);
  if (ways.length > 1) {
    throw new UsageError(`Servers are chosen in two ways: ${ways.join(" and ")}`, {
      hint: "Use one of them, and --exclude NAME to leave servers out",
    });
  }
  const names = fromFile !== undefined
    ? namesIn(fromFile === "-" ? await sources.stdin() : await readFile(fromFile), fromFile)
    : sources.selected || allServers
    ? await sources.listed()
    : sources.names;
  for (const name of names) checkName(name);
  const all = new Set(names);
  const idle = exclude.filter((name) => !all.delete(name));
  return { names: [...all], idle };
}

function checkName(name: string): void {
  // An empty variable of a script must not become "the only server".
  if (isServerName(name)) return;
  throw new UsageError(`"${name}" is not a server's name: it must be ${NAME_RULE}`, {
    hint: 'All servers: "gclient hub servers"',
  });
}

/** One name a line; `#` begins a comment. */
function namesIn(text: string, source: string): string[] {
  const lines = text.split("\n").map((line) => line.replace(/#.*/, "").trim());
  const names = lines.filter((line) => line !== "");
  const bad = lines.findIndex((line) => line !== "" && !isServerName(line));
  if (bad < 0) return names;
  throw new UsageError(
    `${source === "-" ? "stdin" : source}:${bad + 1}: "${lines[bad]}" is not a server's name`,
    { hint: "Write one name a line" },
  );
}

async function readFile(path: string): Promise<string> {
  try {
    const { size } = await Deno.stat(path);
    if (size > MAX_FILE_BYTES) throw new Error(`it has more than ${MAX_FILE_BYTES} bytes`);
    return await Deno.readTextFile(path);
  } catch (error) {
    throw new UsageError(`Cannot read the servers' names in "${path}": ${whyUnusable(error)}`, {
      cause: error,
    });
  }
}
