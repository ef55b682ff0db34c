/**
 * The flags that say which servers are meant, and how to go about many of them.
 *
 * @module
 */
import { count } from "../../shared/cli/parse_count.ts";
import { DURATION } from "../../shared/cli/parse_duration.ts";
import type { Options, OptionValues } from "../../shared/cli/program.ts";
import { formatShare, parseShare, parseSomeShare, type Share } from "./share.ts";

const group = "Many servers";

/** Servers that are called at the same time, unless told otherwise. */
const DEFAULT_PARALLEL: Share = { amount: 10, unit: "servers" };

export const fleetOptions = {
  allServers: {
    flag: "--all",
    help: "Calls all servers that the hub knows; one that is away counts as failed",
    perRun: true,
    group,
  },
  fromFile: {
    flag: "--from-file",
    value: "FILE",
    help: "Calls the servers that this file names, one a line; - is standard input",
    complete: "file",
    perRun: true,
    group,
  },
  exclude: {
    flag: "--exclude",
    value: "NAME",
    many: true,
    help: "Leaves this server out",
    perRun: true,
    group,
  },
  parallel: {
    flag: "--parallel",
    value: "N|N%",
    parse: parseSomeShare,
    show: formatShare,
    default: DEFAULT_PARALLEL,
    help: "The most servers that are called at the same time",
    group,
  },
  canary: {
    flag: "--canary",
    ...count({ from: 0, to: 100_000 }),
    value: "N",
    default: 0,
    help: "Calls N servers first, and the others only when all of these went well",
    group,
  },
  maxFailures: {
    flag: "--max-failures",
    value: "N|N%",
    parse: parseShare,
    show: formatShare,
    default: { amount: 100, unit: "percent" } satisfies Share,
    help: "Calls no more servers once more than these have failed",
    group,
  },
  perTargetTimeoutMs: {
    flag: "--per-target-timeout",
    ...DURATION,
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
    perRun: true,
    group,
  },
  dryRun: {
    flag: "--dry-run",
    help: "Prints for each server the request that it would get, and calls none of them",
    perRun: true,
    group,
  },
  logDir: {
    flag: "--log-dir",
    value: "FOLDER",
    help: "Also writes NAME.stdout and NAME.stderr, hosts.succeeded and hosts.failed there",
    complete: "directory",
    group,
  },
  yes: {
    flag: "--yes",
    short: "-y",
    help: "Does not ask before it changes several servers, or stops one",
    perRun: true,
    group,
  },
} as const satisfies Options;

export type FleetValues = OptionValues<typeof fleetOptions>;
