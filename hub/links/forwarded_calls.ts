/**
 * What becomes of the calls that this hub forwards to others: numbers for metrics, and a word for the
 * view when another hub has not what the view says.
 *
 * @module
 */
import { Status, type StatusCode } from "../../shared/grpc/status.ts";
import type { ForwardedOutcome } from "../relay/answer_headers.ts";
import type { CallObserver, RelayedCall } from "../relay/relayed_call.ts";
import type { ServerName } from "../registry/tunnel.ts";

/** Calls since the hub's start. */
export type ForwardedCounts = Readonly<Record<ForwardedOutcome, number>>;

/** Counts forwarded calls as they end. */
export class ForwardedCalls implements CallObserver {
  readonly #counts: Record<ForwardedOutcome, number> = {
    answered: 0,
    refused: 0,
    unknown: 0,
    stopped: 0,
  };
  readonly #onStale: (server: ServerName) => void;

  /** @param onStale The other hub did not take a call: perhaps its server is somewhere else by now. */
  constructor({ onStale }: { onStale(server: ServerName): void }) {
    this.#onStale = onStale;
  }

  get counts(): ForwardedCounts {
    return this.#counts;
  }

  callEnded(call: Pick<RelayedCall, "forwardedOutcome" | "server">, status: StatusCode): void {
    const outcome = call.forwardedOutcome;
    if (outcome === undefined) return;
    this.#counts[outcome]++;
    if (outcome === "refused" && status === Status.UNAVAILABLE) this.#onStale(call.server);
  }
}
