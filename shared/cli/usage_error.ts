/**
 * The error of a command line that cannot be understood.
 *
 * @module
 */

export interface UsageErrorOptions extends ErrorOptions {
  /** What the user can do about it, as one more line. */
  readonly hint?: string;
}

/** Thrown by `parse` functions and by `run()`: its message and hint go to stderr, the exit code is 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  readonly hint: string | undefined;

  constructor(message: string, options: UsageErrorOptions = {}) {
    super(message, options);
    this.hint = options.hint;
  }
}
