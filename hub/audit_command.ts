/**
 * `ghub audit`: shows that an audit is whole.
 *
 * @module
 */
import { defineCommand } from "../shared/cli/program.ts";
import { BrokenAuditError, verifyAudit } from "./audit_verify.ts";

const verify = defineCommand({
  name: "verify",
  summary: "Shows that no line of an audit was changed or taken out",
  description: "Reads the files of one audit as one chain, in whatever order they are given. It " +
    "cannot see that the last lines were taken away: compare the head with one noted elsewhere.",
  examples: ["ghub audit verify audit.jsonl*"],
  notes: "Exit codes: 0 the chain holds, 1 it does not.",
  args: [{ name: "files", summary: "The files of the audit", many: true, complete: "file" }],
  run: async ({ args, io }) => {
    try {
      const { lines, dropped, from, to, whole, head } = await verifyAudit(args);
      await io.stdout.write(`${lines} lines from ${from} to ${to}\nhead sha256:${head}\n`);
      if (!whole && lines > 0) {
        await io.stderr.write("note: older lines are not among these files\n");
      }
      if (dropped > 0) {
        await io.stderr.write(`note: the hub says that it could not write ${dropped} more lines\n`);
      }
      return 0;
    } catch (error) {
      if (!(error instanceof BrokenAuditError)) throw error;
      await io.stderr.write(`error: The audit is broken: ${error.message}\n`);
      return 1;
    }
  },
});

/** The group of commands. */
export const auditCommand = defineCommand({
  name: "audit",
  summary: "Checks the audit",
  commands: [verify],
});
