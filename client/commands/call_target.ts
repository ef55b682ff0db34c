/**
 * The call of one server of many: its tries, its answer, and whether it went well.
 *
 * @module
 */
import type protobuf from "protobufjs";
import type { Context } from "../../shared/cli/command.ts";
import type { RpcError } from "../../shared/grpc/rpc_error.ts";
import { decodeMessage } from "../../shared/grpc/service.ts";
import { askedHub } from "../call/asked_hub.ts";
import { attemptCall } from "../call/attempt.ts";
import { messageTypes } from "../call/call.ts";
import { CallFailedError, type CallFailure } from "../call/failure.ts";
import { idOf, withId } from "../call/request_id.ts";
import type { CallRoute, RouteValues } from "../call/route.ts";
import { type FailedWay, tryCall } from "../call/tries.ts";
import { givenFlags } from "../connect/given_flags.ts";
import type { FleetValues } from "../fleet/fleet_options.ts";
import type { TargetOutput } from "../fleet/report.ts";
import { failureText } from "../print/failure_text.ts";
import { createPrinter, type Printer } from "../print/print.ts";
import type { PrintValues } from "../print/print_options.ts";

/** What a command says of its calls (`rpc_command.ts` has the whole). */
export interface TargetCommand<Response> {
  readonly onceById?: boolean;
  timeoutMs(request: protobuf.Message): number;
  outcome?(
    response: Response,
    context: Context,
  ): { readonly exitCode: number; readonly error?: string };
}

/** What is sent to a server, and how its answer is read. */
export interface Prepared {
  readonly method: protobuf.Method;
  readonly requests: readonly protobuf.Message[];
}

/** One of the servers that are called. */
export interface Target {
  readonly name: string;
  readonly title: string;
  readonly route: CallRoute;
  readonly output: TargetOutput;
  /** `Date.now()` at which all servers must have answered. */
  readonly until: number;
  /** @throws {CallFailedError} If the server does not tell what it can do. */
  readonly prepared: () => Promise<Prepared>;
}

/** Calls it, and prints its answer as an envelope, and its error. @returns Whether it went well. */
export async function callTarget<R extends object>(
  rpc: TargetCommand<R>,
  context: Context,
  target: Target,
): Promise<boolean> {
  const { name: server, title, route, output, until } = target;
  const values = context.options as FleetValues & PrintValues & RouteValues;
  const start = performance.now();
  const printer = (method: protobuf.Method): Printer =>
    createPrinter({
      values: { ...values, envelope: true, responseFormat: values.responseFormat ?? "json" },
      stdout: output.stdout,
      stderr: output.stderr,
      method,
      type: messageTypes(method).response,
      table: () => undefined,
    });
  const end = (failure?: CallFailure) => ({
    server,
    durationMs: performance.now() - start,
    failure,
  });

  let prepared: Prepared;
  try {
    prepared = await target.prepared();
  } catch (error) {
    if (!(error instanceof CallFailedError)) throw error;
    const { failure } = error;
    await output.stderr.write(failureText(failure));
    await printer(failure.method).end({
      ...end(failure),
      headers: undefined,
      trailers: undefined,
    });
    return false;
  }
  const { method } = prepared;
  const withIds = rpc.onceById === true && values.retries > 0;
  const requests = withIds ? prepared.requests.map(withId) : prepared.requests;
  const { response: type, request: requestType } = messageTypes(method);
  // Nobody knows how long a stream is to go on.
  const isStream = method.requestStream || method.responseStream;
  const limitMs = values.perTargetTimeoutMs ??
    (isStream
      ? Infinity
      : rpc.timeoutMs(requests[0] ?? requestType.create()) + route.waitForServerMs);
  const deadline = Math.min(until, Date.now() + limitMs);
  const { message: printMessage, end: printEnd } = printer(method);
  const failureOf = (error: RpcError, { hub, ...way }: FailedWay): CallFailure => ({
    ...way,
    ...askedHub(route, hub),
    title,
    server,
    flags: givenFlags(context.given),
    method,
    error,
    requestId: rpc.onceById ? idOf(requests[0]) : undefined,
  });

  let ok = true;
  let answered = false;
  const take: Parameters<typeof attemptCall>[1] = async (message, { headers, trailers }) => {
    answered = true;
    const bytes = type.encode(message).finish();
    const outcome = rpc.outcome?.(decodeMessage<R>(type, bytes), context);
    ok = (outcome?.exitCode ?? 0) === 0;
    if (outcome?.error !== undefined) await output.stderr.write(`error: ${outcome.error}\n`);
    await printMessage(message, { ...end(), headers, trailers });
  };
  const tell = async (failure: CallFailure) => {
    await output.stderr.write(failureText(failure));
  };
  try {
    const { headers, trailers, failure } = await tryCall({
      retries: values.retries,
      deadline,
      signal: route.signal,
      attempt: (stage) => attemptCall({ ...route, method, requests, deadline }, take, stage),
      failureOf,
      isBegun: () => answered,
      onInterrupted: tell,
    });
    if (failure !== undefined) await tell(failure);
    await printEnd({ ...end(failure), headers, trailers });
    return ok && failure === undefined;
  } catch (error) {
    if (!route.signal.aborted) throw error;
    return false;
  }
}
