/**
 * What a person should know although Fluentd runs: sentences with a code, in every answer.
 *
 * @module
 */
import type { ConfigFacts } from "../config/reader.ts";
import { type FailingOutput, FAILURES_IN_A_ROW } from "./delivery.ts";
import type { LogFacts } from "../log/story.ts";
import { tailOf } from "../log/tail.ts";
import { adviseElsewhere, describeElsewhere, type Elsewhere } from "./running_elsewhere.ts";

/** Codes of warnings; docs/fluentd.md explains each. */
export type WarningCode =
  | "CHUNKS_DROPPED"
  | "CHUNKS_IN_BACKUP"
  | "DISK_FULL"
  | "INCLUDE_MATCHES_NOTHING"
  | "LOG_UNREADABLE"
  | "MONITOR_ELSEWHERE"
  | "NO_OUTPUT"
  | "NO_SOURCE"
  | "OUTPUT_FAILING"
  | "RELOAD_REFUSED"
  | "RUNNING_ELSEWHERE"
  | "UNUSED_PARAMETER"
  | "WORKER_DIED";

export interface Warning {
  readonly code: WarningCode;
  readonly message: string;
}

/** Things of one kind that are listed. */
const MAX_LISTED = 5;

/** What warnings are made of. */
export interface WarningInput {
  readonly facts: LogFacts;
  readonly config?: ConfigFacts | undefined;
  readonly failing: readonly FailingOutput[];
  /** Files that we may not read. */
  readonly unreadable: readonly string[];
  /** Files on a full disk. */
  readonly fullDisks: readonly string[];
  /** Why the monitor says nothing, where that is no fault of Fluentd. */
  readonly monitorElsewhere?: string | undefined;
  /** Deaths of workers that are no crash loop. */
  readonly deaths: number;
  /** Others that run although ours does not. */
  readonly elsewhere?: readonly Elsewhere[];
}

/** All that should be known of a Fluentd that runs. */
export function warningsOf(input: WarningInput): Warning[] {
  const { facts, config, failing, unreadable, fullDisks, monitorElsewhere, deaths } = input;
  const { elsewhere = [] } = input;
  const warnings: Warning[] = [];
  const add = (code: WarningCode, things: readonly string[], message: (list: string) => string) => {
    if (things.length > 0) warnings.push({ code, message: message(listed(things)) });
  };
  if (elsewhere.length > 0) {
    const message = `Fluentd runs elsewhere: ${describeElsewhere(elsewhere)}. ` +
      adviseElsewhere(elsewhere);
    warnings.push({ code: "RUNNING_ELSEWHERE", message });
  }
  add("DISK_FULL", fullDisks, (list) => `No space is left on the disk of ${list}`);
  add(
    "OUTPUT_FAILING",
    failing.map(({ name, failures, message }) =>
      `${name} failed ${failures} times in a row` + (message === undefined ? "" : `: ${message}`)
    ),
    (list) => `Events are not delivered: ${list}`,
  );
  add("CHUNKS_DROPPED", facts.dropped, (list) => `Events were lost: ${list}`);
  add(
    "CHUNKS_IN_BACKUP",
    facts.backups,
    (list) => `Events could not be delivered, and were moved to the backup: ${list}`,
  );
  add(
    "RELOAD_REFUSED",
    facts.refused === undefined ? [] : [facts.refused],
    (line) => `The former config still runs, a reload was refused: ${line}`,
  );
  add(
    "WORKER_DIED",
    deaths > 0 ? [String(deaths)] : [],
    (count) => `Workers died ${count} times in the last two minutes`,
  );
  add("MONITOR_ELSEWHERE", monitorElsewhere === undefined ? [] : [monitorElsewhere], (why) => why);
  add(
    "LOG_UNREADABLE",
    unreadable,
    (list) => `This gserver may not read the log: let its user read ${list}, as by a group`,
  );
  add(
    "INCLUDE_MATCHES_NOTHING",
    config?.emptyIncludes ?? [],
    (list) => `An @include matches no file: ${list}`,
  );
  if (config?.sources === 0) {
    warnings.push({
      code: "NO_SOURCE",
      message: `${config.path} has no <source>: nothing comes in`,
    });
  }
  if (config?.outputs.length === 0) {
    warnings.push({
      code: "NO_OUTPUT",
      message: `${config.path} has no <match>: nothing gets out`,
    });
  }
  add("UNUSED_PARAMETER", facts.unused, (list) => `No plugin reads this in the config: ${list}`);
  // They quote the log and the config, which may hold secrets.
  return warnings.map(({ code, message }) => ({ code, message: tailOf([message])[0] ?? "" }));
}

/** Whether one of these outputs delivers nothing, by more than a hiccup. */
export function cannotDeliver(failing: readonly FailingOutput[]): boolean {
  return failing.some(({ failures }) => failures >= FAILURES_IN_A_ROW);
}

function listed(things: readonly string[]): string {
  const unique = [...new Set(things)];
  const more = unique.length - MAX_LISTED;
  return unique.slice(0, MAX_LISTED).join("; ") + (more > 0 ? `; and ${more} more` : "");
}
