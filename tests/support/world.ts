/**
 * A world: the real hub and real servers as subprocesses, from source, on free ports.
 *
 * ```ts ignore
 * await using world = await World.start({ servers: ["edge-1"] });
 * using client = world.path("edge-1").client();
 * ```
 *
 * @module
 */
import type net from "node:net";
import { generateCertificate } from "../../shared/tls/generate.ts";
import { freePort } from "./free_port.ts";
import { pathWithoutFluentd } from "./fluentd.ts";
import { dialTcp, type Path, plainPath } from "./path.ts";
import { Process, type ProcessOptions, source } from "./process.ts";

/** A server of a world. */
export interface ServerSpec {
  readonly name: string;
  /**
   * `echo`: a gserver with the Echo service beside its own. `gserver`: the program as it is.
   * `plain`: a gRPC server with Echo that knows nothing of hubs. `witness`: a gserver with Echo
   * that tells of each stream which comes. `foreign`: one that takes every call and tells of it.
   *
   * @default "echo"
   */
  readonly program?: keyof typeof PROGRAMS;
  /** @default the world's hub */
  readonly hubUri?: string;
  /** @default a folder of this name's own, also when the server is started again */
  readonly stateDir?: string;
  /** Local gRPC servers that it exposes: name → host:port. */
  readonly expose?: Readonly<Record<string, string>>;
  /** Further arguments of `gserver serve`. Without one of Fluentd, it finds none on its PATH. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export interface WorldOptions {
  /**
   * Servers that are registered before the world is handed out. A text is the name of an `echo`.
   *
   * @default ["edge-1"]
   */
  readonly servers?: readonly (string | ServerSpec)[];
  /** Tunnels over TLS, with a certificate that the servers trust. @default false */
  readonly tls?: boolean;
  /** Further arguments of `ghub serve`. */
  readonly hubArgs?: readonly string[];
  /** Set beside the hub's environment. */
  readonly hubEnv?: Readonly<Record<string, string>>;
  /** Where the hub's call port listens. @default a loopback address of this world's own */
  readonly callListen?: string;
  /** Where the hub's tunnel port listens. @default a loopback address of this world's own */
  readonly tunnelListen?: string;
}

const PROGRAMS = {
  echo: "tests/support/echo_gserver.ts",
  gserver: "server/main.ts",
  plain: "tests/support/plain_server.ts",
  witness: "tests/support/witness_gserver.ts",
  foreign: "tests/support/witness_server.ts",
} as const;

/**
 * A hub and its servers as processes. Disposing of it ends every process, and throws if one had
 * crashed.
 */
export class World implements AsyncDisposable {
  /** A folder of this world's own: state, certificates, whatever a test writes. */
  readonly dir: string;
  readonly #options: WorldOptions;
  readonly #processes: Process[] = [];
  readonly #servers = new Map<string, Process>();
  /** Still there when the hub is started again. */
  readonly #freeAddress: () => string;
  #hub!: Process;
  #callAddress = "";
  #tunnelUri = "";
  #metricsAddress = "";

  private constructor(dir: string, options: WorldOptions) {
    this.dir = dir;
    this.#options = options;
    const hostname = ownLoopback();
    // Certificates are for 127.0.0.1.
    this.#freeAddress = () => options.tls ? `127.0.0.1:${freePort()}` : `${hostname}:0`;
  }

  static async start(options: WorldOptions = {}): Promise<World> {
    const world = new World(await Deno.makeTempDir({ prefix: "ghub-world-" }), options);
    try {
      if (options.tls) await world.#makeCertificate();
      await world.startHub();
      await Promise.all((options.servers ?? ["edge-1"]).map((spec) => world.startServer(spec)));
      return world;
    } catch (error) {
      await world[Symbol.asyncDispose]().catch(() => {}); // The first error tells more.
      throw error;
    }
  }

  /** `host:port` of the call port. */
  get callAddress(): string {
    return this.#callAddress;
  }

  /** What servers dial. */
  get tunnelUri(): string {
    return this.#tunnelUri;
  }

  /** What the hub's /metrics say; for a hub that was started with `--metrics-listen`. */
  async metrics(): Promise<string> {
    const response = await fetch(`http://${this.#metricsAddress}/metrics`);
    if (!response.ok) throw new Error(`Cannot read metrics: ${response.status}`);
    return await response.text();
  }

  get hub(): Process {
    return this.#hub;
  }

  /** The PEM file that servers and clients of a world with `tls` trust. */
  get caCertFile(): string {
    return `${this.dir}/hub.crt`;
  }

  /** @throws {Error} If no server of that name was started. */
  server(name: string): Process {
    const server = this.#servers.get(name);
    if (server === undefined) throw new Error(`Cannot find server "${name}" in this world`);
    return server;
  }

  /**
   * Starts the hub: once by itself, and by a test after it has ended the first one. A later hub
   * listens on the ports of the first.
   */
  async startHub(): Promise<void> {
    const { hubArgs = [], tls } = this.#options;
    const { callListen = this.#freeAddress(), tunnelListen = this.#freeAddress() } = this.#options;
    const again = this.#callAddress !== "";
    this.#hub = this.#spawn("ghub", [
      ...source("hub/main.ts"),
      "serve",
      "--tunnel-listen",
      again ? new URL(this.#tunnelUri).host : tunnelListen,
      "--call-listen",
      again ? this.#callAddress : callListen,
      "--state-dir",
      `${this.dir}/hub`,
      ...(tls ? ["--tls-cert", this.caCertFile] : []),
      ...hubArgs,
    ], { env: this.#options.hubEnv ?? {} });
    const [, tunnel = "", call = "", metrics = ""] = await this.#hub.line(
      /^ghub ready tunnel=(\S+) call=(\S+)(?: metrics=(\S+))?/,
    );
    this.#metricsAddress = metrics;
    this.#tunnelUri = tunnel;
    this.#callAddress = call;
  }

  /** Starts a server and waits until it is registered. */
  async startServer(spec: string | ServerSpec): Promise<Process> {
    const { name, expose = {} } = toSpec(spec);
    const server = this.spawnServer(spec);
    const missing = new Set([name, ...Object.keys(expose).map((one) => `${name}/${one}`)]);
    while (missing.size > 0) {
      const [, registered = ""] = await server.line(/^gserver ready server=(\S+) /);
      missing.delete(registered);
    }
    return server;
  }

  /** Starts a server that may never get to be registered. */
  spawnServer(spec: string | ServerSpec): Process {
    const { name, program = "echo", expose = {}, args = [], env = {}, hubUri, stateDir } = toSpec(
      spec,
    );
    const server = this.#spawn(`gserver ${name}`, [
      ...source(PROGRAMS[program]),
      "serve",
      name,
      "--hub-uri",
      hubUri ?? this.#tunnelUri,
      "--state-dir",
      stateDir ?? `${this.dir}/${name}`,
      ...(this.#options.tls ? ["--tls-ca-cert-file", this.caCertFile] : []),
      ...Object.entries(expose).flatMap(([upstream, to]) => ["--expose", `${upstream}=${to}`]),
      ...args,
    ], { env: { ...(controlsFluentd(args) ? {} : pathWithoutFluentd()), ...env } });
    this.#servers.set(name, server);
    return server;
  }

  /** Runs gclient to its end. */
  async gclient(
    args: readonly string[],
    { stdin, env = {} }: { stdin?: string; env?: Readonly<Record<string, string>> } = {},
  ): Promise<{ code: number; stdout: string; stderr: string }> {
    return await Process.run(
      [...source("client/main.ts"), ...args],
      {
        ...(stdin !== undefined && { stdin }),
        env: { GCLIENT_SERVER_ADDR: this.#callAddress, ...env },
      },
    );
  }

  /** Starts Echo without a hub, and gives its address: something to expose. */
  async startUpstream(): Promise<string> {
    const upstream = this.#spawn("echo", source("tests/support/echo_server.ts"));
    const [, address = ""] = await upstream.line(/^echo ready address=(\S+)$/);
    return address;
  }

  /** Starts a witness without a hub; it is then a {@linkcode server} of that name. */
  async startWitness(name: string): Promise<string> {
    const witness = this.#spawn(name, [...source(PROGRAMS.foreign), "listen", name]);
    this.#servers.set(name, witness);
    const [, address = ""] = await witness.line(/^witness ready address=(\S+)$/);
    return address;
  }

  /** Callers who name the server in the metadata of each call. */
  path(server: string): Path {
    return plainPath(`routed to ${server}`, this.#callAddress, { "x-hub-server": server });
  }

  /** A connection to the call port, with nothing sent on it. */
  dial(): Promise<net.Socket> {
    return dialTcp(this.#callAddress);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Servers first: a hub that goes first makes them log their reconnects.
    const ends = await Promise.allSettled(
      this.#processes.toReversed().map((process) => process[Symbol.asyncDispose]()),
    );
    await Deno.remove(this.dir, { recursive: true });
    const errors = ends.flatMap((end) => end.status === "rejected" ? [end.reason] : []);
    if (errors.length === 1) throw errors[0];
    if (errors.length > 1) throw new AggregateError(errors, errors.map(String).join("\n"));
  }

  #spawn(name: string, args: readonly string[], options: ProcessOptions = {}): Process {
    const process = Process.deno(name, args, {
      ...options,
      // Nothing of the user's own may steer a test, and no test may touch it.
      env: { HOME: this.dir, XDG_CONFIG_HOME: `${this.dir}/config`, ...options.env },
    });
    this.#processes.push(process);
    return process;
  }

  async #makeCertificate(): Promise<void> {
    const { cert, key } = await generateCertificate(["localhost", "127.0.0.1"]);
    await Deno.writeTextFile(this.caCertFile, cert);
    await Deno.writeTextFile(`${this.dir}/hub.key`, key, { mode: 0o600 });
  }
}

/**
 * An address at which nobody else listens, or dials from: the ports of a hub that is started again
 * are still there.
 */
export function ownLoopback(): string {
  const [a, b, c] = crypto.getRandomValues(new Uint8Array(3));
  const hostname = `127.${64 + a! % 128}.${b}.${1 + c! % 254}`;
  try {
    Deno.listen({ hostname, port: 0 }).close();
    return hostname;
  } catch {
    return "127.0.0.1"; // Here it is the only one.
  }
}

function controlsFluentd(args: readonly string[]): boolean {
  return args.some((arg) => arg.startsWith("--fluentd-"));
}

function toSpec(spec: string | ServerSpec): ServerSpec {
  return typeof spec === "string" ? { name: spec } : spec;
}
