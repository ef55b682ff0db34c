/**
 * The field: a hub's host, an operator's host, and a customer's network behind NAT with three bare
 * hosts in it, out of namespaces of this machine. `lay_networks.sh` has the picture.
 *
 * @module
 */
import { NamespaceHolder } from "./namespace_holder.ts";
import { type Output, Process, type RunOptions } from "./process.ts";
import { SystemdMachine, systemdMissing } from "./systemd_machine.ts";

const NETWORKS = new URL("lay_networks.sh", import.meta.url).pathname;
const BARE_HOST = new URL("bare_host.sh", import.meta.url).pathname;
const SQUID = ["/usr/sbin/squid", "/usr/bin/squid"];

/** As `lay_networks.sh` calls them. */
export type HostName = "hub" | "operator" | "nat" | SiteName;
/** The customer's. */
export type SiteName = "first" | "second" | "shut";

/** A name that all hosts know. */
const HOSTS = "127.0.0.1 localhost\n203.0.113.10 hub.example\n";

/** Whether the field cannot be laid out here; a machine that can boot a systemd can, with nft and squid. */
export function fieldMissing(): boolean {
  if (systemdMissing()) return true;
  const lacking = [["/usr/sbin/nft"], SQUID].filter((paths) => !paths.some(isFile));
  if (lacking.length === 0) return false;
  const message = `There is no ${lacking.map(([path]) => path).join(", no ")}`;
  if (Deno.env.get("GHUB_REQUIRE_SYSTEMD") === "1") throw new Error(message);
  console.warn(`\n*** SKIPPED: ${message}. Tests over network namespaces are IGNORED.\n`);
  return true;
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/**
 * Hosts of a hub, an operator and a customer, in namespaces of this machine. Disposing of it ends
 * every process on its bare hosts.
 */
export class Field implements AsyncDisposable {
  readonly #stack: AsyncDisposableStack;
  readonly #networks: NamespaceHolder;
  /** A folder of this test's own, on the machine below. */
  readonly dir: string;

  private constructor(stack: AsyncDisposableStack, networks: NamespaceHolder, dir: string) {
    this.#stack = stack;
    this.#networks = networks;
    this.dir = dir;
  }

  static async lay(): Promise<Field> {
    await using stack = new AsyncDisposableStack();
    const dir = await Deno.makeTempDir({ prefix: "ghub-field-" });
    stack.defer(() => Deno.remove(dir, { recursive: true }));
    await Deno.chmod(dir, 0o755); // squid gives up root's rights.
    await Deno.writeTextFile(`${dir}/hosts`, HOSTS);
    const networks = stack.use(await NamespaceHolder.start(["unshare", "--mount", "sh", NETWORKS]));
    return new Field(stack.move(), networks, dir);
  }

  /** The file of a host's network namespace. */
  #netns(host: HostName): string {
    return `/proc/${this.#networks.pid}/root/run/netns/${host}`;
  }

  /** A machine with systemd on the hub's host. */
  async bootHub(): Promise<SystemdMachine> {
    const machine = this.#stack.use(await SystemdMachine.boot({ netns: this.#netns("hub") }));
    await machine.write("/etc/hosts", HOSTS);
    return machine;
  }

  /** A bare host of the customer's. */
  async bareHost(host: SiteName, programs: readonly string[]): Promise<BareHost> {
    const dir = `${this.dir}/${host}`;
    await Deno.mkdir(dir);
    const holder = this.#stack.use(
      await NamespaceHolder.start([
        ...["nsenter", `--net=${this.#netns(host)}`],
        ...["unshare", "--fork", "--kill-child", "--mount", "--pid", "--uts"],
        ...["sh", BARE_HOST, dir, host, ...programs],
      ]),
    );
    return new BareHost(host, holder.pid);
  }

  /** The words that run a command in a host's network, with the files of this machine. */
  #words(host: HostName, words: readonly string[]): string[] {
    const names = `mount --bind '${this.dir}/hosts' /etc/hosts && exec "$@"`;
    const enter = ["nsenter", `--net=${this.#netns(host)}`, "unshare", "--mount"];
    return [...enter, "sh", "-c", names, "sh", ...words];
  }

  /** Runs a command there to its end. */
  async run(host: HostName, words: readonly string[], options: RunOptions = {}): Promise<Output> {
    const [command = "", ...args] = this.#words(host, words);
    return await Process.output(command, args, options);
  }

  /** A real squid at 192.168.7.1:3128, with the rules that Debian's has: CONNECT to 443 and no other. */
  async startProxy(): Promise<void> {
    const config = [
      "http_port 192.168.7.1:3128",
      `hosts_file ${this.dir}/hosts`,
      "acl SSL_ports port 443",
      "acl CONNECT method CONNECT",
      "http_access deny CONNECT !SSL_ports",
      "http_access allow all",
      "pid_filename none",
      "pinger_enable off",
      "cache deny all",
      "access_log none",
      "cache_log /dev/stderr",
      "coredump_dir /",
      "visible_hostname proxy.test",
      "",
    ].join("\n");
    await Deno.writeTextFile(`${this.dir}/squid.conf`, config);
    const squid = SQUID.find(isFile)!;
    const words = this.#words("nat", [squid, "-N", "-f", `${this.dir}/squid.conf`]);
    const process = this.#stack.use(Process.start("squid", words[0]!, words.slice(1)));
    await process.says(/Accepting HTTP Socket connections/);
  }

  /** What crosses the customer's NAT: nothing, or all again. Connections that stand are cut silently. */
  async setWeather(weather: "lost" | "fine"): Promise<void> {
    const rule = weather === "lost"
      ? ["add", "rule", "ip", "weather", "lost", "drop"]
      : ["flush", "chain", "ip", "weather", "lost"];
    const { code, stderr } = await this.run("nat", ["nft", ...rule]);
    if (code !== 0) throw new Error(stderr);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

/** A host without anything: `bare_host.sh`. */
export class BareHost {
  readonly #name: string;
  readonly #pid: number;

  constructor(name: string, pid: number) {
    this.#name = name;
    this.#pid = pid;
  }

  #words(line: string): string[] {
    const enter = [`--target=${this.#pid}`, "--mount", "--pid", "--net", "--uts", "--root", "--wd"];
    const clean = ["env", "-i", "PATH=/bin", "HOME=/home"];
    return [...enter, ...clean, "/bin/sh", "-c", `cd /home && ${line}`];
  }

  /** Puts a file into /home, as whoever came with a USB stick. */
  async bring(name: string, content: Uint8Array): Promise<void> {
    const path = `/proc/${this.#pid}/root/home/${name}`;
    await Deno.writeFile(`${path}.new`, content);
    await Deno.rename(`${path}.new`, path);
  }

  /** Runs a line of shell in /home to its end. */
  async run(line: string): Promise<Output> {
    return await Process.output("nsenter", this.#words(line));
  }

  /** Starts one that goes on. */
  async start(line: string): Promise<Running> {
    const words = this.#words(`echo "pid $$" && exec ${line}`);
    const process = Process.start(`${this.#name}: ${line}`, "nsenter", words);
    const [, pid = ""] = await process.line(/^pid (\d+)$/);
    return { process, stop: () => this.#stop(process, pid) };
  }

  async #stop(process: Process, pid: string): Promise<void> {
    await this.run(`kill -TERM ${pid}`); // nsenter would not pass a signal on.
    await process.ended();
  }
}

/** A program on a bare host. It ends with the host, or by `stop()`. */
export interface Running {
  readonly process: Process;
  stop(): Promise<void>;
}
