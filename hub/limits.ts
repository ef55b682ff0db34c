/**
 * What one server, one operator and all together may take of the hub. Who is over a limit is told
 * `RESOURCE_EXHAUSTED`, that nothing was delivered, and when to try again: docs/protocol.md §14.
 *
 * | what                     | counted                            | when         |
 * | ------------------------ | ---------------------------------- | ------------ |
 * | calls of one operator    | up and down with each call         | at each call |
 * | calls at one server      | the open streams of its tunnel     | at each call |
 * | memory of the whole hub  | buffers, tunnels, callers, calls   | each second  |
 *
 * The memory is what the hub accounts for, not what the system reports: that holds what was
 * collected and not yet given back, and would have the hub refuse calls for no reason.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { errorInfo, retryInfo, RpcError } from "../shared/grpc/rpc_error.ts";
import { Status } from "../shared/grpc/status.ts";

/** Calls of one operator at a time, over all of its connections. */
export const MAX_CALLS_PER_OPERATOR = 5_000;
/** Calls at one server at a time, of all operators. A server may allow fewer by its SETTINGS. */
export const MAX_CALLS_PER_SERVER = 5_000;
/** What all together may hold. */
export const MAX_MEMORY_BYTES = 2 ** 31;

/** The program itself. */
const BASE_BYTES = 100 << 20;
/** A connection with its sockets, buffers and tables: measured by `deno task bench --suite memory`. */
const CONNECTION_BYTES = 32 << 10;
/** A call in flight: two streams, its heads, its audit line. */
const CALL_BYTES = 8 << 10;
/** Shedding that has begun ends below this share of the budget, so that it does not flutter. */
const RECOVERED = 0.9;
/** `RetryInfo`: a call ends, or the next second's count is better. */
const RETRY_MS = 1_000;

export interface LimitsOptions {
  /** @default MAX_CALLS_PER_OPERATOR */
  readonly maxCallsPerOperator?: number | undefined;
  /** @default MAX_CALLS_PER_SERVER */
  readonly maxCallsPerServer?: number | undefined;
  /** @default MAX_MEMORY_BYTES */
  readonly maxMemoryBytes?: number | undefined;
}

/** What is there at the moment. */
export interface Load {
  /** Tunnels and callers' connections. */
  readonly connections: number;
  /** Bytes that wait for peers that are slow. */
  readonly bufferedBytes: number;
}

/** Calls in flight of one operator. */
export interface Account {
  readonly name: string;
  calls: number;
}

/** See the module's head. */
export class Limits {
  readonly #maxCallsPerOperator: number;
  readonly #maxCallsPerServer: number;
  readonly #maxMemoryBytes: number;
  /** Operators with a call in flight. */
  readonly #accounts = new Map<string, Account>();
  #calls = 0;
  #load: Load = { connections: 0, bufferedBytes: 0 };
  #shedding = false;

  constructor(options: LimitsOptions = {}) {
    this.#maxCallsPerOperator = options.maxCallsPerOperator ?? MAX_CALLS_PER_OPERATOR;
    this.#maxCallsPerServer = options.maxCallsPerServer ?? MAX_CALLS_PER_SERVER;
    this.#maxMemoryBytes = options.maxMemoryBytes ?? MAX_MEMORY_BYTES;
  }

  /** Why a call may not be made now. */
  refusal(
    operator: string,
    { server, callsAtServer }: { readonly server: string; readonly callsAtServer: number },
  ): RpcError | undefined {
    if (this.#shedding) {
      const budget = `${Math.round(this.#maxMemoryBytes / 2 ** 20)} MiB`;
      return exhausted("HUB_OUT_OF_MEMORY", `The hub is at its limit of ${budget} of memory`);
    }
    if ((this.#accounts.get(operator)?.calls ?? 0) >= this.#maxCallsPerOperator) {
      const message = `Operator "${operator}" has ${this.#maxCallsPerOperator} calls in flight`;
      return exhausted("TOO_MANY_CALLS", `${message}, the limit`, { operator });
    }
    if (callsAtServer < this.#maxCallsPerServer) return undefined;
    const message = `Server "${server}" has ${this.#maxCallsPerServer} calls in flight, the limit`;
    return exhausted("TOO_MANY_CALLS", message, { server });
  }

  /** Counts a call that is let in; what it gives is to be given to `leave` when it has ended. */
  enter(operator: string): Account {
    let account = this.#accounts.get(operator);
    if (account === undefined) {
      account = { name: operator, calls: 0 };
      this.#accounts.set(operator, account);
    }
    account.calls++;
    this.#calls++;
    return account;
  }

  leave(account: Account): void {
    this.#calls--;
    if (--account.calls === 0) this.#accounts.delete(account.name);
  }

  /** To be told once a second. */
  tick(load: Load): void {
    this.#load = load;
    const { memoryBytes } = this;
    const over = memoryBytes > this.#maxMemoryBytes * (this.#shedding ? RECOVERED : 1);
    if (over === this.#shedding) return;
    this.#shedding = over;
    const log = getLogger(["hub", "limits"]);
    const properties = { memoryBytes, maxMemoryBytes: this.#maxMemoryBytes, ...load };
    if (over) {
      log.error(
        "Calls are refused: {memoryBytes} of {maxMemoryBytes} bytes are in use",
        properties,
      );
    } else {log.info(
        "Calls are taken again: {memoryBytes} of {maxMemoryBytes} bytes are in use",
        properties,
      );}
  }

  /** What is accounted for. */
  get memoryBytes(): number {
    const { connections, bufferedBytes } = this.#load;
    return BASE_BYTES + connections * CONNECTION_BYTES + this.#calls * CALL_BYTES + bufferedBytes;
  }

  /** Whether calls and tunnels are refused to save memory. */
  get shedding(): boolean {
    return this.#shedding;
  }
}

function exhausted(
  reason: string,
  message: string,
  metadata: Readonly<Record<string, string>> = {},
): RpcError {
  return new RpcError(Status.RESOURCE_EXHAUSTED, `${message}; nothing was delivered`, {
    details: [errorInfo(reason, "ghub", metadata), retryInfo(RETRY_MS)],
  });
}
