/**
 * A command for many servers: which ones, whether they are meant, the calls, and what they have given.
 *
 *     which servers ─▶ schemas, requests ─▶ confirmed? ─▶ a call each, on one connection ─▶ summary
 *
 * Whatever is wrong with the command itself shows before the first server is called.
 *
 * @module
 */
import type protobuf from "protobufjs";
import { backoff } from "../../shared/async/backoff.ts";
import { delay } from "../../shared/async/delay.ts";
import { formatHostPort } from "../../shared/cli/parse_host_port.ts";
import type { Context } from "../../shared/cli/command.ts";
import { type Output, UsageError } from "../../shared/cli/program.ts";
import { writeMessage } from "../../shared/codec/document.ts";
import type { ghub_v1_Server as ListedServer } from "../../shared/gen/types.ts";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { methodPath } from "../../shared/grpc/service.ts";
import { printable } from "../../shared/text/printable.ts";
import { askedHub } from "../call/asked_hub.ts";
import type { HubAddress } from "../call/attempt.ts";
import { messageTypes } from "../call/call.ts";
import { CallFailedError, type MissedHub } from "../call/failure.ts";
import { listedServers } from "../call/listed_servers.ts";
import { mayChange, stopsCollection } from "../call/method_kind.ts";
import { ownMethod } from "../call/own_method.ts";
import { type CallRoute, planRoute, type RouteValues, shareChannels } from "../call/route.ts";
import { givenFlags } from "../connect/given_flags.ts";
import { askConsent } from "../fleet/confirm.ts";
import type { FleetValues } from "../fleet/fleet_options.ts";
import { LogDir } from "../fleet/log_dir.ts";
import { OncePerGroup } from "../fleet/once_per_group.ts";
import { FleetReport } from "../fleet/report.ts";
import { runFleet } from "../fleet/runner.ts";
import { countOf } from "../fleet/share.ts";
import { chooseTargets } from "../fleet/targets.ts";
import { failureText } from "../print/failure_text.ts";
import { Exit, exitCodeOf } from "../print/exit_code.ts";
import { isTable } from "../print/print.ts";
import type { PrintValues } from "../print/print_options.ts";
import { readRequests } from "../request/request.ts";
import type { RequestValues } from "../request/request_options.ts";
import { processStdin, requestTimeoutMs, type Stdin, STDIN_TIMEOUT_MS } from "../request/stdin.ts";
import { callTarget, type Prepared, type TargetCommand } from "./call_target.ts";
import { selectorText, type SelectorValues } from "./selector_options.ts";

/** The values of all options of a command that may call several servers. */
type Values = FleetValues & SelectorValues & RequestValues & PrintValues & RouteValues;

const LIST_METHOD = "ghub.v1.Hub/ListServers";

/** What a command says of itself (`rpc_command.ts` has the whole). */
export interface FleetCommand<Response> extends TargetCommand<Response> {
  readonly title: string | ((context: Context) => string);
  readonly method: string | ((context: Context, route?: CallRoute) => Promise<protobuf.Method>);
  readonly toServer: boolean;
  readonly serverAt?: number;
  prepare?(request: protobuf.Message, context: Context): void;
}

/** Are several servers meant, or is it not known yet how many? */
export function isFleet<R>(rpc: FleetCommand<R>, { args, options }: Context): boolean {
  const values = options as Partial<Values>;
  if (!rpc.toServer || values.printSampleRequest) return false;
  // How many a selection means shows only later: its answers have the same form, also of one server.
  return args.slice(rpc.serverAt ?? 0).length > 1 || isSelected(values as Values) ||
    values.allServers === true || values.fromFile !== undefined || values.listTargets === true ||
    values.dryRun === true || (values.exclude?.length ?? 0) > 0;
}

function isSelected({ selector, label }: Values): boolean {
  return selector.length + label.length > 0;
}

/** Asks, if a person must confirm. @returns An exit code, if it must not go on. */
export async function confirm(
  context: Context,
  { title, targets, method }: {
    readonly title: string;
    readonly targets: readonly string[];
    /** Absent: it is not known what it does. */
    readonly method: protobuf.Method | undefined;
  },
): Promise<number | undefined> {
  const { io, signal } = context;
  const { yes, noInput } = context.options as Values;
  const changes = method === undefined || mayChange(method);
  const stops = method !== undefined && stopsCollection(method);
  const ask = noInput ? undefined : io.ask;
  const consent = await askConsent({ title, targets, changes, stops, yes, signal }, ask);
  if (consent === "given") return undefined;
  await io.stderr.write(
    consent === "refused" ? "error: Not confirmed: nothing was done\n" : (
      `error: ${title} would change ${targets.length} servers, and there is nobody to ask\n` +
      "hint: Add --yes if that is meant; --list-targets shows them\n"
    ),
  );
  return Exit.NOT_CONFIRMED;
}

/** Does it, and returns the exit code. */
export async function runFleetCommand<R extends object>(
  rpc: FleetCommand<R>,
  context: Context,
): Promise<number> {
  const { signal, io } = context;
  const values = context.options as Values;
  if (values.responseFormat !== undefined && isTable(values.responseFormat)) {
    throw new UsageError("Answers of several servers have no form as a table", {
      hint: "Use -o json, yaml or xml",
    });
  }
  const until = Date.now() + (values.timeoutMs ?? Infinity);
  const route = await planRoute(context, undefined);
  await using channels = new AsyncDisposableStack();
  const shared = shareChannels({ ...route, raw: false }, { channels, deadline: until });
  /** With a hub at its head that was reached. */
  let reached = shared;
  // In raw mode the hub gives each server's bytes a connection of their own.
  const routeTo = (server: string | undefined): CallRoute => ({
    ...(route.raw ? route : reached),
    server,
    // A hub that is away is told once, and not of each server.
    warnings: undefined,
  });
  let asked: Promise<ListedServer[]> | undefined;
  const selector = selectorText(values);
  const listed = () => asked ??= listedServers(shared, selector);
  const stdin = readOnce(processStdin, values.fromFile === "-");
  const targets = await chooseTargets(values, {
    names: context.args.slice(rpc.serverAt ?? 0),
    selected: isSelected(values),
    listed: async () => (await listed()).map(({ name = "" }) => name),
    stdin: async () =>
      new TextDecoder().decode(await stdin.names({ signal, timeoutMs: STDIN_TIMEOUT_MS })),
  });
  const { names } = targets;
  for (const name of targets.idle) {
    if (!values.quiet) {
      await io.stderr.write(`warning: --exclude ${name}: it is not meant anyway\n`);
    }
  }
  if (names.length === 0) {
    await io.stderr.write("error: No server is meant\nhint: gclient hub servers --all\n");
    return Exit.NO_TARGET;
  }
  if (values.listTargets) {
    await io.stdout.write(names.map((name) => `${name}\n`).join(""));
    return Exit.OK;
  }

  const prepared = await prepare(rpc, context, { names, routeTo, listed, stdin: stdin.request });
  const title = typeof rpc.title === "string" ? rpc.title : rpc.title(context);
  if (values.dryRun) return await printRequests(names, prepared, io.stdout);
  const refused = await confirm(context, { title, targets: names, method: prepared.first });
  if (refused !== undefined) return refused;

  using logDir = values.logDir === undefined ? undefined : await LogDir.open(values.logDir);
  const { stdout, stderr } = io;
  const { ordered, quiet } = values;
  using report = new FleetReport({
    ...{ title, targets: names, stdout, stderr, ordered, quiet, logDir },
  });
  if (!route.raw) {
    const hubs = await reachHub(shared, context, { title, method: prepared.first });
    if (typeof hubs === "number") return hubs;
    reached = hubs;
  }
  await runFleet({
    targets: names,
    parallel: Math.max(1, countOf(values.parallel, names.length)),
    canary: values.canary,
    maxFailures: countOf(values.maxFailures, names.length),
    stopped: () => signal.aborted || Date.now() >= until,
    room: () => report.room(),
    run: async (name) => {
      const output = await report.begin(name);
      const start = performance.now();
      const ok = await callTarget(rpc, context, {
        ...{ name, title, output, until },
        route: routeTo(name),
        prepared: () => prepared.of(name),
      });
      await output.end({ ok, durationMs: performance.now() - start });
      return ok;
    },
  });
  const { succeeded, others } = await report.finish();
  signal.throwIfAborted();
  return others === 0 ? Exit.OK : succeeded === 0 ? Exit.ALL_FAILED : Exit.SOME_FAILED;
}

interface HubOptions {
  readonly title: string;
  readonly method: protobuf.Method | undefined;
}

/**
 * Connects. Hubs that are not there are one failure, and not one of each server.
 *
 * @returns The route that begins with the first hub that is there, or an exit code if none is.
 */
async function reachHub(
  route: CallRoute,
  context: Context,
  { title, method = ownMethod(LIST_METHOD) }: HubOptions,
): Promise<CallRoute | number> {
  const { retries } = context.options as Values;
  const hubs: readonly HubAddress[] = [route, ...route.otherHubs ?? []];
  for (let tries = 0;; tries++) {
    const missed: MissedHub[] = [];
    for (const { address, tls, proxy, shared } of hubs) {
      try {
        await shared?.get();
        const hub = { address, tls, proxy, shared };
        for (const one of missed) {
          const text = printable(`${one.address}: ${one.error.message}`);
          await route.warnings?.write(`warning: ${text}\n`);
        }
        const otherHubs = hubs.filter((one) => one.address !== address);
        return { ...route, ...hub, otherHubs };
      } catch (error) {
        if (!(error instanceof RpcError)) throw error;
        missed.push({ address: formatHostPort(address), error, way: { connected: false } });
      }
    }
    if (tries < retries) {
      await delay(backoff(tries), { signal: context.signal });
      continue;
    }
    const { error } = missed.at(-1)!;
    await context.io.stderr.write(failureText({
      ...askedHub(route, hubs.at(-1)),
      title,
      server: undefined,
      flags: givenFlags(context.given),
      missed: missed.slice(0, -1),
      method,
      error,
      connected: false,
    }));
    return exitCodeOf(error.code);
  }
}

interface PrepareOptions {
  readonly names: readonly string[];
  readonly routeTo: (server: string | undefined) => CallRoute;
  readonly listed: () => Promise<ListedServer[]>;
  readonly stdin: Stdin;
}

interface AllPrepared {
  /** @throws {CallFailedError} If this server does not tell what it can do. */
  of(name: string): Promise<Prepared>;
  /** Absent: nobody has told. */
  readonly first: protobuf.Method | undefined;
}

/**
 * Finds the method and reads the request: once, where all servers have the same; else once for each
 * version of a server that is online, and for each upstream.
 *
 * @throws {UsageError} If the request is none for what the servers have.
 */
async function prepare<R extends object>(
  rpc: FleetCommand<R>,
  context: Context,
  { names, routeTo, listed, stdin }: PrepareOptions,
): Promise<AllPrepared> {
  const values = context.options as Values;
  const { signal } = context;
  const withRequests = async (method: protobuf.Method): Promise<Prepared> => {
    // Each server gets all requests of a stream, so they are read whole; but nobody knows how long that takes.
    const stdinTimeoutMs = method.requestStream ? Infinity : requestTimeoutMs(values);
    const requests = await readRequests(method, values, { stdin, signal, stdinTimeoutMs });
    for (const request of requests) rpc.prepare?.(request, context);
    return { method, requests };
  };
  const { method: find } = rpc;
  if (typeof find === "string") {
    const method = ownMethod(find);
    const all = await withRequests(method);
    return { of: () => Promise.resolve(all), first: method };
  }
  const versions = await versionsOf(listed);
  const schemas = new OncePerGroup(
    async (name) => await withRequests(await find(context, routeTo(name))),
    // What an upstream has, its server's version does not tell.
    (name) => versions.get(name)?.version || `only ${name}`,
  );
  let first: protobuf.Method | undefined;
  for (const name of names) {
    if (versions.get(name)?.state === "OFFLINE") continue;
    try {
      first ??= (await schemas.of(name)).method;
    } catch (error) {
      if (!(error instanceof CallFailedError)) throw error;
      // It is told when its turn comes.
    }
  }
  return { of: (name) => schemas.of(name), first };
}

/** Name → what the hub knows; nothing, if the hub does not say. */
async function versionsOf(
  listed: () => Promise<ListedServer[]>,
): Promise<ReadonlyMap<string, ListedServer>> {
  try {
    return new Map((await listed()).map((server) => [server.name ?? "", server]));
  } catch (error) {
    if (!(error instanceof CallFailedError)) throw error;
    return new Map();
  }
}

/** `--dry-run`: a line of JSON for each server. */
async function printRequests(
  names: readonly string[],
  prepared: AllPrepared,
  stdout: Output,
): Promise<number> {
  for (const server of names) {
    const { method, requests } = await prepared.of(server);
    const { request: type } = messageTypes(method);
    for (const message of requests) {
      const request = JSON.parse(writeMessage(message, { type, format: "json" }));
      const line = { server, method: methodPath(method).slice(1), request };
      await stdout.write(`${JSON.stringify(line)}\n`);
    }
  }
  return Exit.OK;
}

/** Standard input gives either the names of servers or the request, which all of them get. */
function readOnce(stdin: Stdin, forNames: boolean): { names: Stdin["read"]; request: Stdin } {
  let all: Promise<Uint8Array> | undefined;
  return {
    names: (options) => stdin.read(options),
    request: {
      kind: () => forNames ? "none" : stdin.kind(),
      chunks: () => stdin.chunks(),
      read: (options) => all ??= stdin.read(options),
    },
  };
}
