/**
 * Serve gRPC services on a hub, from a program of your own.
 *
 * The program dials out to the hub and needs no open port. Whoever may call it through the hub reaches
 * your services, in addition to gRPC's health service, reflection, and `ghub.v1.Tunnel`.
 *
 * ```ts
 * import type { sendUnaryData, ServerUnaryCall } from "@grpc/grpc-js";
 * import { loadSync } from "@grpc/proto-loader";
 * import { runHub } from "@ghub/ghub/hub";
 * import { type GrpcJsService, serveOnHub } from "@ghub/ghub/server";
 *
 * interface Order {
 *   readonly sku: string;
 * }
 *
 * const file = Deno.makeTempFileSync({ suffix: ".proto" });
 * Deno.writeTextFileSync(
 *   file,
 *   `syntax = "proto3";
 *    package acme.v1;
 *    service Shop { rpc Buy(Order) returns (Receipt); }
 *    message Order { string sku = 1; }
 *    message Receipt { string text = 1; }`,
 * );
 * const { "acme.v1.Shop": definition } = loadSync(file, { keepCase: true });
 *
 * // A hub of its own, to try it. Yours is at "wss://hub.example/ws".
 * const here = { hostname: "127.0.0.1", port: 0 };
 * await using hub = await runHub({ tunnelListen: here, callListen: here });
 *
 * await using server = await serveOnHub({
 *   name: "edge-1",
 *   hubUri: hub.tunnelAddress,
 *   services: [{
 *     definition: definition as GrpcJsService["definition"],
 *     implementation: {
 *       Buy(call: ServerUnaryCall<Order, unknown>, reply: sendUnaryData<unknown>) {
 *         reply(null, { text: `sold: ${call.request.sku}` });
 *       },
 *     },
 *   }],
 * });
 * await server.untilServing();
 * console.log(`${server.name} is ${server.state}`);
 * Deno.removeSync(file);
 * ```
 *
 * Reflection tells what proto-loader knows of the service; with `keepCase` the fields have the names of
 * the `.proto` file. Of a definition that a compiler has generated it tells the name alone, unless
 * {@linkcode GrpcJsService.descriptors} says more.
 *
 * It logs by [LogTape](https://logtape.org), in the category `server`: nothing, until the program
 * configures LogTape.
 *
 * @module
 */
import { parseHubUri } from "./commands/hub_uri.ts";
import { parseServerName } from "./commands/server_name.ts";
import type { TlsFiles } from "./dial/tls_material.ts";
import { Guard } from "./policy/guard.ts";
import { type RunningServer, startServer } from "./server.ts";
import { type GrpcJsMethod, type GrpcJsService, grpcJsService } from "./serving/grpc_js_service.ts";
import type { AgentState } from "./tunnel/agent.ts";
import { parseExpose } from "./upstream/upstream.ts";

export type { GrpcJsMethod, GrpcJsService, TlsFiles };

/** Options of {@linkcode serveOnHub}. */
export interface ServeOptions {
  /** The name by which callers reach it: 1 to 128 of `a-z 0-9 . _ -`. */
  readonly name: string;
  /**
   * What the hub says it is: `wss://hub.example/ws`. Without a path it is `/ws`. Of several hubs of one
   * cluster it keeps tunnels to two: docs/cluster.md.
   */
  readonly hubUri: string | URL | readonly (string | URL)[];
  /** What it serves. */
  readonly services: readonly GrpcJsService[];
  /** Shown in lists, and what the hub's rules can name servers by. @default none */
  readonly labels?: Readonly<Record<string, string>>;
  /** The token that it shows to the hub. @default none */
  readonly token?: string;
  /** A file with the token, read for each dial: a new one needs no restart. It wins over `token`. */
  readonly tokenFile?: string;
  /** Files for TLS, read for each dial. @default the system's authorities, no client certificate */
  readonly tls?: TlsFiles;
  /**
   * The proxy that leads to the hub: `http://`, `https://`, `socks5://` or `socks5h://`.
   *
   * @default none; the environment is not asked
   */
  readonly proxy?: string;
  /**
   * gRPC servers that are reachable from here, by the names that callers put after this server's:
   * `{ payments: "127.0.0.1:50051" }` is called as `edge-1/payments`.
   *
   * @default none
   */
  readonly expose?: Readonly<Record<string, string>>;
  /** The longest message that is accepted, in bytes. @default 64 MiB */
  readonly maxMessageBytes?: number;
  /** How long calls in flight may take when it stops. @default 30000 */
  readonly drainTimeoutMs?: number;
  /** What it allows by itself, whatever its hub says: docs/security.md. @default everything */
  readonly policy?: ServePolicy;
  /** Called when the server enters another state. */
  readonly onState?: (state: ServerState, details: ServerStateDetails) => void;
}

/** The server's own policy, and where it keeps the keys of its hubs. */
export interface ServePolicy {
  /** A YAML file of rules; a change is in force within a second. */
  readonly file: string;
  /** A folder for its user alone, which stays when the program ends. */
  readonly stateDir: string;
}

/** Where a server stands. `waiting` is the time between two tries to reach the hub. */
export type ServerState = "dialing" | "serving" | "waiting" | "stopped";

/** What is known of a state that was entered. */
export interface ServerStateDetails {
  /** The server's name, or that of one of its exposed upstreams, such as `edge-1/payments`. */
  readonly name: string;
  /** The hub in question. */
  readonly hub: string;
  /** Why it waits. */
  readonly why?: string;
  /** How long it waits. */
  readonly waitMs?: number;
}

/** A server that keeps itself registered until it is stopped. Disposing stops it. */
export interface HubServer extends AsyncDisposable {
  /** Its name at the hub. */
  readonly name: string;
  /** Where it stands: `serving`, if one hub at least can send it calls. */
  readonly state: ServerState;
  /**
   * Resolves when a hub can send it calls: at once, if that is so already. The wait has no limit but
   * the signal: a hub may be away for long.
   *
   * @throws The signal's reason, when that fires; an Error, when the server is stopped before.
   */
  untilServing(signal?: AbortSignal): Promise<void>;
  /** Lets calls in flight end, and closes. Resolves when that is done. */
  stop(): Promise<void>;
}

/**
 * Serves gRPC services on a hub. It dials, and dials again whenever the connection is lost, until it is
 * stopped.
 *
 * A hub that is away or refuses is no error here: it is tried again, with growing pauses, and
 * {@linkcode ServeOptions.onState} tells why.
 *
 * @throws {Error} If an option cannot be used.
 */
export async function serveOnHub(options: ServeOptions): Promise<HubServer> {
  const { services, labels, token, tokenFile, tls, policy, proxy = "direct" } = options;
  const { expose = {}, maxMessageBytes, drainTimeoutMs } = options;
  const name = parseServerName(options.name);
  const hubUris = Array.isArray(options.hubUri) ? options.hubUri : [options.hubUri];
  const hubUri = hubUris.map((uri) => parseHubUri(String(uri)));
  await using stack = new AsyncDisposableStack();
  const guard = policy &&
    stack.use(new Guard({ policyFile: policy.file, stateDir: policy.stateDir }));
  const names = [name, ...Object.keys(expose).map((one) => `${name}/${one}`)];
  const waiters = new Set<() => void>();
  const server = stack.use(
    await startServer({
      name,
      hubUri,
      services: services.map(grpcJsService),
      token: { file: tokenFile, value: token },
      proxy,
      expose: Object.entries(expose).map(([name, address]) => parseExpose(`${name}=${address}`)),
      guard,
      ...(labels !== undefined && { labels }),
      ...(tls !== undefined && { tls }),
      ...(maxMessageBytes !== undefined && { maxMessageBytes }),
      ...(drainTimeoutMs !== undefined && { drainTimeoutMs }),
      onState(name, entered, { uri }) {
        options.onState?.(entered.state, { name, hub: uri.href, ...reasonOf(entered) });
        for (const look of waiters) look();
      },
    }),
  );
  const running = stack.move();
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= running.disposeAsync();
    for (const look of waiters) look();
    return stopped;
  };
  return {
    name,
    get state() {
      return stateOf(server, name);
    },
    untilServing: (signal) =>
      untilServing(server, { names, signal, waiters, hasEnded: () => stopped !== undefined }),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

function reasonOf(entered: AgentState): Pick<ServerStateDetails, "why" | "waitMs"> {
  return entered.state === "waiting" ? { why: entered.why, waitMs: entered.waitMs } : {};
}

/** The states of a server, the best first. */
const STATES: readonly ServerState[] = ["serving", "dialing", "waiting", "stopped"];

/** The best of those that a name is in, at its hubs. */
function stateOf({ agents }: RunningServer, name: string): ServerState {
  const states = agents.filter((agent) => agent.name === name).map(({ state }) => state.state);
  return STATES.find((state) => states.includes(state)) ?? "stopped";
}

async function untilServing(
  server: RunningServer,
  { names, signal, waiters, hasEnded }: {
    readonly names: readonly string[];
    readonly signal: AbortSignal | undefined;
    readonly waiters: Set<() => void>;
    readonly hasEnded: () => boolean;
  },
): Promise<void> {
  signal?.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const look = () => {
    if (hasEnded()) reject(new Error("The server was stopped before the hub took it"));
    else if (names.every((name) => stateOf(server, name) === "serving")) resolve();
  };
  const abort = () => reject(signal?.reason);
  waiters.add(look);
  signal?.addEventListener("abort", abort, { once: true });
  look();
  try {
    await promise;
  } finally {
    waiters.delete(look);
    signal?.removeEventListener("abort", abort);
  }
}
