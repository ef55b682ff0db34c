/**
 * Whether a file may be relied on, by its mode and its owner. Each check gives the reason why not,
 * to be put after the file's name.
 *
 * | what      | may be read by                                  | may be changed by |
 * | --------- | ----------------------------------------------- | ----------------- |
 * | a secret  | its owner                                       | its owner         |
 * | a TLS key | its owner; if that is root, its group as well   | its owner         |
 * | rules     | anybody                                         | us, or root       |
 * | a folder  | anybody                                         | its owner         |
 *
 * @module
 */

/** What must be known of a file. */
export type Owned = Pick<Deno.FileInfo, "mode" | "uid">;

const GROUP_AND_OTHERS = 0o077;
/** Keys that several programs use lie so: `root:ssl-cert`, 0640. */
const ALL_BUT_GROUP_READS = 0o037;
const WRITES = 0o022;
const ROOT = 0;

export function secretFault({ mode }: Owned, path: string): string | undefined {
  return has(mode, GROUP_AND_OTHERS) ? `others may read it; run: chmod 600 ${path}` : undefined;
}

export function keyFault({ mode, uid }: Owned, path: string): string | undefined {
  const others = uid === ROOT ? ALL_BUT_GROUP_READS : GROUP_AND_OTHERS;
  return has(mode, others) ? `others may read it; run: chmod 600 ${path}` : undefined;
}

export function rulesFault({ mode, uid }: Owned, path: string): string | undefined {
  const fault = folderFault({ mode }, path);
  if (fault !== undefined) return fault;
  if (uid === null || uid === ROOT || uid === ownUid()) return undefined;
  return `it belongs to user ${uid}, who could change it`;
}

export function folderFault({ mode }: Pick<Owned, "mode">, path: string): string | undefined {
  return has(mode, WRITES) ? `others may change it; run: chmod go-w ${path}` : undefined;
}

let known: number | null | undefined;

/** Asked for once: a program may give the right to ask back. */
function ownUid(): number | null {
  return known === undefined ? known = Deno.uid() : known;
}

/** Windows has other ways to say who may do what. */
function has(mode: number | null, bits: number): boolean {
  return mode !== null && Deno.build.os !== "windows" && (mode & bits) !== 0;
}
