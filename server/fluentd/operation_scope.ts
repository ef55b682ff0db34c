/**
 * What an operation gets from whoever runs it.
 *
 * @module
 */

export interface OperationScope {
  /** Ends it at once, whatever it does: gserver ends. */
  readonly signal: AbortSignal;
  /** Ends it where it only waits: another operation takes over. Its reason is the error to give. */
  readonly superseded: AbortSignal;
  /** To be called, and awaited, before the first thing that changes anything. */
  begin(): Promise<void>;
}

/** For steps that only wait: both ends of it. */
export function waitingSignal({ signal, superseded }: OperationScope): AbortSignal {
  return AbortSignal.any([signal, superseded]);
}
