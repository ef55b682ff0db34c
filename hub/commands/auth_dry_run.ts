/**
 * `ghub auth dry-run`: what would change if an auth file were put in place.
 *
 * @module
 */
import { atOnce } from "../../shared/async/steps.ts";
import { defineCommand } from "../../shared/cli/command.ts";
import { quote } from "../../shared/text/quote.ts";
import { type Change, type DryRun, type Group, replayAudit } from "./dry_run/replay.ts";
import { loadAuthFile } from "../auth/watched_auth.ts";
import { asHubMeans, hubAround, hubOptions } from "./judged_as_hub.ts";

/** Groups of one kind that are shown; the rest is counted. */
const MAX_SHOWN = 20;

/** Exit codes other than 0, for scripts that put a file in place only if nothing changes. */
const EXIT_CHANGES = 3;
const EXIT_UNKNOWN = 4;

const HEADS: readonly (readonly [Change, string])[] = [
  ["refused", "would be refused, and was not"],
  ["allowed", "would be allowed, and was refused"],
  ["unknown", "cannot be told"],
];

export const dryRunCommand = defineCommand({
  name: "dry-run",
  summary: "Tells what a new auth file would have changed, from the audit",
  description:
    "Reads the audit and tells which of its calls and registrations would be refused or " +
    "newly allowed if the new auth file were in force. Nothing is changed and no hub is asked. " +
    "The audit holds names and no credentials, so each name is looked up in the new file. To see " +
    "changed credentials too, give the auth file that is in force with --auth-file. " +
    "Enrolled servers (ghub enroll) count as they do for the hub, whatever the file says. " +
    "If the audit does not hold what a rule needs, the command says so.",
  examples: [
    "ghub auth dry-run new.yaml audit.jsonl*",
    "ghub auth dry-run new.yaml audit.jsonl* --auth-file auth.yaml && mv new.yaml auth.yaml",
  ],
  notes: "Exit codes: 0 nothing would change, 1 a file cannot be used, 2 wrong command line,\n" +
    "3 something would change, 4 no change is certain, but the audit does not tell enough of all lines.",
  args: [
    { name: "new", summary: "The auth file to try", complete: "file" },
    { name: "audit", summary: "The files of the audit", many: true, complete: "file" },
  ],
  options: {
    authFile: {
      flag: "--auth-file",
      value: "FILE",
      help: "The auth file that is in force, to compare credentials with",
      complete: "file",
    },
    ...hubOptions,
  },
  run: async ({ args: [path = "", ...logs], options, io, env }) => {
    const around = hubAround(options, env);
    for (const fault of around.faults) await io.stderr.write(`warning: ${fault}\n`);
    const load = (name: string) => asHubMeans(atOnce(loadAuthFile(name)).file, around);
    const file = load(path);
    const old = options.authFile === undefined ? undefined : load(options.authFile);
    const result = await replayAudit(logs, { file, old });
    const { badLines, badCount, dropped, counts } = result;
    await io.stdout.write(textOf(result));
    for (const line of badLines) await io.stderr.write(`warning: ${line}\n`);
    if (badCount > badLines.length) {
      await io.stderr.write(`warning: ${badCount - badLines.length} more lines cannot be read\n`);
    }
    if (dropped > 0) {
      await io.stderr.write(`warning: the hub could not write ${dropped} more lines\n`);
    }
    if (old === undefined) {
      await io.stderr.write(
        "note: credentials are taken to be as before: --auth-file compares them\n",
      );
    }
    if (counts.refused + counts.allowed > 0) return EXIT_CHANGES;
    return counts.unknown + badCount + dropped > 0 ? EXIT_UNKNOWN : 0;
  },
});

function textOf(result: DryRun): string {
  const { files, lines, from, to, counts, groups, ungrouped } = result;
  const span = lines === 0 ? "" : ` from ${from} to ${to}`;
  const text = [`${lines} calls and registrations in ${files} files${span}`];
  text.push(`no change: ${counts.unchanged}`);
  for (const [change, head] of HEADS) {
    if (counts[change] === 0) continue;
    text.push("", `${head}: ${counts[change]}`);
    const own = groups.filter((group) => group.change === change);
    text.push(...own.slice(0, MAX_SHOWN).flatMap(linesOf));
    if (own.length > MAX_SHOWN) text.push(`  and ${own.length - MAX_SHOWN} more kinds of them`);
  }
  if (ungrouped > 0) text.push("", `${ungrouped} of these are of yet other kinds`);
  return text.join("\n") + "\n";
}

function linesOf({ kind, who, server, method, reason, count, time, where, id }: Group): string[] {
  const name = who === "" ? "somebody" : quote(who);
  const at = server === "" ? "" : ` of ${quote(server)}`;
  const what = kind === "registration"
    ? `registers ${quote(server)}`
    : kind === "raw"
    ? `opens a raw connection${server === "" ? "" : ` to ${quote(server)}`}`
    : `calls ${quote(method)}${at}`;
  return [
    `  ${count} × ${name} ${what}${reason === "" ? "" : `: ${reason}`}`,
    `      first: ${time} ${where} id ${id}`,
  ];
}
