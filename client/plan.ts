/**
 * How a command reaches the hub, and which server behind it: what the flags say, checked.
 *
 * @module
 */
import { parseDuration } from "../shared/cli/parse_duration.ts";
import { type Context, type Option, UsageError } from "../shared/cli/program.ts";
import { isLoopbackHost } from "../shared/net/loopback.ts";
import type { CallPlan } from "./attempt.ts";
import { readTlsSettings } from "./channel.ts";
import type { ConnectionValues } from "./connection_options.ts";
import type { PrintValues } from "./print.ts";
import { readToken } from "./token.ts";

/** Only calls to servers can go around the hub's routing. */
export const serverOptions = {
  raw: {
    flag: "--raw",
    help: "Goes through the hub by a JSON handshake: gRPC end to end, unseen by the hub",
    group: "Connection",
  },
  waitForServerMs: {
    flag: "--wait-for-server",
    value: "DURATION",
    parse: parseDuration,
    default: 0,
    defaultText: "not at all",
    help: "Lets the hub wait so long for a server that is away; the timeout grows by it",
    group: "Connection",
  },
} as const satisfies Record<string, Option>;

/** The values of the options that say how to get there. */
export type RouteValues = ConnectionValues & Pick<PrintValues, "quiet"> & {
  readonly raw?: boolean;
  readonly waitForServerMs?: number;
};

/** A plan without its call. */
export type Route = Omit<CallPlan, "method" | "requests" | "deadline">;

/**
 * @param server As given; `undefined` for the hub itself, or its only server.
 * @throws {UsageError} If flags contradict each other or a file cannot be used.
 */
export async function planRoute(context: Context, server: string | undefined): Promise<Route> {
  const { signal, env, io } = context;
  const values = context.options as RouteValues;
  const { raw = false, waitForServerMs = 0, serverAddr: address } = values;
  if (raw && waitForServerMs > 0) {
    throw new UsageError("--raw and --wait-for-server cannot be combined", {
      hint: "Use --retry N with --raw",
    });
  }
  checkServerName(server);
  const tls = await readTlsSettings(values);
  const token = await readToken(values.tokenFile, env);
  if (token !== undefined && tls === undefined && !isLoopbackHost(address.host) && !values.quiet) {
    await io.stderr.write("warning: without --tls, the token can be read on its way to the hub\n");
  }
  return {
    address,
    tls,
    server,
    token,
    raw,
    waitForServerMs,
    headers: values.headers,
    connectTimeoutMs: values.connectTimeoutMs,
    signal,
    trace: values.verbose ? io.stderr : undefined,
  };
}

function checkServerName(name: string | undefined): void {
  // An empty variable of a script must not become "the only server".
  if (name === undefined || /^[\x21-\x7e]+$/.test(name)) return;
  throw new UsageError(`"${name}" is not a server's name`, {
    hint: 'All servers: "gclient hub servers"',
  });
}
