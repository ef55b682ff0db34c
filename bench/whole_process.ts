/**
 * What a whole process costs, from its start to its end.
 *
 * @module
 */
import { Program } from "./program.ts";

/** A command whose whole process is measured. */
export interface Started {
  readonly what: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** How it must end. @default 0 */
  readonly code?: number;
}

/** What it took. */
export interface Took {
  /** User and system time of the process and its children. */
  readonly cpuMs: number;
  /** By the clock. */
  readonly wallMs: number;
  /** What it wrote to stderr. */
  readonly stderr: string;
  /** How many lines it wrote to stdout. */
  readonly lines: number;
}

/** Its time, on stderr after all that it says itself; on stdout the number of its lines. */
const SCRIPT = 'TIMEFORMAT="took %R %U %S"; { time "$0" "$@"; } | wc -l';

const ROOT = new URL("..", import.meta.url).pathname;

/** One of our programs: its executable where those are measured, else its source. */
export async function oursOf(what: string, file: string, ...args: string[]): Promise<Started> {
  const line = await Program.executables?.commandLine(file) ??
    { command: Deno.execPath(), args: ["run", "--quiet", "-A", ROOT + file], env: {} };
  return { ...line, what, args: [...line.args, ...args] };
}

/** Is there such a command on this machine? */
export async function isThere(command: string): Promise<boolean> {
  const args = ["-c", 'command -v "$0"', command];
  return (await new Deno.Command("sh", { args, stdout: "null" }).output()).success;
}

/**
 * Runs it to its end, as bash times it.
 *
 * @throws {Error} If it ends otherwise than it must.
 */
export async function timeOf({ what, command, args, env = {}, code = 0 }: Started): Promise<Took> {
  const output = await new Deno.Command("bash", {
    args: ["-o", "pipefail", "-c", SCRIPT, command, ...args],
    env: { ...env, LC_ALL: "C" },
    stdin: "null",
  }).output();
  const said = new TextDecoder().decode(output.stderr);
  const [line = "", wall, user, system] = /^took ([\d.]+) ([\d.]+) ([\d.]+)\n$/m.exec(said) ?? [];
  if (output.code !== code || wall === undefined) {
    throw new Error(`Cannot measure ${what}: ${said}`);
  }
  return {
    cpuMs: 1000 * (Number(user) + Number(system)),
    wallMs: 1000 * Number(wall),
    stderr: said.slice(0, said.length - line.length),
    lines: Number(new TextDecoder().decode(output.stdout)),
  };
}
