/**
 * The folder in which a program keeps what must survive its restart. Somebody who could change it, or
 * put another one in its place, could give us keys, tokens and configuration of theirs.
 *
 * | what                       | belongs to       | others may                                          |
 * | -------------------------- | ---------------- | --------------------------------------------------- |
 * | the folder                 | us               | not change it                                       |
 * | each folder above it       | root, or us      | not change it, or only add to it (sticky: `/tmp`)   |
 * | a symbolic link on the way | root, or us      | is followed, and its target is looked at as well    |
 *
 * A link of somebody else is never followed. One of root's is how systemd gives `DynamicUser=` its
 * folder (`/var/lib/ghub` leads to `private/ghub`), and how some machines spell `/var`.
 *
 * @module
 */
import { dirname, isAbsolute, join, resolve } from "node:path";
import { lstatOf } from "./file_info.ts";
import { folderFault } from "./modes.ts";
import { whyUnusable } from "./why_unusable.ts";

/** As many links as Linux follows in one path (`MAXSYMLINKS`). */
const MAX_LINKS = 40;
const STICKY = 0o1000;
const GROUP_WRITES = 0o020;
const OTHERS_WRITE = 0o002;
const ROOT = 0;

/**
 * Makes the folder, for its owner only, or makes sure of one that is there.
 *
 * @throws {Error} If it cannot be made, or somebody else could change it.
 */
export function openStateFolder(path: string): void {
  let fault: string | undefined;
  try {
    fault = faultOf(path, { make: true });
  } catch (cause) {
    throw new Error(`Cannot make state folder ${path}: ${whyUnusable(cause)}`, { cause });
  }
  if (fault !== undefined) throw new Error(`Cannot use state folder ${path}: ${fault}`);
}

/**
 * Makes sure of a folder that is there, for a program that may only read.
 *
 * @returns Whether it is there.
 * @throws {Error} If somebody else could change it.
 */
export function findStateFolder(path: string): boolean {
  if (lstatOf(path) === undefined) return false;
  const fault = faultOf(path, { make: false });
  if (fault !== undefined) throw new Error(`Cannot use state folder ${path}: ${fault}`);
  return true;
}

/** @returns Why it cannot be relied on. */
function faultOf(path: string, { make }: { readonly make: boolean }): string | undefined {
  if (Deno.build.os === "windows") {
    if (make) Deno.mkdirSync(path, { recursive: true });
    return undefined;
  }
  const own = ownUid();
  const whole = resolve(path);
  const above = wayFault(dirname(whole), own);
  if (above !== undefined) return above;
  // All that is there above it is good: what is made below belongs to us.
  if (make) Deno.mkdirSync(whole, { recursive: true, mode: 0o700 });
  const linkFault = wayFault(whole, own);
  if (linkFault !== undefined) return linkFault;
  const { uid, mode } = Deno.statSync(whole);
  if (uid !== own) {
    return `it belongs to user ${uid}, not to user ${own} who runs this; name another folder, or ` +
      `run: chown ${own} ${path}`;
  }
  return folderFault({ mode }, path);
}

/** Looks at each part of a path that is there, from the root on. */
function wayFault(path: string, own: number | null): string | undefined {
  const parts = path.split("/").filter((part) => part !== "");
  let at = "/";
  let links = 0;
  while (parts.length > 0) {
    const here = join(at, parts.shift()!);
    const info = lstatOf(here);
    if (info === undefined) return undefined; // and nothing below it
    if (info.uid !== ROOT && info.uid !== own) {
      return `${here} belongs to user ${info.uid}, who could put another folder there`;
    }
    if (info.isSymlink) {
      if (++links > MAX_LINKS) return `${here} is a symbolic link that leads round in circles`;
      const target = Deno.readLinkSync(here);
      parts.unshift(...target.split("/").filter((part) => part !== "" && part !== "."));
      if (isAbsolute(target)) at = "/";
      continue;
    }
    // What is last is looked at by its own rules.
    if (parts.length > 0 && isOpen(info, own)) {
      return `others may change ${here}; run: chmod go-w ${here}`;
    }
    at = here;
  }
  return undefined;
}

/** Others could take away what lies in it, and put something else there. */
function isOpen({ mode, uid, gid }: Deno.FileInfo, own: number | null): boolean {
  if (mode === null || (mode & STICKY) !== 0) return false;
  if ((mode & OTHERS_WRITE) !== 0) return true;
  // A group of one: many machines make one for each user, and let it write.
  const isOwnGroup = own !== null && uid === own && gid === own;
  return (mode & GROUP_WRITES) !== 0 && gid !== ROOT && !isOwnGroup;
}

let known: number | null | undefined;

/** Asked for once: a program may give the right to ask back. */
function ownUid(): number | null {
  return known === undefined ? known = Deno.uid() : known;
}
