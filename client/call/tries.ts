/**
 * A call and its repetitions, for as long as another try is safe and may do better.
 *
 * @module
 */
import { delay } from "../../shared/async/delay.ts";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import type { Attempt, Stage } from "./attempt.ts";
import { deliveryOf, type Way } from "./delivery.ts";
import { type CallFailure, mayRepeat } from "./failure.ts";
import { mayChange } from "./method_kind.ts";
import { isPassing, retryWaitMs } from "./retries.ts";

/** How a try went, for the failure that it is told as. */
export type FailedWay = Way & Pick<Attempt, "hub" | "missed">;

/** What {@linkcode tryCall} asks and tells. */
export interface Tries {
  /** The most in addition to the first one. */
  readonly retries: number;
  /** `Date.now()` after which no further one begins. */
  readonly deadline: number;
  readonly signal: AbortSignal;
  /** Makes one; it keeps the stage up to date. */
  attempt(stage: Stage): Promise<Attempt>;
  failureOf(error: RpcError, way: FailedWay): CallFailure;
  /** Has something come, or gone, that cannot be taken back? */
  isBegun(): boolean;
  /** Is told before the wait for the next one. */
  onRetry?(error: RpcError, waitMs: number): Promise<void>;
  /** Is told what is known of a call that may change something, when the signal ends it. */
  onInterrupted(failure: CallFailure): Promise<void>;
}

/** The last try. */
export type Tried = Attempt & { readonly failure: CallFailure | undefined };

/** @throws `signal.reason` when that fired, and what `attempt` throws. A failed call is no exception. */
export async function tryCall(call: Tries): Promise<Tried> {
  const { retries, deadline, signal } = call;
  let perhapsBefore = false;
  for (let tries = 0;; tries++) {
    const stage: Stage = { connected: false, sent: false };
    let known = () =>
      call.failureOf(endedBy(signal), {
        connected: stage.connected,
        refused: !stage.sent,
        perhapsBefore,
      });
    try {
      const attempt = await call.attempt(stage);
      const { error, headers: _, trailers: __, ...way } = attempt;
      if (error === undefined) return { ...attempt, failure: undefined };
      const failure = call.failureOf(error, { ...way, perhapsBefore });
      const waitMs = retryWaitMs(failure, tries);
      const again = tries < retries && !call.isBegun() && isPassing(failure) &&
        mayRepeat(failure) && Date.now() + waitMs < deadline;
      if (!again) return { ...attempt, failure };
      await call.onRetry?.(error, waitMs);
      known = () => failure;
      perhapsBefore = deliveryOf(error, failure) === "unknown";
      await delay(waitMs, { signal });
    } catch (error) {
      const failure = signal.aborted ? known() : undefined;
      if (failure !== undefined && mayChange(failure.method)) {
        await call.onInterrupted({ ...failure, interrupted: true });
      }
      throw error;
    }
  }
}

function endedBy({ reason }: AbortSignal): RpcError {
  return new RpcError(Status.CANCELLED, reason instanceof Error ? reason.message : String(reason));
}
