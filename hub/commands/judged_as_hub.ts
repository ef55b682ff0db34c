/**
 * What a hub makes of an auth file, in addition to what it says: enrolled servers have their own tokens
 * as well, and loopback may prove nothing. `ghub auth check` and `dry-run` judge by
 * it, so that they say what the hub would do.
 *
 * @module
 */
import type { Env } from "../../shared/cli/command.ts";
import type { AuthFile, ServerEntry } from "../auth/auth_file.ts";
import { enrolledNames, readEnrolled } from "../auth/enrolment.ts";
import { type LoopbackChoice, loopbackTrust } from "../auth/loopback_trust.ts";
import { commandStateDir, existingStateDir, stateDirOption } from "./command_state_dir.ts";
import { isThere } from "./serve_config.ts";
import { options } from "./serve_options.ts";

/** Options of the commands that judge as a hub would. */
export const hubOptions = {
  stateDir: {
    ...stateDirOption,
    help: "Where the hub keeps its state: enrolled servers count too",
  },
  trustLoopback: {
    ...options.trustLoopback,
    group: "Options",
    help: "As for serve: whether the hub accepts connections from 127.0.0.1 without a token",
  },
} as const;

export interface HubValues {
  readonly stateDir: string | undefined;
  readonly trustLoopback: LoopbackChoice;
}

/** What of a hub counts in addition to its auth file. */
export interface HubAround {
  readonly enrolled: readonly ServerEntry[];
  readonly trustLoopback: boolean;
  /** What the hub would complain of. */
  readonly faults: readonly string[];
}

/** @throws {UsageError} If a folder is named in which no hub has kept its state. */
export function hubAround({ stateDir, trustLoopback }: HubValues, env: Env): HubAround {
  const { trusted } = loopbackTrust(trustLoopback, { env, exists: isThere, isReachable: false });
  const folder = stateDir === undefined ? commandStateDir(env) : existingStateDir(stateDir, env);
  const enrolled: ServerEntry[] = [];
  const faults: string[] = [];
  const attempt = <T>(act: () => T): T | undefined => {
    try {
      return act();
    } catch (error) {
      faults.push((error as Error).message);
      return undefined;
    }
  };
  for (const name of attempt(() => folder === undefined ? [] : enrolledNames(folder)) ?? []) {
    const one = attempt(() => readEnrolled(folder!, name));
    if (one !== undefined) enrolled.push(one.entry);
  }
  return { enrolled, trustLoopback: trusted, faults };
}

/** An auth file as such a hub means it. Enrolled servers come first: their tokens are asked first. */
export function asHubMeans(file: AuthFile, { enrolled, trustLoopback }: HubAround): AuthFile {
  return {
    ...file,
    allowLoopback: file.allowLoopback && trustLoopback,
    servers: [...enrolled, ...file.servers],
  };
}
