/**
 * A self-extracting executable made from `tiny.ts`, and ways to run and to damage it.
 *
 * @module
 */
import assert from "node:assert/strict";
import { bundle } from "../../scripts/build/bundle.ts";
import { packDeno, type PackedDeno, selfExtracting } from "../../scripts/build/self_extracting.ts";
import { REPOSITORY } from "./process.ts";

const TINY = { name: "tiny", entry: "tests/support/tiny.ts", flags: [] };
const FLAGS = [
  "--no-config",
  "--no-lock",
  "--no-npm",
  "--no-remote",
  "--cached-only",
  "--no-prompt",
  "--allow-env",
  "--allow-read",
];
/** The user that owns nothing. */
export const NOBODY = 65534;
export const IS_ROOT = Deno.uid() === 0;

/** How a run ended and what it wrote. */
export interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** Replaces the whole environment. */
  readonly env?: Record<string, string>;
  readonly stdin?: string | "null";
  readonly uid?: number;
}

/** Runs a command to its end. */
export async function run(command: string, args: string[], options: RunOptions = {}): Promise<Run> {
  const { env, stdin = "null", uid } = options;
  const child = new Deno.Command(command, {
    args,
    cwd: "/",
    ...(env === undefined ? {} : { clearEnv: true, env }),
    ...(uid === undefined ? {} : { uid, gid: uid }),
    stdin: stdin === "null" ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const fed = stdin === "null" ? undefined : new Blob([stdin]).stream().pipeTo(child.stdin);
  const { code, stdout, stderr } = await child.output();
  await fed;
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** The executable and folders around it, all below one temporary folder. */
export class Bed implements AsyncDisposable {
  readonly dir: string;
  readonly tiny: string;
  readonly deno: PackedDeno;
  #folders = 0;

  private constructor(dir: string, deno: PackedDeno) {
    this.dir = dir;
    this.deno = deno;
    this.tiny = `${dir}/tiny`;
  }

  static async make(): Promise<Bed> {
    const about = { version: Deno.version.deno, target: Deno.build.target };
    const bed = new Bed(await Deno.makeTempDir(), await packDeno(Deno.execPath(), about));
    await Deno.chmod(bed.dir, 0o755);
    await Deno.writeFile(bed.tiny, await bed.build(), { mode: 0o755 });
    return bed;
  }

  async build(deno: PackedDeno = this.deno): Promise<Uint8Array> {
    const options = { name: "tiny", version: "0.1.0", flags: FLAGS, deno };
    return await selfExtracting({ ...options, bundle: await bundle(TINY, REPOSITORY) });
  }

  /** A new empty folder. */
  async folder(mode = 0o755): Promise<string> {
    const path = `${this.dir}/${++this.#folders}`;
    await Deno.mkdir(path);
    await Deno.chmod(path, mode);
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.dir, { recursive: true });
  }
}

/** Where the program of a cache folder is: `…/ghub-programs/tiny-0123456789abcdef`. */
export async function unpacked(cache: string): Promise<{ program: string; deno: string }> {
  const names = (await Array.fromAsync(Deno.readDir(`${cache}/ghub-programs`)))
    .map(({ name }) => name);
  const find = (prefix: string) => {
    const found = names.filter((name) => name.startsWith(prefix));
    assert.equal(found.length, 1, `${prefix} in ${names}`);
    return `${cache}/ghub-programs/${found[0]}`;
  };
  assert.deepEqual(names.filter((name) => name.startsWith("new.")), []);
  return { program: find("tiny-"), deno: find("deno-") };
}

/** Changes one bit of a file, but not its size. */
export async function flipByte(path: string, at: number): Promise<void> {
  using file = await Deno.open(path, { read: true, write: true });
  const byte = new Uint8Array(1);
  await file.seek(at, Deno.SeekMode.Start);
  await file.read(byte);
  byte[0] = byte[0]! ^ 1;
  await file.seek(at, Deno.SeekMode.Start);
  await file.write(byte);
}

/** Is there such a command on PATH? */
export async function hasTool(name: string): Promise<boolean> {
  return (await run("/bin/sh", ["-c", `command -v ${name}`])).code === 0;
}
