/**
 * All checks of a hub's machine, in the order in which a person would go through them: what is
 * configured, what lies on disk, who listens, what lies around it.
 *
 * @module
 */
import type { Context } from "../../../shared/cli/command.ts";
import { CONFIG_KEY } from "../../../shared/cli/option.ts";
import { UsageError } from "../../../shared/cli/usage_error.ts";
import type { Check, Finding } from "../../../shared/doctor/check.ts";
import { concludeDoctor, type doctorOptions, examineAloud } from "../../../shared/doctor/doctor.ts";
import { rulesFault } from "../../../shared/files/modes.ts";
import type { OptionValues } from "../../../shared/cli/option.ts";
import { commandStateDir } from "../command_state_dir.ts";
import { toConfig } from "../serve_config.ts";
import type { ServeValues } from "../serve_options.ts";
import { clusterChecks } from "./cluster_checks.ts";
import { fileChecks } from "./file_checks.ts";
import { machineChecks } from "./machine_checks.ts";
import { portChecks } from "./port_checks.ts";
import type { ExaminedHub } from "./examined_hub.ts";
import { StateLook } from "./state_look.ts";

/** @returns The exit code. */
export async function examineHub(
  context: Pick<Context, "env" | "io" | "signal" | "given"> & {
    readonly options: ServeValues & OptionValues<typeof doctorOptions>;
  },
): Promise<number> {
  const { options, env, io, signal, given } = context;
  // Named: a folder that nobody names would be made and written to.
  const stateDir = options.stateDir ?? commandStateDir(env);
  const values: ServeValues = { ...options, stateDir };
  const hub: ExaminedHub = { values, env, state: new StateLook(stateDir), signal };
  const config = given[CONFIG_KEY] ?? env["GHUB_CONFIG"];
  const checks: Check[] = [
    {
      name: "config",
      run: () => Promise.resolve(typeof config === "string" ? configFinding(config) : undefined),
    },
    { name: "options", run: () => optionsFinding(hub), remedy: hintOf },
    ...fileChecks(hub),
    ...portChecks(hub),
    ...machineChecks(hub),
    ...await clusterChecks(hub),
  ];
  const checked = await examineAloud(checks, io, options);
  return concludeDoctor(checked, { program: "ghub", bundle: options.bundle, context });
}

/** It was read already: what is wrong in it ends the program before. */
function configFinding(path: string): Finding {
  const fault = rulesFault(Deno.statSync(path), path);
  if (fault === undefined) return { text: `${path} can be used` };
  return { level: "warn", text: `${path}: ${fault}`, remedy: "Let root alone change it" };
}

async function optionsFinding({ values, env }: ExaminedHub): Promise<Finding> {
  try {
    const { warnings: [...warnings] } = await toConfig(values, env);
    if (warnings.length === 0) return { text: "they fit together" };
    return { level: "warn", text: warnings.join("; ") };
  } catch (error) {
    if (error instanceof UsageError) throw error;
    // A file, which has a check of its own.
    return { level: "warn", text: `they cannot be judged to their end: ${messageOf(error)}` };
  }
}

function hintOf(error: unknown): string {
  const hint = error instanceof UsageError ? error.hint : undefined;
  return hint ?? "Change the options: ghub serve --help tells of each";
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
