/**
 * What one server, one operator and all together may use of the hub. A call over a limit fails with
 * `RESOURCE_EXHAUSTED`; the error says that nothing was delivered, and when to try again:
 * docs/protocol.md §14.
 *
 * | what                     | counted                            | when         |
 * | ------------------------ | ---------------------------------- | ------------ |
 * | calls of one operator    | from the call to its answer's end  | at each call |
 * | calls at one server      | the open streams of its tunnel     | at each call |
 * | … of one operator        | three times as many as are free    | at each call |
 * | calls of the hub's own   | the same of 1000, and nothing else | at each call |
 * | bytes/s of either        | what its calls move, both ways     | as they move |
 * | bytes kept for either's  | what waits for a slow reader, and  | as they move |
 * | operator                 | credit beyond the first window     |              |
 * | memory of the whole hub  | buffers, tunnels, callers, calls   | each second  |
 *
 * Bytes are limited by credit first: a fast sender gets no WINDOW_UPDATE until it is its turn, see
 * `meter.ts`. Only an operator that is far over its limit makes no new calls. These limits are off unless
 * they are set, and cost nothing then.
 *
 * The memory is what the hub accounts for, not what the system reports: that holds what was
 * collected and not yet given back, and would have the hub refuse calls for no reason.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { RpcError } from "../../shared/grpc/rpc_error.ts";
import { isWithinShare } from "../../shared/async/fair_share.ts";
import { ByteRate, soleBucket } from "./byte_rate.ts";
import { ByteMeter } from "./meter.ts";
import { exhausted, LIMIT_RETRY_MS } from "../errors.ts";
import { type Account, SoleAccount } from "./account.ts";
import type { JointUse } from "./joint_use.ts";

/** Limits that were told nothing. */
export const LIMITS = {
  maxCallsPerOperator: 5_000,
  maxCallsPerServer: 5_000,
  maxStreamsPerConnection: 1_000,
  maxMemoryBytes: 2 ** 31,
} as const satisfies LimitsOptions;

/**
 * Calls of the hub's own services at a time. They are how a person looks at a hub that is full: no
 * other limit counts for them, and no operator may have all of them.
 */
export const MAX_OWN_CALLS = 1_000;

/** A server that takes this many calls keeps a part of them from the operator that has most. */
const SHARED_FROM = 16;

/** The program itself. */
const BASE_BYTES = 100 << 20;
/** A connection with its sockets, buffers and tables: measured by `deno task bench --suite memory`. */
const CONNECTION_BYTES = 32 << 10;
/** A call in flight: two streams, its heads, its audit line. */
const CALL_BYTES = 8 << 10;
/** Shedding that has begun ends below this share of the budget, so that it does not flutter. */
const RECOVERED = 0.9;

/**
 * An operator whose calls have moved the bytes of this time too many makes no new ones. Credit cannot
 * slow down calls that are very short.
 */
const MAX_DEBT_MS = 1_000;

/** What one server, one operator and all together may use of a hub. */
export interface LimitsOptions {
  /**
   * Calls of one operator at a time, over all of its connections.
   *
   * @default LIMITS.maxCallsPerOperator
   */
  readonly maxCallsPerOperator?: number;
  /**
   * Calls at one server at a time, of all operators. A server may allow fewer by its SETTINGS.
   *
   * @default LIMITS.maxCallsPerServer
   */
  readonly maxCallsPerServer?: number;
  /**
   * Calls that one connection to the call port may have open at a time.
   *
   * @default LIMITS.maxStreamsPerConnection
   */
  readonly maxStreamsPerConnection?: number;
  /**
   * What all tunnels, connections, calls and buffers together may take; calls beyond are refused.
   *
   * @default LIMITS.maxMemoryBytes
   */
  readonly maxMemoryBytes?: number;
  /**
   * Bytes that the calls of one operator may move in a second, both ways together. Faster calls
   * are slowed by HTTP/2's windows.
   *
   * @default no limit
   */
  readonly maxBytesPerSPerOperator?: number | undefined;
  /** The same for the calls at one server. @default no limit */
  readonly maxBytesPerSPerServer?: number | undefined;
  /**
   * Bytes that the hub may keep for the calls of one operator, because a reader is slow.
   *
   * @default no limit
   */
  readonly maxBufferedBytesPerOperator?: number | undefined;
  /** A clock in milliseconds that never goes back. @default performance.now */
  readonly now?: () => number;
}

/** What is there at the moment. */
export interface Load {
  /** Tunnels and callers' connections. */
  readonly connections: number;
  /** Bytes that wait for peers that are slow. */
  readonly bufferedBytes: number;
}

/** What is in use now, against what. */
export interface Usage extends Load {
  /** Calls in flight. */
  readonly calls: number;
  /** What all together hold, as the hub accounts for it. */
  readonly memoryBytes: number;
  /** What all together may hold. */
  readonly maxMemoryBytes: number;
  /** Whether calls are refused because of it. */
  readonly shedding: boolean;
  /** Calls of the operator that has the most. */
  readonly mostCallsOfAnOperator: number;
  /** Bytes that are kept for the operator for whom the most are. */
  readonly mostBufferedBytesOfAnOperator: number;
  /** Streams that wait for their turn to send, because of a limit on bytes per second. */
  readonly waitingForBytes: number;
}

/** Whom a call concerns. */
export interface CallPlace {
  readonly server: string;
  /** Open streams of its tunnel. */
  readonly callsAtServer: number;
  /** How many the server itself takes. @default no limit of its own */
  readonly serverTakes?: number;
  /** The operator's calls that are over and still occupy the server. @default 0 */
  readonly ending?: number;
  /** It comes from another hub. @default false */
  readonly isForwarded?: boolean;
}

/** A call that counts, as far as limits look at it. */
export interface CountedCall {
  readonly identity: { readonly name: string };
  /** Name of its server; empty for the hub's own services. */
  readonly server: string;
  /** It comes from another hub. @default false */
  readonly isForwarded?: boolean;
  /** Whom it counts for; written by the limits. */
  account: Account | undefined;
}

/** Limits on what one server, one operator, and all together may use of the hub. */
export class Limits {
  readonly #maxCallsPerOperator: number;
  readonly #maxCallsPerServer: number;
  readonly #maxMemoryBytes: number;
  /** Of an operator; its connection tells it by SETTINGS. */
  readonly maxStreamsPerConnection: number;
  readonly #bytes: LimitsOptions;
  /** Whether bytes are limited. */
  readonly metered: boolean;
  /** By server, for those that have moved bytes lately. */
  readonly #serverRates = new Map<string, ByteRate>();
  /** Operators with a call in flight, or with bytes that count. */
  readonly #accounts = new Map<string, Account>();
  /** What other workers of this process use as well; `undefined` where there is one loop. */
  readonly #joint: JointUse | undefined;
  /** Calls that those have counted, and of which this one has the tunnel; alone it counts all calls. */
  readonly #forwarded: Map<string, Account>;
  readonly #mayCall = (own: number) => own < this.#maxCallsPerOperator;
  #calls = 0;
  /** Those of them at the hub's own services that go on. */
  #ownCalls = 0;
  #load: Load = { connections: 0, bufferedBytes: 0 };
  #shedding = false;

  constructor(options: LimitsOptions = {}, joint?: JointUse) {
    const all = { ...LIMITS, ...options };
    this.#maxCallsPerOperator = all.maxCallsPerOperator;
    this.#maxCallsPerServer = all.maxCallsPerServer;
    this.maxStreamsPerConnection = all.maxStreamsPerConnection;
    this.#maxMemoryBytes = all.maxMemoryBytes;
    this.#bytes = options;
    this.#joint = joint;
    this.#forwarded = joint === undefined ? this.#accounts : new Map();
    const { maxBytesPerSPerOperator, maxBytesPerSPerServer, maxBufferedBytesPerOperator } = options;
    this.metered = maxBytesPerSPerOperator !== undefined || maxBytesPerSPerServer !== undefined ||
      maxBufferedBytesPerOperator !== undefined;
  }

  /** Why a call may not be made now. */
  refusal(operator: string, place: CallPlace): RpcError | undefined {
    const { server, callsAtServer } = place;
    if (this.#shedding) {
      const budget = `${Math.round(this.#maxMemoryBytes / 2 ** 20)} MiB`;
      return exhausted("HUB_OUT_OF_MEMORY", `The hub is at its limit of ${budget} of memory`);
    }
    if (
      this.#joint === undefined &&
      (this.#accounts.get(operator)?.calls ?? 0) >= this.#maxCallsPerOperator
    ) return this.#tooManyCalls(operator);
    if (callsAtServer >= this.#maxCallsPerServer) {
      const message = `Server "${server}" has ${this.#maxCallsPerServer} calls in flight`;
      return exhausted("TOO_MANY_CALLS", `${message}, the limit`, { metadata: { server } });
    }
    const why = this.#overShare(operator, place) ??
      (this.metered ? this.#tooManyBytes(operator, place) : undefined);
    return this.#joint === undefined ? why : why ?? this.#takeJointCall(operator, place);
  }

  /** Why a call of the hub's own services, which have no server's name, may not be made now. */
  ownRefusal(operator: string, { isForwarded = false } = {}): RpcError | undefined {
    const joint = this.#joint;
    if (joint !== undefined && (isForwarded || joint.takeOwnCall(operator, MAX_OWN_CALLS))) {
      return undefined;
    }
    const own = joint?.ownCalls.of(operator) ??
      this.#accounts.get(operator)?.callsAt.get("") ?? 0;
    if (joint === undefined && isWithinShare(own, MAX_OWN_CALLS - this.#ownCalls)) return undefined;
    const message =
      `Operator "${operator}" has ${own} of the ${MAX_OWN_CALLS} calls that the hub's` +
      " own services take: the rest is for others";
    return exhausted("TOO_MANY_CALLS", message, { metadata: { operator } });
  }

  /** For one direction of a call that has entered. */
  meter(account: Account, server: string): ByteMeter {
    const rates = [account.rate, this.#serverRate(server)].filter((rate) => rate !== undefined);
    const maxBufferedBytes = this.#bytes.maxBufferedBytesPerOperator ?? Infinity;
    return new ByteMeter({ account, rates, maxBufferedBytes });
  }

  /**
   * Counts a call that is let in; what it gives is to be given to `ended`, and then to `leave`.
   *
   * @param isForwarded It comes from another hub.
   */
  enter(operator: string, server: string, isForwarded = false): Account {
    const accounts = isForwarded ? this.#forwarded : this.#accounts;
    let account = accounts.get(operator);
    if (account === undefined) {
      account = this.#account(operator, { isForwarded });
      accounts.set(operator, account);
    }
    if (this.#joint !== undefined && !isForwarded) this.#joint.enter(operator, server === "");
    account.calls++;
    account.callsAt.set(server, (account.callsAt.get(server) ?? 0) + 1);
    if (server === "") this.#ownCalls++;
    this.#calls++;
    return account;
  }

  /**
   * The server has done with the call.
   *
   * @param server As it was given to `enter`.
   */
  ended(account: Account, server: string): void {
    if (server === "") {
      this.#ownCalls--;
      if (!account.isForwarded) this.#joint?.ownCalls.add(account.name, -1);
    }
    const others = (account.callsAt.get(server) ?? 1) - 1;
    if (others > 0) account.callsAt.set(server, others);
    else account.callsAt.delete(server);
  }

  /** So has the caller: what it has not read would occupy the hub. */
  leave(account: Account): void {
    this.#calls--;
    const isLast = --account.calls === 0;
    if (this.#joint !== undefined) this.#leaveJoint(account, this.#joint);
    else if (isLast && !this.metered) this.#accounts.delete(account.name);
  }

  #leaveJoint(account: Account, joint: JointUse): void {
    const { name, calls, isForwarded } = account;
    if (!isForwarded) joint.calls.add(name, -1);
    if (calls > 0) return;
    if (isForwarded) this.#forwarded.delete(name);
    else if (!this.metered) this.#accounts.delete(name);
  }

  callStarted(call: CountedCall): void {
    call.account = this.enter(call.identity.name, call.server, call.isForwarded);
  }

  callEnded({ account, server }: CountedCall): void {
    if (account !== undefined) this.ended(account, server);
  }

  callLeft({ account }: CountedCall): void {
    if (account !== undefined) this.leave(account);
  }

  /**
   * For one direction of a call; `undefined` if nothing limits its bytes. The hub's own services have
   * no limit: they show what is going on.
   */
  meterOf({ account, server }: CountedCall): ByteMeter | undefined {
    if (!this.metered || account === undefined || server === "") return undefined;
    return this.meter(account, server);
  }

  /** Ends all waits for bytes. */
  close(): void {
    for (const { rate } of this.#accounts.values()) rate?.close();
    for (const rate of this.#serverRates.values()) rate.close();
  }

  /** To be told once a second. */
  tick(load: Load): void {
    this.#load = load;
    if (this.metered) this.#forgetIdle();
    if (this.#joint !== undefined) {
      this.#joint.tell({ ...load, waitingForBytes: this.#waitingForBytes });
      // Another worker may have noticed it.
      this.#shedding = this.#joint.shedding;
    }
    const { memoryBytes } = this;
    const over = memoryBytes > this.#maxMemoryBytes * (this.#shedding ? RECOVERED : 1);
    if (over === this.#shedding) return;
    this.#shedding = over;
    // One of the workers says it.
    if (this.#joint?.shed(over) === false) return;
    const log = getLogger(["hub", "limits"]);
    const properties = { memoryBytes, maxMemoryBytes: this.#maxMemoryBytes, ...this.#loadOfAll };
    if (over) {
      log.error(
        "Calls are refused: {memoryBytes} of {maxMemoryBytes} bytes are in use",
        properties,
      );
    } else {log.info(
        "Calls are accepted again: {memoryBytes} of {maxMemoryBytes} bytes are in use",
        properties,
      );}
  }

  /** No operator may have all that a server takes: another one must be able to look what is wrong. */
  #overShare(operator: string, place: CallPlace): RpcError | undefined {
    const { server, callsAtServer, serverTakes = Infinity, ending = 0 } = place;
    const most = Math.min(this.#maxCallsPerServer, serverTakes);
    let own = (this.#accounts.get(operator)?.callsAt.get(server) ?? 0) + ending;
    if (this.#joint !== undefined) own += this.#forwarded.get(operator)?.callsAt.get(server) ?? 0;
    const free = most - callsAtServer;
    const isShared = most >= SHARED_FROM;
    // Where nothing is free, who has little is not to blame: it is told that the server is full.
    const blameless = isShared ? most - Math.floor(most / 4) : most;
    if (free > 0 ? !isShared || isWithinShare(own, free) : own < blameless) return undefined;
    const message =
      `Operator "${operator}" has ${own} of the ${most} calls that server "${server}"` +
      ` takes: the rest is for others`;
    return exhausted("TOO_MANY_CALLS", message, { metadata: { operator, server } });
  }

  #tooManyCalls(operator: string): RpcError {
    const message = `Operator "${operator}" has ${this.#maxCallsPerOperator} calls in flight`;
    return exhausted("TOO_MANY_CALLS", `${message}, the limit`, { metadata: { operator } });
  }

  #takeJointCall(operator: string, { isForwarded = false }: CallPlace): RpcError | undefined {
    const isTaken = isForwarded || this.#joint?.takeCall(operator, this.#mayCall);
    return isTaken ? undefined : this.#tooManyCalls(operator);
  }

  #account(name: string, { isForwarded }: { readonly isForwarded: boolean }): Account {
    const perSecond = this.#bytes.maxBytesPerSPerOperator;
    if (this.#joint !== undefined) {
      // Of forwarded calls, only what they do to the server counts here.
      return isForwarded
        ? new SoleAccount(name, undefined, true)
        : this.#joint.account(name, perSecond);
    }
    const rate = perSecond === undefined
      ? undefined
      : new ByteRate(perSecond, soleBucket(this.#bytes.now));
    return new SoleAccount(name, rate);
  }

  #tooManyBytes(
    operator: string,
    { server, isForwarded = false }: CallPlace,
  ): RpcError | undefined {
    // Where it came from, the operator was judged.
    const isJudged = isForwarded && this.#joint !== undefined;
    const account = isJudged ? undefined : this.#accounts.get(operator) ??
      (this.#joint && this.#account(operator, { isForwarded: false }));
    const { maxBufferedBytesPerOperator: most = Infinity } = this.#bytes;
    if (account !== undefined && account.bufferedBytes >= most) {
      const message =
        `Operator "${operator}" has not read ${account.bufferedBytes} bytes, over the ` +
        `limit of ${most}: read what its calls answer`;
      return exhausted("TOO_MANY_BUFFERED_BYTES", message, { metadata: { operator } });
    }
    return slowDown(account?.rate, { what: `Operator "${operator}"`, metadata: { operator } }) ??
      slowDown(this.#serverRates.get(server), {
        what: `Server "${server}"`,
        metadata: { server },
      });
  }

  #serverRate(server: string): ByteRate | undefined {
    const perSecond = this.#bytes.maxBytesPerSPerServer;
    if (perSecond === undefined) return undefined;
    let rate = this.#serverRates.get(server);
    if (rate === undefined) {
      rate = new ByteRate(perSecond, soleBucket(this.#bytes.now));
      this.#serverRates.set(server, rate);
    }
    return rate;
  }

  /** Forgets each operator and server that would be the same if it came again. */
  #forgetIdle(): void {
    for (const [name, { calls, bufferedBytes, rate }] of this.#accounts) {
      if (calls === 0 && bufferedBytes === 0 && rate?.isIdle !== false) this.#accounts.delete(name);
    }
    for (const [name, rate] of this.#serverRates) {
      if (rate.isIdle) this.#serverRates.delete(name);
    }
    this.#joint?.forgetIdle();
  }

  /** To be read now and then: it looks at each operator. */
  usage(): Usage {
    const accounts = [...this.#accounts.values()];
    const joint = this.#joint;
    const most = (values: readonly number[]) => values.reduce((a, b) => Math.max(a, b), 0);
    return {
      ...this.#loadOfAll,
      calls: joint?.calls.sum ?? this.#calls,
      memoryBytes: this.memoryBytes,
      maxMemoryBytes: this.#maxMemoryBytes,
      shedding: joint?.shedding ?? this.#shedding,
      mostCallsOfAnOperator: joint?.calls.most ?? most(accounts.map(({ calls }) => calls)),
      mostBufferedBytesOfAnOperator: joint?.kept.most ??
        most(accounts.map(({ bufferedBytes }) => bufferedBytes)),
      waitingForBytes: joint?.load.waitingForBytes ?? this.#waitingForBytes,
    };
  }

  get #waitingForBytes(): number {
    const rates = [
      ...[...this.#accounts.values()].map(({ rate }) => rate),
      ...this.#serverRates.values(),
    ];
    return rates.reduce((sum, rate) => sum + (rate?.waiting ?? 0), 0);
  }

  get #loadOfAll(): Load {
    if (this.#joint === undefined) return this.#load;
    const { connections, bufferedBytes } = this.#joint.load;
    return { connections, bufferedBytes };
  }

  /** What is accounted for. */
  get memoryBytes(): number {
    const { connections, bufferedBytes } = this.#loadOfAll;
    const calls = this.#joint?.calls.sum ?? this.#calls;
    return BASE_BYTES + connections * CONNECTION_BYTES + calls * CALL_BYTES + bufferedBytes;
  }

  /** Whether calls and tunnels are refused to save memory. */
  get shedding(): boolean {
    return this.#shedding;
  }
}

type Metadata = Readonly<Record<string, string>>;

/** Why who is to be slowed down must wait before it makes new calls. */
function slowDown(
  rate: ByteRate | undefined,
  { what, metadata }: { readonly what: string; readonly metadata: Metadata },
): RpcError | undefined {
  const debtMs = rate?.debtMs ?? 0;
  if (debtMs <= MAX_DEBT_MS) return undefined;
  const message = `${what} has moved more than ${rate?.perSecond} bytes per second, the limit`;
  const retryMs = Math.max(LIMIT_RETRY_MS, debtMs - MAX_DEBT_MS);
  return exhausted("TOO_MANY_BYTES", message, { metadata, retryMs });
}
