/**
 * Why somebody is not logged in, in words without any token.
 *
 * @module
 */

/** `unreachable`: the provider may answer later. `ended`: only a new login helps. `refused`: the rest. */
export type LoginErrorReason = "unreachable" | "ended" | "refused";

/** Options of {@linkcode LoginError}. */
export interface LoginErrorOptions {
  /** @default "refused" */
  readonly reason?: LoginErrorReason;
  /** What to do. */
  readonly hint?: string;
}

/**
 * A login, or its renewal, that failed. It has no `cause`: those of the library hold the answer of the
 * provider, and with it tokens.
 */
export class LoginError extends Error {
  override readonly name = "LoginError";
  readonly reason: LoginErrorReason;
  readonly hint: string | undefined;

  constructor(message: string, { reason = "refused", hint }: LoginErrorOptions = {}) {
    super(message);
    this.reason = reason;
    this.hint = hint;
  }
}
