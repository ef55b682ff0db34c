/**
 * How a command reaches the hub, and which server behind it: what the flags say, checked.
 *
 * @module
 */
import { formatHostPort, type HostPort } from "../../shared/cli/parse_host_port.ts";
import { type Output, UsageError } from "../../shared/cli/program.ts";
import type { Context, Env } from "../../shared/cli/command.ts";
import { isLoopbackHost } from "../../shared/net/loopback.ts";
import { type CallPlan, type HubAddress, tokenOf } from "./attempt.ts";
import { type ConnectionValues, MAX_CALLED_HUBS } from "../connect/connection_options.ts";
import { dial } from "../connect/dial.ts";
import { SharedChannel } from "../connect/shared_channel.ts";
import { asciiHost } from "../connect/ascii_host.ts";
import { readHeaders } from "../connect/headers.ts";
import { readTlsSettings } from "../connect/tls_settings.ts";
import { readToken } from "../connect/token.ts";
import type { LiveToken } from "../login/live_token.ts";
import { mayHaveLogins } from "../login/login_folder.ts";
import type { LoginPlace } from "../login/login_store.ts";

/** The values of the options that say how to get there. */
export type RouteValues = ConnectionValues & {
  readonly quiet: boolean;
  readonly raw?: boolean;
  readonly waitForServerMs?: number | undefined;
};

/** A plan without its call. */
export type CallRoute = Omit<CallPlan, "method" | "requests" | "deadline">;

/**
 * @param server As given; `undefined` for the hub itself, or its only server.
 * @throws {UsageError} If flags contradict each other or a file cannot be used.
 */
export async function planRoute(context: Context, server: string | undefined): Promise<CallRoute> {
  const { signal, env, io } = context;
  const values = context.options as RouteValues;
  const { raw = false, waitForServerMs = 0 } = values;
  if (raw && waitForServerMs > 0) {
    throw new UsageError("--raw and --wait-for-server cannot be combined", {
      hint: "Use --retry N with --raw",
    });
  }
  checkServerName(server);
  const hubs = await planHubs(values, env);
  const given = await readToken(values, env);
  const login = given === undefined ? await findLogin(values, hubs, env) : undefined;
  const token = given ?? login?.last;
  const isFar = [hubs, ...hubs.otherHubs].some(({ address }) => !isLoopbackHost(address.host));
  if (token !== undefined && hubs.tls === undefined && isFar && !values.quiet) {
    await io.stderr.write("warning: without --tls, the token can be read on its way to the hub\n");
  }
  return {
    ...hubs,
    server,
    token,
    freshToken: login && (() => login.fresh(signal)),
    raw,
    waitForServerMs,
    headers: await readHeaders(values.headers, env),
    connectTimeoutMs: values.connectTimeoutMs,
    signal,
    trace: values.verbose ? io.stderr : undefined,
    warnings: values.quiet ? undefined : saidOnce(io.stderr),
  };
}

/** What a login for these hubs is kept under. */
export function loginPlace({ context = "" }: ConnectionValues, hubs: HubAddresses): LoginPlace {
  const urls = [hubs, ...hubs.otherHubs].map(({ address, tls }) =>
    `${tls === undefined ? "http" : "https"}://${formatHostPort(address)}`
  );
  return { context, hubs: urls };
}

/** The token of `gclient login`, if there is one for these hubs. */
export async function findLogin(
  values: ConnectionValues,
  hubs: HubAddresses,
  env: Env,
): Promise<LiveToken | undefined> {
  if (!mayHaveLogins(env)) return undefined;
  const { openLogin } = await import("../login/open_login.ts");
  return await openLogin(loginPlace(values, hubs), env);
}

/** A command may make several calls, and meets the same hub in each. */
function saidOnce(output: Output): NonNullable<CallPlan["warnings"]> {
  const said = new Set<string>();
  return {
    async write(text) {
      if (said.has(text)) return;
      said.add(text);
      await output.write(text);
    },
  };
}

/** For `shareChannels`. */
export interface ShareOptions {
  /** Closes them. */
  readonly channels: AsyncDisposableStack;
  /** `Date.now()` at which a connection must be there. */
  readonly deadline: number;
}

/** The same route, with one connection to each hub for all calls; in raw mode, to this server. */
export function shareChannels(route: CallRoute, { channels, deadline }: ShareOptions): CallRoute {
  const { signal, connectTimeoutMs: timeoutMs, raw, server, otherHubs = [] } = route;
  const share = ({ address, tls, proxy }: HubAddress): HubAddress => ({
    ...{ address, tls, proxy },
    shared: channels.use(
      new SharedChannel(async (onStep) => {
        const handshake = raw ? { server, token: await tokenOf(route) } : undefined;
        return await dial(address, { tls, proxy, handshake, timeoutMs, deadline, signal, onStep });
      }),
    ),
  });
  return { ...route, ...share(route), otherHubs: otherHubs.map(share) };
}

/** How the first hub is reached, and the others. */
export type HubAddresses = HubAddress & { readonly otherHubs: readonly HubAddress[] };

/** @throws {UsageError} If a file or a proxy cannot be used. */
export async function planHubs(values: ConnectionValues, env: Env): Promise<HubAddresses> {
  const given = new Map(values.serverAddr.flat().map((one) => [formatHostPort(one), one]));
  if (given.size > MAX_CALLED_HUBS) {
    throw new UsageError(`-s names ${given.size} hubs, and ${MAX_CALLED_HUBS} are the most`);
  }
  const [first, ...otherHubs] = await Promise.all(
    [...given.values()].map(async ({ host, port }): Promise<HubAddress> => {
      const address = { host: asciiHost(host), port };
      const tls = await readTlsSettings(values, host);
      return { address, tls, proxy: await findProxy(address, tls !== undefined, values, env) };
    }),
  );
  return { ...first!, otherHubs };
}

const PROXY_VARIABLE = /^(?:https?|all)_proxy$/i;

/** Most networks have no proxy: its rules are loaded when one is named. */
async function findProxy(
  address: HostPort,
  tls: boolean,
  { proxy }: ConnectionValues,
  env: Env,
): Promise<URL | undefined> {
  const isNamed = Object.keys(env).some((name) => PROXY_VARIABLE.test(name) && env[name] !== "");
  if (proxy === undefined && !isNamed) return undefined;
  const { proxyFor } = await import("../../shared/net/proxy.ts");
  return proxyFor({ ...address, tls }, { proxy, env });
}

function checkServerName(name: string | undefined): void {
  // An empty variable of a script must not become "the only server".
  if (name === undefined || /^[\x21-\x7e]+$/.test(name)) return;
  throw new UsageError(`"${name}" is not a server's name`, {
    hint: 'All servers: "gclient hub servers"',
  });
}
