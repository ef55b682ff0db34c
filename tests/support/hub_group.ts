/**
 * Several real hubs, and real servers that know them all: processes, on free ports.
 *
 * ```ts ignore
 * await using group = await HubGroup.start(2);
 * const edge = await group.startServer("edge-1");
 * ```
 *
 * @module
 */
import { Process, source } from "./process.ts";
import { ownLoopback } from "./world.ts";

/** One of the hubs. It may be ended, and started again at the same addresses. */
export interface GroupHub {
  readonly name: string;
  readonly callAddress: string;
  readonly tunnelUri: string;
  process: Process;
}

/** Options of {@linkcode HubGroup.startServer}. */
export interface GroupServerOptions {
  /** @default all hubs of the group */
  readonly hubUris?: readonly string[];
  /** Tunnels to wait for. @default two */
  readonly tunnels?: number;
  /** @default `gserver` with Echo */
  readonly program?: string;
  readonly args?: readonly string[];
}

const READY = /^ghub ready tunnel=(\S+) call=(\S+)/;

/** Ends all processes when it is disposed of, and throws if one had crashed. */
export class HubGroup implements AsyncDisposable {
  readonly dir: string;
  readonly hubs: readonly GroupHub[];
  readonly #processes: Process[] = [];

  private constructor(dir: string, hubs: GroupHub[]) {
    this.dir = dir;
    this.hubs = hubs;
  }

  static async start(count: number): Promise<HubGroup> {
    const hubs: GroupHub[] = [];
    const group = new HubGroup(await Deno.makeTempDir({ prefix: "ghub-group-" }), hubs);
    try {
      const started = await Promise.all(
        Array.from({ length: count }, async (_, i): Promise<GroupHub> => {
          const name = `hub-${"abcdefgh"[i]}`;
          const listen = `${ownLoopback()}:0`;
          const process = group.#spawnHub(name, listen, listen);
          const [, tunnelUri = "", callAddress = ""] = await process.line(READY);
          return { name, tunnelUri, callAddress, process };
        }),
      );
      hubs.push(...started);
      return group;
    } catch (error) {
      await group[Symbol.asyncDispose]().catch(() => {}); // The first error tells more.
      throw error;
    }
  }

  /** What a caller gives as `-s`. */
  get callAddresses(): string {
    return this.hubs.map(({ callAddress }) => callAddress).join(",");
  }

  /** Starts a hub again that has ended. */
  async restart(hub: GroupHub): Promise<void> {
    hub.process = this.#spawnHub(hub.name, new URL(hub.tunnelUri).host, hub.callAddress);
    await hub.process.line(READY);
  }

  /** Starts a server, and waits for its tunnels. */
  async startServer(name: string, options: GroupServerOptions = {}): Promise<Process> {
    const { hubUris = this.hubs.map(({ tunnelUri }) => tunnelUri), tunnels = 2, args = [] } =
      options;
    const server = this.#spawn(`gserver ${name}`, [
      ...source(options.program ?? "tests/support/echo_gserver.ts"),
      ...["serve", name, "--state-dir", `${this.dir}/${name}`, "--fluentd-manager", "none"],
      ...hubUris.flatMap((uri) => ["--hub-uri", uri]),
      ...args,
    ]);
    for (let i = 0; i < tunnels; i++) await server.line(/^gserver ready server=/);
    return server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ends = await Promise.allSettled(
      this.#processes.toReversed().map((process) => process[Symbol.asyncDispose]()),
    );
    await Deno.remove(this.dir, { recursive: true });
    const errors = ends.flatMap((end) => end.status === "rejected" ? [end.reason] : []);
    if (errors.length > 0) throw new AggregateError(errors, errors.map(String).join("\n"));
  }

  #spawnHub(name: string, tunnelListen: string, callListen: string): Process {
    return this.#spawn(name, [
      ...source("hub/main.ts"),
      ...["serve", "--tunnel-listen", tunnelListen, "--call-listen", callListen],
      ...["--state-dir", `${this.dir}/${name}`],
    ]);
  }

  #spawn(name: string, args: readonly string[]): Process {
    const process = Process.deno(name, args, {
      env: { HOME: this.dir, XDG_CONFIG_HOME: `${this.dir}/config` },
    });
    this.#processes.push(process);
    return process;
  }
}
