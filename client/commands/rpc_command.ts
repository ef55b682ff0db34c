/**
 * A command that makes one call: what all of them share, from the flags to the exit code.
 *
 * @module
 */
import type protobuf from "protobufjs";
import { sampleMessage } from "../../shared/codec/sample.ts";
import type { Value } from "../../shared/codec/value.ts";
import { type Argument, type Io, type Options, UsageError } from "../../shared/cli/program.ts";
import type { Command, Context } from "../../shared/cli/command.ts";
import { OutputError } from "../../shared/cli/io.ts";
import { decodeMessage } from "../../shared/grpc/service.ts";
import { printable } from "../../shared/text/printable.ts";
import type { RpcError } from "../../shared/grpc/rpc_error.ts";
import { askedHub } from "../call/asked_hub.ts";
import { type Attempt, attemptCall, type CallPlan } from "../call/attempt.ts";
import { messageTypes } from "../call/call.ts";
import { connectionNeeds, connectionOptions } from "../connect/connection_options.ts";
import { fleetOptions } from "../fleet/fleet_options.ts";
import { givenFlags } from "../connect/given_flags.ts";
import { EXIT_CODES_HELP, exitCodeOf } from "../print/exit_code.ts";
import { CallFailedError, type CallFailure } from "../call/failure.ts";
import { failureDocument } from "../print/failure_document.ts";
import { mayChange, stopsCollection } from "../call/method_kind.ts";
import { ownMethod } from "../call/own_method.ts";
import { type CallRoute, planRoute, type RouteValues, shareChannels } from "../call/route.ts";
import { defaultServerOptions, serverOptions } from "../call/server_options.ts";
import { giveId, idOf } from "../call/request_id.ts";
import { type FailedWay, tryCall } from "../call/tries.ts";
import { createPrinter, isTable } from "../print/print.ts";
import { printOptions, type PrintValues } from "../print/print_options.ts";
import { jsonSchema } from "../print/json_schema.ts";
import { showProgress } from "../print/progress.ts";
import { openRequests, readRequests } from "../request/request.ts";
import { requestOptions, type RequestValues } from "../request/request_options.ts";
import type { RequestStream } from "../request/request_stream.ts";
import { targetSelectorOptions } from "./selector_options.ts";
import { fieldsOf, fieldsOfNamed } from "./schema_words.ts";
import { confirm, isFleet, runFleetCommand } from "./fleet_command.ts";
import { processStdin, requestTimeoutMs } from "../request/stdin.ts";

/** How a call that went through counts. */
export interface CallOutcome {
  readonly exitCode: number;
  /** A line for stderr, when it failed. */
  readonly error?: string;
}

/** What differs between commands. */
export interface RpcCommand<Response> {
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly summary: string;
  readonly description: string;
  readonly examples: readonly string[];
  readonly args?: readonly Argument[];
  /** Options in addition to those that all have. */
  readonly options?: Options;
  readonly needs?: Command["needs"];
  /** As people call it: "fluentd.start". */
  readonly title: string | ((context: Context) => string);
  /** `package.Service/Method`, or what finds it. */
  readonly method:
    | string
    | ((context: Context, route?: CallRoute) => Promise<protobuf.Method>);
  /** What `-p` shows in some of the request's fields, so that a server takes it as it stands. */
  readonly sample?: Readonly<Record<string, Value>>;
  /** Brings the arguments into the order of `args`. @default they stand in it */
  arrangeArgs?(args: readonly string[]): readonly string[];
  /** Does an argument name the server that is called? Else the hub itself is. */
  readonly toServer: boolean;
  /** Which argument. @default 0 */
  readonly serverAt?: number;
  /** Does `--server` stand for one that is not named? Else the hub itself is meant. @default false */
  readonly takesServer?: boolean;
  /** The request has a `request_id`: with the same one, a server does a thing once. @default false */
  readonly onceById?: boolean;
  /** Puts what the command's own options and arguments say into the request. */
  prepare?(request: protobuf.Message, context: Context): void;
  /** Makes one try. @default attemptCall */
  readonly attempt?: typeof attemptCall;
  /** The time limit of a call that is no stream, unless told otherwise. */
  timeoutMs(request: protobuf.Message): number;
  /**
   * A response as text for people.
   *
   * @param columns Of the terminal; lines that are wider are folded. `Infinity` where there is none.
   * @default JSON
   */
  table?(response: Response, columns: number, context: Context): string;
  /** The names in a response, for `-o name`. @default there are none */
  names?(response: Response): readonly string[];
  /** Changes a response before it is printed, as options say. */
  arrange?(response: protobuf.Message, context: Context): void;
  outcome?(response: Response, context: Context): CallOutcome;
}

/** The values of all options that this file gives a command. */
type Values = RequestValues & PrintValues & RouteValues;

/** Makes the command. */
export function rpcCommand<Response extends object>(rpc: RpcCommand<Response>): Command {
  const { name, aliases = [], summary, description, examples, args = [], options } = rpc;
  return {
    name,
    aliases,
    summary,
    description,
    examples,
    args,
    notes: EXIT_CODES_HELP,
    options: {
      ...options,
      ...requestOptions,
      set: {
        ...requestOptions.set,
        complete: typeof rpc.method === "string" ? fieldsOf(rpc.method) : fieldsOfNamed,
      },
      ...printOptions,
      ...(rpc.toServer ? { ...targetSelectorOptions, ...fleetOptions, ...serverOptions } : {}),
      ...(rpc.takesServer ? defaultServerOptions : {}),
      ...connectionOptions,
    },
    needs: (values, env) => [
      ...connectionNeeds(values, env),
      ...values["logDir"] === undefined ? [] : ["write"] as const,
      ...(rpc.needs?.(values, env) ?? []),
    ],
    run: async (given) => {
      const args = rpc.arrangeArgs?.(given.args);
      const context = args === undefined ? given : { ...given, args };
      try {
        return await run(rpc, context);
      } catch (error) {
        if (!(error instanceof CallFailedError)) throw error;
        const { responseFormat } = context.options as Values;
        await context.io.stderr.write(failureDocument(error.failure, responseFormat));
        return exitCodeOf(error.failure.error.code);
      }
    },
  };
}

async function run<Response extends object>(
  rpc: RpcCommand<Response>,
  context: Context,
): Promise<number> {
  if (isFleet(rpc, context)) return await runFleetCommand(rpc, context);
  const { io } = context;
  const values = context.options as Values;
  const title = typeof rpc.title === "string" ? rpc.title : rpc.title(context);
  const named = serverOf(rpc, context);
  // To ask what there is and to call it takes one connection.
  await using channels = new AsyncDisposableStack();
  const deadline = Date.now() + (values.timeoutMs ?? Infinity);
  const route = typeof rpc.method === "string" || values.printSampleRequest
    ? undefined
    : shareChannels(await planRoute(context, named), { channels, deadline });
  const method = typeof rpc.method === "string"
    ? ownMethod(rpc.method)
    : await rpc.method(context, route);
  const { request: requestType, response: type } = messageTypes(method);
  if (values.schema && !values.printSampleRequest) {
    throw new UsageError("--schema needs -p: it prints, and calls nobody", { hint: "Add -p" });
  }
  if (values.schema) {
    await io.stdout.write(`${JSON.stringify(jsonSchema(requestType), null, 2)}\n`);
    return 0;
  }
  if (values.printSampleRequest) {
    await io.stdout.write(sampleText(requestType, values, rpc.sample));
    return 0;
  }
  const decode = (message: protobuf.Message) =>
    decodeMessage<Response>(type, type.encode(message).finish());
  const table = (message: protobuf.Message, columns: number) =>
    values.responseFormat === "name"
      ? rpc.names?.(decode(message)).map((name) => `${printable(name)}\n`).join("")
      : rpc.table?.(decode(message), columns, context);
  if (values.responseFormat === "name" && rpc.names === undefined) {
    throw new UsageError(`-o name: what ${title} answers has no names`, {
      hint: "Use -o json, yaml, xml or table",
    });
  }
  const { stdout, stderr } = io;
  if (stopsCollection(method)) {
    const server = serverOf(rpc, context);
    const targets = server === undefined ? [] : [server];
    const refused = await confirm(context, { title, targets, method });
    if (refused !== undefined) return refused;
  }
  const printer = createPrinter({ values, stdout, stderr, method, type, table });
  const plan = await makePlan(rpc, context, {
    method,
    route: route ?? await planRoute(context, named),
  });
  const { server } = plan;

  const start = performance.now();
  const limitMs = plan.deadline - Date.now();
  const what = server === undefined ? title : `${title} on ${server}`;
  using progress = showProgress({ what, limitMs, stderr: io.stderr });
  // It would be written over what somebody types.
  if (plan.stream?.isTyped) progress.stop();
  let last: protobuf.Message | undefined;
  let outcome: CallOutcome | undefined;
  const take = async (message: protobuf.Message, call: Pick<Attempt, "headers" | "trailers">) => {
    rpc.arrange?.(message, context);
    last = message;
    // What happens at the other side of a stream shows itself now.
    if (method.responseStream) progress.stop();
    else progress.clear();
    outcome = rpc.outcome?.(decode(message), context);
    // Before the answer, which may hold 40 lines of another program's log.
    if (outcome?.error !== undefined) await io.stderr.write(`error: ${what}: ${outcome.error}\n`);
    const { headers, trailers } = call;
    const durationMs = performance.now() - start;
    await printed(printer.message(message, { server, headers, trailers, durationMs }));
  };
  const printed = async (writing: Promise<void>) => {
    try {
      await writing;
    } catch (error) {
      // Or else it looks as if nothing had been done.
      if (error instanceof OutputError && last !== undefined && mayChange(method)) {
        await stderr.write(`warning: ${what} was answered, and the answer is lost\n`);
      }
      throw error;
    }
  };

  const { attempt: attemptOnce = attemptCall } = rpc;
  const failureOf = (error: RpcError, { hub, ...way }: FailedWay): CallFailure => ({
    ...way,
    ...askedHub(plan, hub),
    title,
    server,
    flags: givenFlags(context.given),
    method,
    error,
    requestId: rpc.onceById ? idOf(plan.first) : undefined,
  });
  const { error, headers, trailers, failure } = await tryCall({
    retries: values.retries,
    deadline: plan.deadline,
    signal: plan.signal,
    attempt: async (stage) => {
      const attempt = await attemptOnce(plan, take, stage);
      progress.clear();
      return attempt;
    },
    failureOf,
    isBegun: () => last !== undefined || plan.stream?.begun === true,
    onRetry: async ({ message }, waitMs) => {
      const text = `warning: ${message}; trying again in ${Math.round(waitMs)} ms\n`;
      if (!values.quiet) await stderr.write(text);
    },
    onInterrupted: async (failure) => {
      progress.stop();
      await stderr.write(failureDocument(failure, values.responseFormat));
    },
  });
  if (failure !== undefined) await stderr.write(failureDocument(failure, values.responseFormat));
  const durationMs = performance.now() - start;
  await printed(printer.end({ server, headers, trailers, durationMs, failure }));
  if (error !== undefined) return exitCodeOf(error.code);
  return outcome?.exitCode ?? 0;
}

/** A plan, and what is known of its requests. */
interface MadePlan extends CallPlan {
  /** The first of those that are there. */
  readonly first: protobuf.Message | undefined;
  /** Those that are still to come. */
  readonly stream: RequestStream | undefined;
}

/** The one that is called, if it is named. */
function serverOf<R>({ toServer, serverAt = 0, takesServer }: RpcCommand<R>, context: Context) {
  if (!toServer) return undefined;
  return context.args[serverAt] ?? (takesServer ? context.options["server"] : undefined);
}

async function makePlan<Response>(
  rpc: RpcCommand<Response>,
  context: Context,
  { method, route }: { readonly method: protobuf.Method; readonly route: CallRoute },
): Promise<MadePlan> {
  const { signal, io } = context;
  const values = context.options as Values;
  const prepare = (request: protobuf.Message) => rpc.prepare?.(request, context);
  const stream = openRequests(method, values, { stdin: processStdin, stderr: io.stderr, prepare });
  const stdinTimeoutMs = requestTimeoutMs(values);
  const all = stream === undefined
    ? await readRequestsAloud(method, values, { signal, stdinTimeoutMs, io })
    : [];
  all.forEach(prepare);
  // Without a need for one there is none: a server whose disk is full can keep no answers by their ids.
  if (rpc.onceById && values.retries > 0) all.forEach(giveId);
  const [first] = all;
  // Nobody knows how long a stream is to go on.
  const limitMs = () =>
    method.requestStream || method.responseStream
      ? Infinity
      : rpc.timeoutMs(first ?? messageTypes(method).request.create()) + route.waitForServerMs;
  const deadline = Date.now() + (values.timeoutMs ?? limitMs());
  return { ...route, method, requests: stream ?? all, deadline, first, stream };
}

interface ReadOptions {
  readonly signal: AbortSignal;
  readonly stdinTimeoutMs: number;
  readonly io: Io;
}

/** Reads the requests, and tells a person who forgot a pipe what it waits for. */
async function readRequestsAloud(
  method: protobuf.Method,
  values: RequestValues,
  { signal, stdinTimeoutMs, io }: ReadOptions,
): Promise<protobuf.Message[]> {
  const what = "waiting for the request on standard input (-n sends an empty one)";
  using _ = showProgress({ what, limitMs: stdinTimeoutMs, stderr: io.stderr });
  return await readRequests(method, values, { stdin: processStdin, signal, stdinTimeoutMs });
}

function sampleText(
  type: protobuf.Type,
  values: Values,
  sample: Readonly<Record<string, Value>> = {},
): string {
  const { requestFormat, responseFormat } = values;
  const asked = responseFormat === undefined || isTable(responseFormat)
    ? undefined
    : responseFormat;
  const format = requestFormat ?? (asked === "prettyjson" ? "json" : asked) ?? "json";
  return sampleMessage(type, { format, values: sample });
}
