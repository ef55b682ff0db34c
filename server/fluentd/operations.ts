/**
 * One operation at a time, each at most once.
 *
 * - While one runs, another is refused with `OPERATION_IN_PROGRESS`; the same `request_id`
 *   attaches to the running one. A stop alone is not refused by a start or restart: it ends their
 *   waiting, which may be long, and is carried out after them.
 * - A finished answer is kept for `KEEP_MS` and given again to the same `request_id`, also after
 *   a restart of gserver. An operation that ended before it changed anything is not kept: it may
 *   be tried again with the same id.
 * - Where the journal cannot be written, an operation with a `request_id` is not begun. One without
 *   is: nobody can ask for it again, and a full disk may be why Fluentd has to be stopped.
 * - An operation that gserver did not live to finish is remembered as interrupted. Its outcome is
 *   unknown, and it is never carried out again under the same id.
 * - A caller who leaves does not end the operation.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { errorInfo, retryInfo, RpcError } from "../../shared/grpc/rpc_error.ts";
import { ERROR_DOMAIN, fluentdError } from "./failures.ts";
import type { OperationScope } from "./operation_scope.ts";
import type { StateFile } from "./system/state_file.ts";

const log = getLogger(["fluentd", "operations"]);

/** How long an answer is kept. */
export const KEEP_MS = 10 * 60 * 1000;
/** How many are kept at most; the oldest goes first. */
export const MAX_KEPT = 64;
/** What a caller that was refused is told to wait. */
const RETRY_MS = 2000;

export type OperationKind = "start" | "stop" | "restart";

/** What an operation is about. */
export interface OperationRequest {
  readonly kind: OperationKind;
  /** Made here when empty. */
  readonly requestId: string;
  /** All that makes a difference in one string: the same id with another is refused. */
  readonly fingerprint: string;
  readonly actor: string;
  readonly reason: string;
}

/** One operation as the journal has it. */
export interface OperationRecord {
  readonly id: string;
  readonly kind: OperationKind;
  readonly fingerprint: string;
  readonly actor: string;
  readonly reason: string;
  /** When it began or, once it has ended, ended. */
  readonly timeMs: number;
  /** Empty while it runs; a status, the name of an error, or `interrupted`. */
  readonly result: string;
  readonly response?: object;
}

/** What the file has. */
export interface Journal {
  readonly version: 1;
  /** Oldest first. */
  readonly operations: readonly OperationRecord[];
}

export const INTERRUPTED = "interrupted";

export function isJournal(value: unknown): value is Journal {
  const { version, operations } = (value ?? {}) as Partial<Journal>;
  return version === 1 && Array.isArray(operations) &&
    operations.every((record) =>
      typeof record?.id === "string" && typeof record.kind === "string" &&
      typeof record.fingerprint === "string" && typeof record.timeMs === "number" &&
      typeof record.result === "string"
    );
}

/** A record in memory. */
interface Kept {
  readonly record: OperationRecord;
  /** When it ended, by `performance.now()`: no clock that is set may have an answer forgotten. */
  readonly endedMs: number;
}

interface Running {
  readonly record: OperationRecord;
  readonly answer: Promise<object>;
  /** Ends its waiting. */
  readonly ending: AbortController;
}

export class Operations {
  readonly #file: StateFile<Journal>;
  readonly #closing = new AbortController();
  #kept: readonly Kept[];
  /** Also what is not kept for its id. */
  #last: OperationRecord | undefined;
  #running: Running | undefined;

  private constructor(file: StateFile<Journal>, kept: readonly Kept[]) {
    this.#file = file;
    this.#kept = kept;
    this.#last = kept.at(-1)?.record;
  }

  /** Reads the journal; what was running when it was written has been interrupted. */
  static async open(file: StateFile<Journal>): Promise<Operations> {
    const { operations = [] } = await file.read() ?? {};
    const timeMs = Date.now();
    const nowMs = performance.now();
    const kept = operations.map((record) =>
      record.result === ""
        // Its time begins now: nobody could ask about it meanwhile.
        ? { record: { ...record, result: INTERRUPTED, timeMs }, endedMs: nowMs }
        // A time in the future means that the clock was set back.
        : { record, endedMs: nowMs - Math.max(0, timeMs - record.timeMs) }
    );
    const opened = new Operations(file, kept);
    if (operations.some(({ result }) => result === "")) await opened.#write();
    return opened;
  }

  /** The operation that runs, or else the one that ended last. */
  get last(): OperationRecord | undefined {
    return this.#running?.record ?? this.#last;
  }

  /**
   * Carries the operation out, or gives the answer of the one with the same id.
   *
   * @param signal The caller's: ends its wait, not the operation.
   * @throws {RpcError} As the action does; `OPERATION_IN_PROGRESS`, `REQUEST_ID_REUSED`,
   *   `OPERATION_INTERRUPTED`, `JOURNAL_UNWRITABLE`, `SHUTTING_DOWN`.
   */
  async run<Response extends object>(
    request: OperationRequest,
    action: (scope: OperationScope) => Promise<{ response: Response; result: string }>,
    signal: AbortSignal,
  ): Promise<Response> {
    signal.throwIfAborted();
    const known = this.#find(request);
    if (known !== undefined) return await until(known, signal) as Response;
    if (this.#closing.signal.aborted) throw this.#closing.signal.reason;
    const superseded = this.#supersede(request, signal);
    if (superseded !== undefined) {
      await superseded;
      // Whatever has begun since counts as if it were asked only now.
      return await this.run(request, action, signal);
    }
    const { record: running } = this.#running ?? {};
    if (running !== undefined) {
      throw new RpcError(
        fluentdError("OPERATION_IN_PROGRESS", "").code,
        `Another operation runs: ${running.kind} ${running.id}`,
        {
          details: [
            errorInfo("OPERATION_IN_PROGRESS", ERROR_DOMAIN, {
              operation_id: running.id,
              kind: running.kind,
            }),
            retryInfo(RETRY_MS),
          ],
        },
      );
    }
    const { kind, fingerprint, actor, reason } = request;
    const id = request.requestId || crypto.randomUUID();
    const record = { id, kind, fingerprint, actor, reason, timeMs: Date.now(), result: "" };
    const ending = new AbortController();
    const answer = this.#carryOut(record, action, {
      mustBeKept: request.requestId !== "",
      superseded: ending.signal,
    });
    // Its callers may all have left.
    answer.catch(() => {});
    this.#running = { record, answer, ending };
    return await until(answer, signal);
  }

  /** Has a start or restart end its waiting for a stop; resolves when it has. */
  #supersede(
    { kind, actor, requestId }: OperationRequest,
    signal: AbortSignal,
  ): Promise<object> | undefined {
    if (kind !== "stop" || this.#running === undefined) return undefined;
    const { record, answer, ending } = this.#running;
    if (record.kind === "stop") return undefined;
    ending.abort(fluentdError(
      "SUPERSEDED",
      `A stop by ${actor || "somebody"} ended this ${record.kind} while it waited; ` +
        "what it had started is stopped next",
      { metadata: { request_id: requestId } },
    ));
    return until(answer.catch(() => ({})), signal);
  }

  /** The answer for this id, if there is or will be one. */
  #find({ requestId, kind, fingerprint }: OperationRequest): Promise<object> | undefined {
    if (requestId === "") return undefined;
    this.#forget();
    const { record: running, answer } = this.#running ?? {};
    const record = running?.id === requestId
      ? running
      : this.#kept.find(({ record: { id } }) => id === requestId)?.record;
    if (record === undefined) return undefined;
    if (record.kind !== kind || record.fingerprint !== fingerprint) {
      throw fluentdError(
        "REQUEST_ID_REUSED",
        `The request_id "${requestId}" belongs to another request, a ${record.kind}: use a new one`,
      );
    }
    if (record === running) return answer;
    return record.result === INTERRUPTED || record.response === undefined
      ? Promise.reject(interrupted(record))
      : Promise.resolve(record.response);
  }

  async #carryOut<Response extends object>(
    record: OperationRecord,
    action: (scope: OperationScope) => Promise<{ response: Response; result: string }>,
    { mustBeKept, superseded }: {
      readonly mustBeKept: boolean;
      readonly superseded: AbortSignal;
    },
  ): Promise<Response> {
    // Lets run() note it first, whatever the action does before it waits.
    await Promise.resolve();
    const { signal } = this.#closing;
    let begun = false;
    const begin = async () => {
      signal.throwIfAborted();
      try {
        await this.#keep(record);
      } catch (error) {
        this.#drop(record);
        if (mustBeKept) throw unwritable(this.#file.path, error);
        this.#complain(error);
      }
      begun = true;
    };
    try {
      const { response, result } = await action({ signal, superseded, begin });
      await this.#finish({ ...record, result, response }, { keep: true });
      return response;
    } catch (error) {
      if (begun) log.error("Operation {id} broke off: {error}", { id: record.id, error });
      const result = begun ? INTERRUPTED : RpcError.from(error).toString();
      await this.#finish({ ...record, result }, { keep: begun });
      throw begun ? interrupted(record, error) : error;
    }
  }

  async #finish(
    record: OperationRecord,
    { keep }: { readonly keep: boolean },
  ): Promise<void> {
    const ended = { ...record, timeMs: Date.now() };
    this.#last = ended;
    try {
      if (keep) await this.#keep(ended);
    } catch (error) {
      // The answer is known all the same, and kept in memory; after a restart it is interrupted.
      this.#complain(error);
    } finally {
      this.#running = undefined;
    }
  }

  async #keep(record: OperationRecord): Promise<void> {
    this.#drop(record);
    this.#kept = [...this.#kept, { record, endedMs: performance.now() }].slice(-MAX_KEPT);
    this.#forget();
    await this.#write();
  }

  #drop({ id }: OperationRecord): void {
    this.#kept = this.#kept.filter(({ record }) => record.id !== id);
  }

  #complain(error: unknown): void {
    log.error("Cannot write {path}: {error}", { path: this.#file.path, error });
  }

  #forget(): void {
    const sinceMs = performance.now() - KEEP_MS;
    this.#kept = this.#kept.filter(({ record, endedMs }) =>
      record.result === "" || endedMs > sinceMs
    );
  }

  #write(): Promise<void> {
    return this.#file.write({ version: 1, operations: this.#kept.map(({ record }) => record) });
  }

  /** Ends the operation that runs, which is then an interrupted one, and takes no more. */
  async close(): Promise<void> {
    this.#closing.abort(fluentdError("SHUTTING_DOWN", "This gserver is shutting down"));
    await this.#running?.answer.catch(() => {});
    await this.#file.flush();
  }
}

function interrupted({ id, kind }: OperationRecord, cause?: unknown): RpcError {
  return fluentdError(
    "OPERATION_INTERRUPTED",
    `The outcome of ${kind} ${id} is unknown: gserver ended or failed before it was known. ` +
      "Look with GetStatus, then ask again with a new request_id",
    { metadata: { operation_id: id, kind }, cause },
  );
}

function unwritable(path: string, cause: unknown): RpcError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return fluentdError(
    "JOURNAL_UNWRITABLE",
    `Nothing was attempted, because it could not be remembered: cannot write ${path}: ${why}. ` +
      "Mend that, or ask without request_id",
    { cause },
  );
}

/** The promise's value, unless the signal fires first. */
async function until<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: left, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([promise, left]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
