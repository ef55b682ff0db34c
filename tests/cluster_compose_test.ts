/**
 * docs/compose.yaml, and what docs/cluster.md says about it: its services run as processes in
 * namespaces, each with the command, the files, the names and the published ports that stand there.
 * Images are not fetched: this machine's etcd, at the path that the image has, takes their place.
 *
 * @module
 */
import assert from "node:assert/strict";
import { parse } from "yaml";
import { builtPrograms } from "./support/built_programs.ts";
import { isWithoutEtcd } from "./support/etcd.ts";
import { fieldMissing } from "./support/field.ts";
import { NamespaceHolder } from "./support/namespace_holder.ts";
import { type Output, Process, REPOSITORY } from "./support/process.ts";
import { until } from "./support/until.ts";

const LAN = new URL("support/lay_lan.sh", import.meta.url).pathname;
const CONTAINED = new URL("support/contained.sh", import.meta.url).pathname;
const DOC = await Deno.readTextFile(`${REPOSITORY}docs/cluster.md`);

interface Service {
  readonly command: readonly string[];
  readonly depends_on?: readonly string[];
  readonly ports?: readonly string[];
  readonly volumes: readonly string[];
}

const { services: SERVICES } = parse(
  await Deno.readTextFile(`${REPOSITORY}docs/compose.yaml`),
) as { readonly services: Readonly<Record<string, Service>> };
const ADDRESSES = new Map(Object.keys(SERVICES).map((name, i) => [name, `203.0.113.${i + 11}`]));
const ETCD = "/usr/local/bin/etcd";

/** The lines that docs/cluster.md tells people to run. */
function lines(): string[] {
  const section = DOC.split("### Try it with Docker\n")[1]!.split("\n### ")[0]!;
  return /```text\n([^]*?)```/.exec(section)![1]!.trimEnd().split("\n");
}

/** What `docker compose` would do, in a folder as somebody has it who tries it. */
class Composed implements AsyncDisposable {
  readonly #stack: AsyncDisposableStack;
  readonly #network: NamespaceHolder;
  readonly #running = new Map<string, Process>();
  readonly dir: string;

  private constructor(stack: AsyncDisposableStack, network: NamespaceHolder, dir: string) {
    this.#stack = stack;
    this.#network = network;
    this.dir = dir;
  }

  static async open(): Promise<Composed> {
    await using stack = new AsyncDisposableStack();
    const programs = await builtPrograms();
    const dir = await Deno.makeTempDir({ prefix: "ghub-compose-" });
    stack.defer(() => Deno.remove(dir, { recursive: true }));
    for (const name of ["ghub", "gserver", "gclient"]) {
      await Deno.copyFile(`${programs}/${name}`, `${dir}/${name}`);
    }
    const hosts = [...ADDRESSES].map(([name, address]) => `${address} ${name}\n`);
    await Deno.writeTextFile(`${dir}/hosts`, `127.0.0.1 localhost\n${hosts.join("")}`);
    const places = [["host", "203.0.113.1"], ...ADDRESSES].flat();
    const network = stack.use(
      await NamespaceHolder.start(["unshare", "--mount", "sh", LAN, ...places]),
    );
    const composed = new Composed(stack.move(), network, dir);
    await composed.#publish();
    return composed;
  }

  /** Starts a service, and before it those that it depends on. Nothing is done for one that runs. */
  async up(name: string): Promise<void> {
    const { command, depends_on: needs = [], volumes } = SERVICES[name]!;
    for (const other of needs) await this.up(other);
    if (this.#running.has(name)) return;
    const mounts = command[0] === ETCD ? [`${await which("etcd")}:${ETCD}`] : [];
    for (const volume of volumes) {
      const [from = "", to = ""] = volume.split(":");
      const path = `${this.dir}/${from}`;
      // A path that is not there becomes a folder.
      const isThere = await Deno.stat(path).then(() => true, () => false);
      if (!isThere) await Deno.mkdir(path);
      mounts.push(`${path}:${to}`);
    }
    const root = `${this.dir}/root-${name}`;
    await Deno.mkdir(root);
    const process = Process.start(name, "nsenter", [
      ...[`--net=${this.#netns(name)}`, "unshare", "--fork", "--kill-child", "--mount", "--pid"],
      ...["--uts", "sh", CONTAINED, root, name, `${this.dir}/hosts`, mounts.join(" "), ...command],
    ]);
    this.#running.set(name, process);
    this.#stack.defer(async () => void await process.kill());
  }

  async kill(name: string): Promise<void> {
    await this.#running.get(name)!.kill();
  }

  /** Runs a line of shell on the host to its end. */
  async run(line: string): Promise<Output> {
    const [command = "", ...args] = this.#words(line);
    return await Process.output(command, args);
  }

  /** Starts one that goes on. */
  start(line: string): Process {
    const [command = "", ...args] = this.#words(`exec ${line}`);
    const process = Process.start(line, command, args);
    this.#stack.defer(async () => void await process.kill());
    return process;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }

  #netns(name: string): string {
    return `/proc/${this.#network.pid}/root/run/netns/${name}`;
  }

  #words(line: string): string[] {
    const environment = [`PATH=${this.dir}:/usr/bin:/bin`, `HOME=${this.dir}/home`];
    const enter = ["nsenter", `--net=${this.#netns("host")}`, "env", "-i", ...environment];
    return [...enter, "sh", "-euc", `cd '${this.dir}' && ${line}`];
  }

  /** Ports of the host that lead to those of services. */
  async #publish(): Promise<void> {
    const rules = Object.entries(SERVICES).flatMap(([name, { ports = [] }]) =>
      ports.map((port) => {
        const [address, from, to] = port.split(":");
        return `ip daddr ${address} tcp dport ${from} dnat to ${ADDRESSES.get(name)}:${to}`;
      })
    );
    await Deno.writeTextFile(
      `${this.dir}/ports.nft`,
      `table ip published {
  chain out {
    type nat hook output priority -100
    ${rules.join("\n    ")}
  }
  chain post {
    type nat hook postrouting priority 100
    oifname "eth0" masquerade
  }
}
`,
    );
    const { code, stderr } = await this.run(
      "echo 1 >/proc/sys/net/ipv4/conf/all/route_localnet && /usr/sbin/nft -f ports.nft",
    );
    assert.equal(code, 0, stderr);
  }
}

async function which(program: string): Promise<string> {
  const { stdout } = await Process.output("sh", ["-c", `readlink -f "$(command -v ${program})"`]);
  return stdout.trim();
}

Deno.test({
  name: "compose: what docs/cluster.md tells to run starts three hubs that know each other",
  ignore: fieldMissing() || isWithoutEtcd(),
  fn: async () => {
    await using composed = await Composed.open();
    let servers = 0;
    for (const line of lines()) {
      const up = /^docker compose up -d ?(.*)$/.exec(line);
      if (up !== null) {
        for (const name of up[1] === "" ? Object.keys(SERVICES) : [up[1]!]) await composed.up(name);
      } else if (line.startsWith("gserver ")) {
        servers++;
        const server = composed.start(`${line} --fluentd-manager none`);
        await server.line(/^gserver ready server=edge-1/);
      } else if (line.startsWith("gclient hub hubs ")) await areAll(composed, line);
      else {
        const { code, stderr } = await composed.run(line);
        assert.equal(code, 0, `${line}: ${stderr}`);
      }
    }
    assert.equal(servers, 1);
    const call = "gclient list edge-1 --token-file state-1/operator.token -s";
    const reached = (hubs: string) =>
      until(
        `a call through ${hubs}`,
        async () => (await composed.run(`${call} ${hubs}`)).code === 0,
      );
    await reached("localhost:9093"); // Its tunnels are at the two others.
    for (const name of ["hub-1", "etcd-1"]) {
      assert.match(DOC, new RegExp(`docker compose kill\\s+${name}\``));
      await composed.kill(name);
      await reached("localhost:9091,localhost:9093");
    }
  },
});

/** Waits until each hub shows all of them, linked, with the same files. */
async function areAll(composed: Composed, line: string): Promise<void> {
  let last = "";
  await until("all hubs", async () => {
    const { stdout, stderr } = await composed.run(`${line} -o json`);
    last = stdout + stderr;
    if (stdout === "") return false;
    const { hubs = [] } = JSON.parse(stdout);
    return hubs.length === 3 &&
      hubs.every((hub: { linked?: boolean; differingFiles?: string[] }) =>
        hub.linked === true && (hub.differingFiles ?? []).length === 0
      );
  }).catch((error) => {
    throw new Error(`${error.message}: ${last}`);
  });
}
