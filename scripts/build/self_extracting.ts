/**
 * Writes a program as one self-extracting executable, for machines on which the base runtime of
 * `deno compile` cannot be had:
 *
 *     launcher.sh, filled in · the program, gzip · the deno binary, gzip
 *
 * `docs/decisions/0007-self-extracting-executables.md` tells how a start works and what it checks.
 *
 * @module
 */
import { gzipSync } from "node:zlib";

/** What `uname -sm` says on a target's machines. Windows has no `sh`, so it is not among them. */
export const MACHINES: Readonly<Record<string, string>> = {
  "x86_64-unknown-linux-gnu": "Linux x86_64",
  "aarch64-unknown-linux-gnu": "Linux aarch64",
  "x86_64-apple-darwin": "Darwin x86_64",
  "aarch64-apple-darwin": "Darwin arm64",
};

/** A deno binary, compressed once for all programs of a build. */
export interface PackedDeno {
  readonly version: string;
  readonly target: string;
  /** SHA-256 of the binary, hexadecimal. */
  readonly sum: string;
  readonly packed: Uint8Array;
}

/** What a program is made of. */
export interface SelfExtractingOptions {
  readonly name: string;
  readonly version: string;
  /** The program as one JavaScript module without imports other than `node:`. */
  readonly bundle: Uint8Array;
  /** Flags of `deno run`: letters, digits and `-=,` only. */
  readonly flags: readonly string[];
  readonly deno: PackedDeno;
}

/** Enough of a SHA-256 to never meet twice in a folder, short enough for people. */
const SHORT_SUM = 16;
/** The header holds its own length; a few rounds settle how many digits that takes. */
const MAX_ROUNDS = 5;

/** Reads and compresses a deno binary. Takes some seconds. */
export async function packDeno(
  path: string,
  about: { version: string; target: string },
): Promise<PackedDeno> {
  const bytes = await Deno.readFile(path);
  return { ...about, sum: await sha256(bytes), packed: gzipSync(bytes, { level: 6 }) };
}

/** The bytes of the executable file. */
export async function selfExtracting(options: SelfExtractingOptions): Promise<Uint8Array> {
  const { name, version, bundle, flags, deno } = options;
  const machine = MACHINES[deno.target];
  if (machine === undefined) {
    throw new Error(`Cannot make a self-extracting executable for ${deno.target}`);
  }
  for (const word of [name, version, deno.version, ...flags]) {
    if (!/^[\w.,=+-]+$/.test(word)) throw new TypeError(`Cannot put "${word}" into a shell script`);
  }
  const template = await Deno.readTextFile(new URL("./launcher.sh", import.meta.url));
  const program = gzipSync(bundle, { level: 9 });
  const programSum = await sha256(bundle);
  // The flags belong to what a folder is named after: other permissions are another program.
  const id = await sha256(new TextEncoder().encode([programSum, deno.sum, ...flags].join(" ")));
  const words: Record<string, string | number> = {
    NAME: name,
    VERSION: version,
    TARGET: deno.target,
    MACHINE: machine,
    FLAGS: flags.join(" "),
    PROGRAM: `${name}-${id.slice(0, SHORT_SUM)}`,
    PROGRAM_SIZE: program.length,
    PROGRAM_SUM: programSum,
    DENO: `deno-${deno.version}-${deno.sum.slice(0, SHORT_SUM)}`,
    DENO_VERSION: deno.version,
    DENO_SIZE: deno.packed.length,
    DENO_SUM: deno.sum,
  };
  const header = settle(template, words, [program.length, deno.packed.length]);
  const file = new Uint8Array(header.length + program.length + deno.packed.length);
  file.set(header);
  file.set(program, header.length);
  file.set(deno.packed, header.length + program.length);
  return file;
}

/** Fills in the header, which tells where in the file the parts after it begin. */
function settle(
  template: string,
  words: Record<string, string | number>,
  [programSize, denoSize]: [number, number],
): Uint8Array {
  let length = template.length;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const places: Record<string, string | number> = {
      ...words,
      PROGRAM_AT: length + 1, // `tail -c +N` counts from 1
      DENO_AT: length + programSize + 1,
      FILE_SIZE: length + programSize + denoSize,
    };
    const text = template.replace(/@([A-Z_]+)@/g, (_, word) => String(places[word]));
    const header = new TextEncoder().encode(text);
    if (header.length === length) return header;
    length = header.length;
  }
  throw new Error("Cannot fill in launcher.sh: its length does not settle");
}

async function sha256(bytes: Uint8Array): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes as BufferSource)).toHex();
}
