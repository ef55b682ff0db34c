/**
 * A file that was read and has faults, each with its place.
 *
 * @module
 */

/** What is wrong with a file: one line for each fault. */
export class FaultyFileError extends Error {
  override readonly name = "FaultyFileError";
  readonly faults: readonly string[];

  constructor(path: string, faults: readonly string[]) {
    super(`Cannot use ${path}:\n${faults.map((fault) => `  ${fault}`).join("\n")}`);
    this.faults = faults;
  }
}
