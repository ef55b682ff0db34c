/**
 * A real etcd of three members on loopback, each a process: killed, frozen, and started again with what it had.
 *
 * @module
 */
import type { HostPort } from "../../../shared/cli/parse_host_port.ts";
import { freePorts } from "../../free_ports.ts";
import { type PartOptions, until } from "../../part.ts";
import { Program } from "../../program.ts";

const MEMBERS = 3;
const ANSWER_WITHIN_MS = 1_000;
/** As for members on machines of one place. */
const TIMES = ["--heartbeat-interval=100", "--election-timeout=1000"];

/** One member. */
export class EtcdMember {
  readonly address: HostPort;
  readonly #args: readonly string[];
  #program: Program | undefined;

  constructor(port: number, args: readonly string[]) {
    this.address = { host: "127.0.0.1", port };
    this.#args = args;
  }

  /** @throws {Error} If it does not run. */
  get program(): Program {
    if (this.#program === undefined) throw new Error("This member of etcd does not run");
    return this.#program;
  }

  /** Does nothing if it runs. */
  start(): void {
    this.#program ??= Program.command("etcd", this.#args);
  }

  /** Ends it as a power failure would. Does nothing if it does not run. */
  async kill(): Promise<void> {
    const program = this.#program;
    this.#program = undefined;
    await program?.[Symbol.asyncDispose]();
  }

  /** Whether it answers and knows a leader. */
  async isHealthy(): Promise<boolean> {
    try {
      const { port } = this.address;
      const answer = await fetch(`http://127.0.0.1:${port}/health`, {
        signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
      });
      return (await answer.text()).includes('"true"');
    } catch {
      return false;
    }
  }

  /** Whether the others follow it. */
  async isLeader(): Promise<boolean> {
    try {
      const { port } = this.address;
      const answer = await fetch(`http://127.0.0.1:${port}/metrics`, {
        signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
      });
      return /^etcd_server_is_leader 1$/m.test(await answer.text());
    } catch {
      return false;
    }
  }
}

/** A cluster of etcd. Disposing of it ends its processes, and removes what they kept. */
export class BenchEtcd implements AsyncDisposable {
  readonly members: readonly EtcdMember[];
  readonly #dir: string;

  private constructor(dir: string, members: readonly EtcdMember[]) {
    this.#dir = dir;
    this.members = members;
  }

  /**
   * Starts it, and waits until every member answers.
   *
   * @throws {Error} If there is no etcd on this machine.
   */
  static async start({ signal }: Pick<PartOptions, "signal">): Promise<BenchEtcd> {
    await using stack = new AsyncDisposableStack();
    const dir = await Deno.makeTempDir({ prefix: "ghub-bench-etcd-" });
    stack.defer(() => Deno.remove(dir, { recursive: true }));
    const ports = freePorts(2 * MEMBERS);
    const places = Array.from({ length: MEMBERS }, (_, i) => ({
      name: `m${i}`,
      port: ports[2 * i]!,
      peer: `http://127.0.0.1:${ports[2 * i + 1]}`,
    }));
    const all = places.map(({ name, peer }) => `${name}=${peer}`).join(",");
    const members = places.map(({ name, port, peer }) =>
      new EtcdMember(port, [
        `--name=${name}`,
        `--data-dir=${dir}/${name}`,
        `--listen-client-urls=http://127.0.0.1:${port}`,
        `--advertise-client-urls=http://127.0.0.1:${port}`,
        `--listen-peer-urls=${peer}`,
        `--initial-advertise-peer-urls=${peer}`,
        `--initial-cluster=${all}`,
        ...TIMES,
      ])
    );
    for (const member of members) stack.defer(() => member.kill());
    const etcd = new BenchEtcd(dir, members);
    try {
      etcd.startAll();
    } catch (cause) {
      throw new Error("There is no etcd here: apt-get install etcd-server", { cause });
    }
    await etcd.healthy({ signal });
    stack.move();
    return etcd;
  }

  get addresses(): readonly HostPort[] {
    return this.members.map(({ address }) => address);
  }

  /** What `ghub serve --cluster` is given. */
  get uri(): string {
    const endpoints = this.addresses.map(({ host, port }) => `${host}:${port}`).join(",");
    return `etcd://${endpoints}/bench`;
  }

  /** Starts those that do not run, with what they had. */
  startAll(): void {
    for (const member of this.members) member.start();
  }

  async killAll(): Promise<void> {
    await Promise.all(this.members.map((member) => member.kill()));
  }

  /** Waits until every member answers and knows a leader; tells when. */
  async healthy({ signal }: Pick<PartOptions, "signal">): Promise<number> {
    const all = async () => {
      const answers = await Promise.all(this.members.map((member) => member.isHealthy()));
      return !answers.includes(false);
    };
    return await until(all, { signal });
  }

  /** The member that leads now. */
  async leader({ signal }: Pick<PartOptions, "signal">): Promise<EtcdMember> {
    let leader: EtcdMember | undefined;
    await until(async () => {
      const answers = await Promise.all(this.members.map((member) => member.isLeader()));
      leader = this.members[answers.indexOf(true)];
      return leader !== undefined;
    }, { signal });
    return leader!;
  }

  /** What all members together have used until now. */
  async usage(): Promise<{ readonly cpuUs: number; readonly rssBytes: number }> {
    const all = await Promise.all(this.members.map(({ program }) => program.usage()));
    return {
      cpuUs: all.reduce((sum, { cpuUs }) => sum + cpuUs, 0),
      rssBytes: all.reduce((sum, { rssBytes }) => sum + rssBytes, 0),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.killAll();
    await Deno.remove(this.#dir, { recursive: true });
  }
}
