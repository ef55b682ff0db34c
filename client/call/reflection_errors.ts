/**
 * How asking a server for what it has can fail.
 *
 * @module
 */
import { UsageError } from "../../shared/cli/program.ts";
import { CallFailedError, type CallFailure } from "./failure.ts";

/** Asking did not work. */
export class ReflectionError extends CallFailedError {
  override readonly name = "ReflectionError";
  /** Is there no reflection at the other side, rather than no answer? */
  readonly isAbsent: boolean;

  constructor(failure: CallFailure, isAbsent: boolean) {
    super(failure);
    this.isAbsent = isAbsent;
  }
}

/** There is nothing of that name. */
export class UnknownSymbolError extends UsageError {}
