/**
 * `gserver policy`: checks a policy file before it is put in place.
 *
 * @module
 */
import { atOnce } from "../../shared/async/steps.ts";
import { defineCommand } from "../../shared/cli/command.ts";
import type { Glob } from "../../shared/rules/glob.ts";
import { loadPolicy, type Policy } from "../policy/policy_file.ts";

const check = defineCommand({
  name: "check",
  summary: "Tells what is wrong with a policy file, or what it means",
  description:
    "Reads a policy file as gserver serve --policy-file does. Nothing is changed and no " +
    "hub is asked.",
  examples: ["gserver policy check policy.yaml"],
  notes: "Exit codes: 0 it can be used, 1 it cannot.",
  args: [{ name: "file", summary: "The policy file", complete: "file" }],
  run: async ({ args: [path = ""], io }) => {
    const { policy } = atOnce(loadPolicy(path));
    await io.stdout.write(describe(path, policy));
    for (const warning of warningsOf(policy)) await io.stderr.write(`warning: ${warning}\n`);
    return 0;
  },
});

/** The group of commands. */
export const policyCommand = defineCommand({
  name: "policy",
  summary: "Checks policy files",
  commands: [check],
});

function describe(path: string, { rules }: Policy): string {
  const lines = [`${path} can be used.`];
  if (!rules.some(({ effect }) => effect === "allow")) lines.push("Nobody may call anything.");
  for (const { effect, operators, by, upstreams, methods } of rules) {
    const own = effect === "allow" ? "this server" : "this server and its upstreams";
    const where = upstreams === undefined ? own : `upstreams ${shown(upstreams)}`;
    const how = by.length === 0 ? "" : `, known by ${by.join(" or ")}`;
    lines.push(`${effect} ${shown(operators)}${how}: ${shown(methods)} of ${where}`);
  }
  return lines.join("\n") + "\n";
}

/** What is allowed, and yet hardly meant. */
function warningsOf({ rules }: Policy): string[] {
  const isAnybody = ({ operators, by }: Policy["rules"][number]) =>
    by.length === 0 && operators.some(({ pattern }) => pattern === "*" || pattern === "**");
  return rules.filter((rule) => rule.effect === "allow" && isAnybody(rule)).map(({ methods }) =>
    `a rule allows ${shown(methods)} to every operator, so that any token of the hub will do`
  );
}

function shown(globs: readonly Glob[]): string {
  return globs.map(({ pattern }) => pattern).join(" ");
}
