/**
 * A program as its executable runs it: with the permissions that it has there, and no others.
 *
 * @module
 */
import { PROGRAMS } from "../../scripts/build/programs.ts";
import { source } from "./process.ts";

/**
 * How it is run, for {@linkcode Process.run} and its like.
 *
 * @param more Further flags of Deno. An executable takes none.
 */
export function asBuilt(name: string, more: readonly string[] = []): string[] {
  const program = PROGRAMS.find((program) => program.name === name);
  if (program === undefined) throw new RangeError(`There is no program ${name}`);
  return source(program.entry, [...program.flags, ...more]);
}
