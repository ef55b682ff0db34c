/**
 * The flags that say which servers are meant, and how to go about many of them.
 *
 * @module
 */
import { parseDuration } from "../../shared/cli/parse_duration.ts";
import { type Options, type OptionValues, UsageError } from "../../shared/cli/program.ts";
import { parseShare, parseSomeShare, type Share } from "./share.ts";

const group = "Many servers";

/** Servers that are called at the same time, unless told otherwise. */
const DEFAULT_PARALLEL: Share = { amount: 10, unit: "servers" };
const MAX_CANARY = 100_000;

export const fleetOptions = {
  allServers: {
    flag: "--all",
    help: "Means all servers that the hub knows; one that is away counts as failed",
    env: false,
    group,
  },
  fromFile: {
    flag: "--from-file",
    value: "FILE",
    help: "Means the servers that stand in this file, one a line; - is standard input",
    complete: "file",
    env: false,
    group,
  },
  exclude: {
    flag: "--exclude",
    value: "NAME",
    many: true,
    help: "Leaves this server out",
    env: false,
    group,
  },
  parallel: {
    flag: "--parallel",
    value: "N|N%",
    parse: parseSomeShare,
    default: DEFAULT_PARALLEL,
    defaultText: "10",
    help: "The most servers that are called at the same time",
    group,
  },
  canary: {
    flag: "--canary",
    value: "N",
    parse: parseCanary,
    default: 0,
    defaultText: "none",
    help: "Calls N servers first, and the others only when all of these went well",
    group,
  },
  maxFailures: {
    flag: "--max-failures",
    value: "N|N%",
    parse: parseShare,
    default: { amount: 100, unit: "percent" } satisfies Share,
    defaultText: "100%",
    help: "Calls no more servers once more than these have failed",
    group,
  },
  perTargetTimeoutMs: {
    flag: "--per-target-timeout",
    value: "DURATION",
    parse: parseDuration,
    help: "Time for the call of each server; --timeout is for all of them together",
    group,
  },
  ordered: {
    flag: "--ordered",
    help: "Prints in the order of the servers, and not as they answer",
    group,
  },
  listTargets: {
    flag: "--list-targets",
    help: "Prints the names of the servers that are meant, and calls none of them",
    env: false,
    group,
  },
  dryRun: {
    flag: "--dry-run",
    help: "Prints for each server the request that it would get, and calls none of them",
    env: false,
    group,
  },
  logDir: {
    flag: "--log-dir",
    value: "DIR",
    help: "Also writes NAME.stdout and NAME.stderr, hosts.succeeded and hosts.failed there",
    complete: "directory",
    group,
  },
  yes: {
    flag: "--yes",
    short: "-y",
    help: "Does not ask before it changes several servers, or stops one",
    env: false,
    group,
  },
} as const satisfies Options;

export type FleetValues = OptionValues<typeof fleetOptions>;

function parseCanary(text: string): number {
  if (/^\d{1,6}$/.test(text) && Number(text) <= MAX_CANARY) return Number(text);
  throw new UsageError(`"${text}" is not a number of servers`);
}
