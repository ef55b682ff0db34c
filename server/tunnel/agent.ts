/**
 * Keeps one name registered at the hub, until it is told to stop.
 *
 *     ┌───────────▶ dialing ──101──▶ serving ──lost──▶ waiting ─┐
 *     │                │ refused, no answer    ▲ GOAWAY         │
 *     │                └─────────▶ waiting     └─ the old tunnel ends its calls in the background
 *     └───────────────────────────────┴─────────────────────────┘
 *     stop ──▶ stopped, when the calls in flight have ended
 *
 * Waits are decided in retry_policy.ts. Nothing but the signal ends it.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { BackoffOptions } from "../../shared/async/backoff.ts";
import { Complaint } from "../../shared/async/complaint.ts";
import { delay } from "../../shared/async/delay.ts";
import type { UsageError } from "../../shared/cli/usage_error.ts";
import { dial, type DialOptions, type OpenSocket } from "../dial/dial.ts";
import type { DialError } from "../dial/dial_error.ts";
import { type DialOutcome, nextTry } from "./retry_policy.ts";
import type { Lost, ServerTunnel } from "./tunnel.ts";

const log = getLogger(["server"]);

/** Where an agent stands. What belongs to one state lives in it. */
export type AgentState =
  | { readonly state: "dialing" }
  | { readonly state: "serving"; readonly tunnel: ServerTunnel }
  | {
    readonly state: "waiting";
    readonly why: string;
    readonly waitMs: number;
    /** The hub has a tunnel of this name already, by another of its addresses. */
    readonly isHere?: boolean;
    /** The old tunnel stays open until there is a new one. */
    readonly isRenewing?: boolean;
  }
  | { readonly state: "stopped" };

/** Who wants a new tunnel → why, as the log says it. */
const LEAVING = {
  hub: "The hub sends no more calls on this tunnel",
  upstream: "The upstream ends this connection in good order, and gets a new one",
  server: "What it shows to the hub has changed: it gets a new tunnel",
} as const;

/** How long calls in flight may take to end. */
export const DRAIN_TIMEOUT_MS = 30_000;

/** Options of {@linkcode Agent}. */
export interface AgentOptions<T = void> {
  readonly name: string;
  /** The hub, as logs call it. */
  readonly hub: string;
  /** Read before each dial, so that files may change: everything but name and signal. */
  readonly dialOptions: () => Promise<Omit<DialOptions, "signal" | "onStage">>;
  /** What must be there before the hub is dialled, such as a connection to an upstream. @default nothing */
  readonly prepare?: ((signal: AbortSignal) => Promise<T>) | undefined;
  /** Gives back what was prepared, if no tunnel has come of it. */
  readonly unprepare?: ((prepared: T) => void) | undefined;
  /** Makes a tunnel of a WebSocket that has just opened. */
  readonly attach: (open: OpenSocket, prepared: T) => ServerTunnel;
  /** Called whenever another state is entered. */
  readonly onState?: (state: AgentState) => void;
  /** Makes the wait before the next try longer, where there is no hurry. @default no longer */
  readonly patience?: ((waitMs: number) => number) | undefined;
  /** Others dial for this name too: its first tunnel may come to a hub where one of theirs is. @default false */
  readonly hasSiblings?: boolean;
  /** @default DRAIN_TIMEOUT_MS */
  readonly drainTimeoutMs?: number;
  readonly backoff?: BackoffOptions;
}

/** The same trouble is said again at least this often. */
const MOST_SILENT_MS = 3_600_000;

/** Keeps one name registered at the hub: dials, serves, waits, dials again. `run()` it once. */
export class Agent<T = void> {
  readonly name: string;
  readonly #options: AgentOptions<T>;
  readonly #drainTimeoutMs: number;
  /** Tunnels that the hub has told to leave; their last calls end. */
  readonly #leaving = new Set<ServerTunnel>();
  #state: AgentState = { state: "stopped" };
  /** Ends the wait under way. */
  #waiting: AbortController | undefined;
  /** Has the tunnel under way be left for a new one. */
  #leave: (() => void) | undefined;
  /** What the dial under way has shown may be what has changed since. */
  #stale = false;
  #failures = 0;
  #hasServed = false;
  /** Since it was registered last. */
  #dials = 0;
  /** What is tried every second is not said every second. */
  readonly #complaint = new Complaint({ mostMs: MOST_SILENT_MS });

  constructor(options: AgentOptions<T>) {
    this.name = options.name;
    this.#options = options;
    this.#drainTimeoutMs = options.drainTimeoutMs ?? DRAIN_TIMEOUT_MS;
  }

  get state(): AgentState {
    return this.#state;
  }

  /**
   * Runs until `signal` fires and the calls in flight have ended. Never rejects.
   *
   * @param signal A reason that is a text is what the hub is told.
   */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const { outcome, why, hint } = await this.#try(signal);
      if (signal.aborted) break;
      const isRenewing = why === LEAVING.upstream || why === LEAVING.server;
      const next = nextTry(this.#failures, outcome, this.#options.backoff);
      const { failures, loud } = next;
      this.#failures = failures;
      const isHere = outcome.kind === "here";
      const { patience = (ms) => ms } = this.#options;
      const waitMs = isRenewing ? next.waitMs : patience(next.waitMs);
      if (outcome.kind === "renewing" || isHere) log.debug("{why}", { why, server: this.name });
      else if (outcome.kind !== "unprepared" || this.#complaint.isDue(why)) {
        this.#report(why, { waitMs, hint, loud });
      }
      this.#enter({ state: "waiting", why, waitMs, isHere, isRenewing });
      this.#waiting = new AbortController();
      await delay(waitMs, { signal: AbortSignal.any([signal, this.#waiting.signal]) })
        .catch(() => {});
      this.#waiting = undefined;
    }
    const current = this.#state.state === "serving" ? [this.#state.tunnel] : [];
    const why = typeof signal.reason === "string" ? signal.reason : undefined;
    await Promise.all([...current, ...this.#leaving].map((tunnel) => this.#end(tunnel, why)));
    this.#enter({ state: "stopped" });
  }

  /** If it waits for its next try: that is now. */
  dialNow(): void {
    this.#waiting?.abort();
  }

  /** Opens a new tunnel, because what it shows to the hub has changed; the old one ends its calls. */
  renew(): void {
    this.#stale = true;
    this.#leave?.();
    this.dialNow();
  }

  /** One dial, and what became of it. */
  async #try(signal: AbortSignal): Promise<{ outcome: DialOutcome; why: string; hint?: string }> {
    this.#enter({ state: "dialing" });
    let prepared: T;
    try {
      prepared = await this.#options.prepare?.(signal) as T;
    } catch (error) {
      return { outcome: { kind: "unprepared" }, why: (error as Error).message };
    }
    let options: Awaited<ReturnType<AgentOptions<T>["dialOptions"]>>;
    try {
      this.#stale = false;
      options = await this.#options.dialOptions();
    } catch (error) {
      this.#options.unprepare?.(prepared);
      const { message, hint } = error as UsageError;
      return {
        outcome: { kind: "unprepared", loud: true },
        why: message,
        ...(hint !== undefined && { hint }),
      };
    }
    let tunnel: ServerTunnel;
    try {
      // Two that dial at once do not know yet that it is one hub: the first one ends its calls then.
      const mayMeet = this.#options.hasSiblings === true && !this.#hasServed;
      const renews = this.#leaving.size > 0 || mayMeet;
      const registration = { ...options.registration, renews };
      const onStage = this.#stages();
      const { attach } = this.#options;
      tunnel = await dial(
        { ...options, registration, signal, onStage },
        (open) => attach(open, prepared),
      );
    } catch (error) {
      this.#options.unprepare?.(prepared);
      const { message, hint, status, retryAfterMs, lasting, isHere } = error as Partial<DialError>;
      return {
        outcome: isHere ? { kind: "here" } : { kind: "failed", status, retryAfterMs, lasting },
        why: message ?? String(error),
        ...(hint !== undefined && { hint }),
      };
    }
    this.#dials = 0;
    this.#hasServed = true;
    this.#complaint.settle();
    this.#enter({ state: "serving", tunnel });
    // Only now: until the new one was open, the old one was all the hub had.
    for (const old of this.#leaving) void this.#end(old);
    const renewal = Promise.withResolvers<void>();
    this.#leave = renewal.resolve;
    if (this.#stale) renewal.resolve();
    const leaving = Promise.race([
      tunnel.leaving.then((by) => LEAVING[by]),
      renewal.promise.then(() => LEAVING.server),
    ]);
    const end = await lostOrLeaving(tunnel, { leaving, signal });
    this.#leave = undefined;
    const { ageMs, reconnectSpreadMs: spreadMs } = tunnel;
    if (typeof end !== "string" || signal.aborted) {
      return {
        outcome: { kind: "lost", ageMs, spreadMs },
        why: typeof end === "string" ? "Stopping" : describe(end),
      };
    }
    this.#leaving.add(tunnel);
    void tunnel.closed.then(() => this.#leaving.delete(tunnel));
    const kind = end === LEAVING.upstream ? "renewing" : "leaving";
    return { outcome: { kind, ageMs, spreadMs }, why: end };
  }

  /** Logs what the dial waits for. Of many dials in a row the 1st, 2nd, 4th, 8th … are told. */
  #stages(): (stage: string) => void {
    const n = ++this.#dials;
    // One tunnel after another in good order is no news.
    const told = Number.isInteger(Math.log2(n)) && this.#leaving.size === 0;
    return (stage) => {
      const text = `Dialling: ${stage}`.replace(/[{}]/g, "$&$&");
      const properties = { server: this.name, hub: this.#options.hub };
      if (told) log.info(text, properties);
      else log.debug(text, properties);
    };
  }

  async #end(tunnel: ServerTunnel, why?: string): Promise<void> {
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(), this.#drainTimeoutMs);
    const { count } = tunnel.calls;
    if (count > 0) log.info("Waiting for {count} calls in flight", { count, server: this.name });
    await tunnel.stop(limit.signal, why);
    clearTimeout(timer);
  }

  #enter(state: AgentState): void {
    this.#state = state;
    if (state.state === "serving") {
      // A tunnel that takes another one's place in good order is no news.
      const level = this.#leaving.size > 0 ? "debug" : "info";
      log[level]("Registered as {server}", {
        server: this.name,
        hub: this.#options.hub,
      });
    }
    this.#options.onState?.(state);
  }

  #report(why: string, { waitMs, hint, loud }: {
    waitMs: number;
    hint: string | undefined;
    loud: boolean;
  }): void {
    const seconds = Number((waitMs / 1000).toFixed(1));
    const words = [`${why}; next try in ${seconds} s`, hint].filter((part) => part !== undefined);
    // Plain text, not a template: what a hub sent may hold braces.
    const text = words.join(". ").replace(/[{}]/g, "$&$&");
    const properties = { server: this.name, hub: this.#options.hub };
    if (loud) log.error(text, properties);
    else log.warn(text, properties);
  }
}

function describe(lost: Lost | undefined): string {
  if (lost === undefined) return "Stopping";
  return lost.by === "hub"
    ? `The hub closed the tunnel: ${lost.reason}`
    : `Tunnel lost: ${lost.reason}`;
}

/** Resolves with how it was lost, why it is to be left, or `undefined` when `signal` fires. */
async function lostOrLeaving(
  tunnel: ServerTunnel,
  { leaving, signal }: { readonly leaving: Promise<string>; readonly signal: AbortSignal },
): Promise<Lost | string | undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const abort = () => resolve(undefined);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([tunnel.closed, promise, leaving]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
