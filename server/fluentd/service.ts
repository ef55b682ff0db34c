/**
 * The handlers of `fluentd.v1.Fluentd`: requests in, rules applied, responses out.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type {
  fluentd_v1_FluentdState as FluentdState,
  fluentd_v1_GetStatusRequest as GetStatusRequest,
  fluentd_v1_GetStatusResponse as GetStatusResponse,
  fluentd_v1_RestartRequest as RestartRequest,
  fluentd_v1_RestartResponse as RestartResponse,
  fluentd_v1_StartRequest as StartRequest,
  fluentd_v1_StartResponse as StartResponse,
  fluentd_v1_StopRequest as StopRequest,
  fluentd_v1_StopResponse as StopResponse,
} from "../../shared/gen/types.ts";
import { type CallContext, type Handlers, unary } from "../../shared/grpc/handlers.ts";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { duration, timestamp } from "../../shared/grpc/proto_time.ts";
import { OPERATOR_FIELD } from "../../shared/vouchers/voucher.ts";
import { badField, toWireFailure } from "./failures.ts";
import type { Look, Observer } from "./observe/observer.ts";
import type { OperationKind, OperationRequest, Operations } from "./operations.ts";
import { type OperationOutcome, restart, start, stop } from "./rules.ts";
import { toState } from "./state.ts";
import { MAX_REASON_LENGTH, MAX_REQUEST_ID_LENGTH, readDuration, readText } from "./wire.ts";

const log = getLogger(["fluentd"]);

const DEFAULT_START_WAIT_MS = 30_000;
const DEFAULT_STOP_WAIT_MS = 150_000;
const DEFAULT_RESTART_WAIT_MS = 180_000;
const DEFAULT_MIN_HEALTHY_MS = 2000;
const MAX_ACTOR_LENGTH = 128;

/** All requests that change something have these. */
interface Mutation {
  readonly requestId?: string | undefined;
  readonly reason?: string | undefined;
}

/** The service over one observer. */
export class FluentdService {
  readonly #observer: Observer;
  readonly #operations: Operations;
  #version: string | undefined;

  constructor(observer: Observer, operations: Operations) {
    this.#observer = observer;
    this.#operations = operations;
  }

  get implementation(): Handlers {
    return {
      Start: unary((request: StartRequest, context) => this.#masked(this.#start(request, context))),
      Stop: unary((request: StopRequest, context) => this.#masked(this.#stop(request, context))),
      Restart: unary((request: RestartRequest, context) =>
        this.#masked(this.#restart(request, context))
      ),
      GetStatus: unary((request: GetStatusRequest, context) =>
        this.#masked(this.#getStatus(request, context))
      ),
    };
  }

  /** The one door: whatever was quoted on the way, no secret of the config gets out. */
  async #masked<Response>(answer: Promise<Response>): Promise<Response> {
    const { mask } = this.#observer;
    try {
      return mask.deep(await answer);
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      throw new RpcError(error.code, mask.text(error.message), {
        details: mask.deep(error.details),
        cause: error,
      });
    }
  }

  async #start(request: StartRequest, context: CallContext): Promise<StartResponse> {
    const rules = {
      ...readWaits(request, DEFAULT_START_WAIT_MS),
      validate: !request.skipValidate,
    };
    return await this.#operations.run(toOperation("start", request, context), async (scope) => {
      const outcome = await start(this.#observer, rules, scope);
      return this.#answer("start", outcome, this.#toResponse(outcome));
    }, context.signal);
  }

  async #stop(request: StopRequest, context: CallContext): Promise<StopResponse> {
    const rules = {
      waitMs: readDuration("wait", request.wait, { defaultMs: DEFAULT_STOP_WAIT_MS }),
      flushFirst: request.flushFirst ?? false,
      forceAfter: request.forceAfter ?? false,
      acceptLoss: request.acceptLoss ?? false,
    };
    return await this.#operations.run(toOperation("stop", request, context), async (scope) => {
      const outcome = await stop(this.#observer, rules, scope);
      const { killed, remainingBufferBytes } = outcome;
      const left = remainingBufferBytes === undefined ? {} : { remainingBufferBytes };
      return this.#answer("stop", outcome, { ...this.#toResponse(outcome), killed, ...left });
    }, context.signal);
  }

  async #restart(request: RestartRequest, context: CallContext): Promise<RestartResponse> {
    const rules = {
      ...readWaits(request, DEFAULT_RESTART_WAIT_MS),
      validate: request.validateFirst ?? true,
      zeroDowntime: request.mode === "ZERO_DOWNTIME",
      onlyIfRunning: request.onlyIfRunning ?? false,
      acceptLoss: request.acceptLoss ?? false,
    };
    return await this.#operations.run(toOperation("restart", request, context), async (scope) => {
      const outcome = await restart(this.#observer, rules, scope);
      return this.#answer("restart", outcome, this.#toResponse(outcome));
    }, context.signal);
  }

  async #getStatus(request: GetStatusRequest, { signal }: CallContext): Promise<GetStatusResponse> {
    const look = await this.#observer.look({ signal });
    const state = toState(look, {
      ...this.#context(),
      lastOperation: this.#operations.last,
      includeBuffers: request.view === "FULL",
      includePlugins: request.view === "FULL" || (request.includePlugins ?? false),
    });
    this.#version = state.version ?? this.#version;
    return { state, now: timestamp(Date.now()) };
  }

  #toResponse<Status extends string>(outcome: OperationOutcome<Status>) {
    const { status, before, after, failure, elapsedMs } = outcome;
    const context = this.#context();
    const state = (look: Look): FluentdState => toState(look, context);
    return {
      status,
      before: state(before),
      after: state(after),
      elapsed: duration(elapsedMs),
      ...(failure === undefined ? {} : { failure: toWireFailure(failure) }),
    };
  }

  #context() {
    const { manager, history } = this.#observer;
    return { manager, restartsTotal: history.total, version: this.#version };
  }

  #answer<Response extends object>(
    kind: OperationKind,
    { status, failure, elapsedMs }: OperationOutcome<string>,
    response: Response,
  ) {
    const properties = { kind, status, elapsedMs: Math.round(elapsedMs) };
    if (failure === undefined) {
      log.info("Operation {kind} ended: {status} after {elapsedMs} ms", properties);
    } else {
      const { reason, message } = failure;
      log.warn("Operation {kind} ended: {status} after {elapsedMs} ms, {reason}: {message}", {
        ...properties,
        reason,
        message: this.#observer.mask.text(message),
      });
    }
    const masked = this.#observer.mask.deep(response);
    return {
      response: masked,
      result: failure === undefined ? status : `${status} ${failure.reason}`,
    };
  }
}

function readWaits(
  request: Pick<StartRequest, "wait" | "minHealthy">,
  defaultWaitMs: number,
): { waitMs: number; minHealthyMs: number } {
  const waitMs = readDuration("wait", request.wait, { defaultMs: defaultWaitMs });
  const minHealthyMs = readDuration("min_healthy", request.minHealthy, {
    defaultMs: DEFAULT_MIN_HEALTHY_MS,
  });
  if (waitMs <= minHealthyMs) {
    throw badField(
      "wait",
      `must be longer than min_healthy (${minHealthyMs / 1000}s), or readiness can never be seen`,
    );
  }
  return { waitMs, minHealthyMs };
}

function toOperation(
  kind: OperationKind,
  request: Mutation,
  { metadata, peer }: CallContext,
): OperationRequest {
  const { requestId, reason, ...rest } = request;
  const actor = String(metadata.get(OPERATOR_FIELD)[0] ?? peer).slice(0, MAX_ACTOR_LENGTH);
  return {
    kind,
    requestId: readText("request_id", requestId, { maxLength: MAX_REQUEST_ID_LENGTH }),
    // Fields are in the order of their numbers, whatever order they came in.
    fingerprint: JSON.stringify(rest),
    actor: readText(OPERATOR_FIELD, actor, { maxLength: MAX_ACTOR_LENGTH }),
    reason: readText("reason", reason, { maxLength: MAX_REASON_LENGTH }),
  };
}
