/**
 * A gRPC client of the Fluentd service, for tests: it waits as long as the slowest machine needs, and
 * keeps all that it was told.
 *
 * @module
 */
import {
  type Client,
  type ClientUnaryCall,
  credentials,
  makeGenericClientConstructor,
  type ServiceError,
} from "@grpc/grpc-js";
import assert from "node:assert/strict";
import type {
  fluentd_v1_FluentdState as FluentdState,
  fluentd_v1_GetStatusRequest as GetStatusRequest,
  fluentd_v1_RestartRequest as RestartRequest,
  fluentd_v1_RestartResponse as RestartResponse,
  fluentd_v1_StartRequest as StartRequest,
  fluentd_v1_StartResponse as StartResponse,
  fluentd_v1_StopRequest as StopRequest,
  fluentd_v1_StopResponse as StopResponse,
} from "../../../shared/gen/types.ts";
import { serviceDefinition } from "../../../shared/grpc_js/service_definition.ts";
import { fromServiceError } from "../../../shared/grpc_js/testing/from_service_error.ts";

/** Short, so that tests are fast; long enough for a worker that dies at once to be seen. */
export const MIN_HEALTHY = { seconds: 0, nanos: 300_000_000 };
/** Enough on the slowest machine; what must fail earlier asks for less. */
const WAIT = { seconds: 300 };
/** No call takes longer, whatever it waits for. */
const CALL_MS = 400_000;

const Fluentd = makeGenericClientConstructor(serviceDefinition("fluentd.v1.Fluentd"), "Fluentd");

/** Options of a call. */
export interface CallOptions {
  /** Its caller leaves. */
  readonly signal?: AbortSignal;
}

type Method = (
  request: object,
  options: { deadline: number },
  done: (error: ServiceError | null, response: object) => void,
) => ClientUnaryCall;

/** See the head of this file. */
export class FluentdClient implements Disposable {
  /** Every answer and every error, as text. */
  readonly told: string[] = [];
  readonly #client: Client;

  /** @param address In gRPC's syntax: `host:port`, or `unix:/path`. */
  constructor(address: string) {
    this.#client = new Fluentd(address, credentials.createInsecure());
  }

  start(request: StartRequest = {}, options: CallOptions = {}): Promise<StartResponse> {
    return this.#call("Start", { minHealthy: MIN_HEALTHY, wait: WAIT, ...request }, options);
  }

  stop(request: StopRequest = {}, options: CallOptions = {}): Promise<StopResponse> {
    return this.#call("Stop", request, options);
  }

  restart(request: RestartRequest = {}, options: CallOptions = {}): Promise<RestartResponse> {
    return this.#call("Restart", { minHealthy: MIN_HEALTHY, wait: WAIT, ...request }, options);
  }

  async status(request: GetStatusRequest = {}): Promise<FluentdState> {
    const { state } = await this.#call<{ state?: FluentdState }>("GetStatus", request, {});
    assert.ok(state);
    return state;
  }

  #call<R>(method: string, request: object, { signal }: CallOptions): Promise<R> {
    const options = { deadline: Date.now() + CALL_MS };
    return new Promise((resolve, reject) => {
      const start = (this.#client as unknown as Record<string, Method>)[method]!;
      const call = start.call(this.#client, request, options, (error, response) => {
        if (error === null) {
          this.told.push(JSON.stringify(response));
          resolve(response as R);
        } else {
          const told = fromServiceError(error);
          this.told.push(JSON.stringify([told.message, told.details]));
          reject(told);
        }
      });
      signal?.addEventListener("abort", () => call.cancel(), { once: true });
    });
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}
