/**
 * `ghub audit`: shows that an audit is whole.
 *
 * @module
 */
import { UsageError } from "../../shared/cli/program.ts";
import { defineCommand } from "../../shared/cli/command.ts";
import { UnreadableAuditError } from "../audit/lines.ts";
import { BrokenAuditError, verifyAudit } from "../audit/verify.ts";

/** The chain holds, but the hub itself says that lines are missing. */
const LINES_MISSING = 3;

const verify = defineCommand({
  name: "verify",
  summary: "Checks whether a line of an audit was changed or removed",
  description: "Reads the files of one audit as one chain, in whatever order they are given. It " +
    "cannot see by itself that the last lines were taken away: give it a head that it printed " +
    "earlier, and that you have noted elsewhere.",
  examples: [
    "ghub audit verify audit.jsonl*",
    "ghub audit verify audit.jsonl* --head sha256:1a48…",
  ],
  notes:
    "Exit codes: 0 the chain holds, 1 it does not, 2 it could not be checked, 3 it holds but the hub " +
    "says that it could not write some lines. Refusals of strangers that have one line together " +
    "are counted; none of them is missing.",
  args: [{ name: "files", summary: "The files of the audit", many: true, complete: "file" }],
  options: {
    head: {
      flag: "--head",
      value: "HASH",
      parse: parseHead,
      help: "A head that was printed earlier: the chain must go through it",
    },
  },
  run: async ({ args, io, options }) => {
    try {
      const { lines, dropped, summed, from, to, whole, head } = await verifyAudit(args, options);
      const span = lines === 0 ? "" : ` from ${from} to ${to}`;
      await io.stdout.write(`${lines} lines${span}\nhead sha256:${head}\n`);
      if (!whole && lines > 0) {
        await io.stderr.write("note: older lines are not among these files\n");
      }
      if (summed > 0) {
        await io.stderr.write(`note: ${summed} refusals of strangers are told in sums\n`);
      }
      if (dropped === 0) return 0;
      await io.stderr.write(
        `warning: the hub says that it could not write ${dropped} more lines\n`,
      );
      return LINES_MISSING;
    } catch (error) {
      if (error instanceof UnreadableAuditError) throw new UsageError(error.message);
      if (!(error instanceof BrokenAuditError)) throw error;
      await io.stderr.write(`error: The audit is broken: ${error.message}\n`);
      return 1;
    }
  },
});

function parseHead(text: string): string {
  const hash = /^(?:sha256:)?([0-9a-f]{64})$/.exec(text)?.[1];
  if (hash === undefined) {
    throw new UsageError(`"${text}" is not the head of an audit`, {
      hint: "Write sha256: and 64 hex digits, as ghub audit verify has printed them",
    });
  }
  return hash;
}

/** The group of commands. */
export const auditCommand = defineCommand({
  name: "audit",
  summary: "Checks the audit",
  commands: [verify],
});
