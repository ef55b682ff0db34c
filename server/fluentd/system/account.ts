/**
 * A user of this machine, from wherever it keeps them (`getent`: files, LDAP, systemd's own).
 *
 * @module
 */
import { run, type WaitOptions } from "./run.ts";

const LOOKUP_TIMEOUT_MS = 10_000;

export interface UserAccount {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
  readonly shell: string;
}

/**
 * The user with this name or number.
 *
 * @returns `undefined` if there is none now: a `DynamicUser=` exists only while its service runs.
 */
export async function accountOf(
  user: string,
  { signal }: WaitOptions,
): Promise<UserAccount | undefined> {
  const text = await output(["getent", "--", "passwd", user], signal);
  const [name = "", , uid, gid, , home = "", shell = ""] = text.trimEnd().split(":");
  return name === "" ? undefined : { name, uid: Number(uid), gid: Number(gid), home, shell };
}

/** Numbers of all groups of a user. */
export async function groupsOf(user: string, { signal }: WaitOptions): Promise<number[]> {
  const text = await output(["id", "-G", "--", user], signal);
  return text.trim().split(/\s+/).filter((word) => word !== "").map(Number);
}

/** The number of a group with this name or number. */
export async function groupIdOf(
  group: string,
  { signal }: WaitOptions,
): Promise<number | undefined> {
  const text = await output(["getent", "--", "group", group], signal);
  const [, , gid] = text.split(":");
  return gid === undefined ? undefined : Number(gid);
}

/** Empty where there is no such user, or no such command. */
async function output(argv: readonly string[], signal: AbortSignal): Promise<string> {
  try {
    const { code, stdout } = await run(argv, { timeoutMs: LOOKUP_TIMEOUT_MS, signal });
    return code === 0 ? stdout : "";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}
