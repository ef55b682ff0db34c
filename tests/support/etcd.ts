/**
 * A real etcd in a test: one member or three, on loopback, each a process that can be killed, frozen and
 * started again with what it had.
 *
 * @module
 */
import type { HostPort } from "../../shared/cli/parse_host_port.ts";
import { generateAuthority, signerOf } from "../../shared/tls/authority.ts";
import { generateCertificate } from "../../shared/tls/generate.ts";
import type { EtcdTlsFiles } from "../../hub/engine/etcd_dial.ts";
import { isWithoutProgram } from "./daemon.ts";
import { freePort } from "./free_port.ts";
import { Process } from "./process.ts";
import { until } from "./until.ts";

/** Sets of ports that are tried until all of one were still free. */
const MAX_TRIES = 10;

export interface EtcdOptions {
  /** @default 1 */
  readonly members?: 1 | 3;
  /** TLS, and client certificates asked for: their common name is who calls. @default false */
  readonly tls?: boolean;
  /** More arguments of each member, such as `--quota-backend-bytes=…`. @default none */
  readonly args?: readonly string[];
}

/**
 * Whether this machine has no etcd: its tests are ignored then, and this says so.
 *
 * @throws {Error} If there must be one (`GHUB_REQUIRE_ETCD=1`).
 */
export function isWithoutEtcd(): boolean {
  const missing = ["etcd", "etcdctl"].some(isWithoutProgram);
  if (missing && Deno.env.get("GHUB_REQUIRE_ETCD") === "1") {
    throw new Error("There is no etcd (Debian: etcd-server etcd-client), and GHUB_REQUIRE_ETCD=1");
  }
  return missing;
}

/** A cluster of etcd. Disposing of it ends its processes and removes what they kept. */
export class Etcd implements AsyncDisposable {
  readonly dir: string;
  readonly members: readonly Member[];
  readonly #tls: boolean;

  private constructor(dir: string, members: readonly Member[], tls: boolean) {
    this.dir = dir;
    this.members = members;
    this.#tls = tls;
  }

  /** Starts it, and waits until it answers. */
  static async start(
    { members: count = 1, tls = false, args = [] }: EtcdOptions = {},
  ): Promise<Etcd> {
    const dir = await Deno.makeTempDir({ prefix: "ghub-etcd-" });
    if (tls) await writeCertificates(dir);
    for (let tries = 1;; tries++) {
      const ports = Array.from({ length: 2 * count }, freePort);
      const scheme = tls ? "https" : "http";
      const places = Array.from({ length: count }, (_, i) => ({
        name: `m${i}`,
        client: `${scheme}://127.0.0.1:${ports[2 * i]}`,
        peer: `http://127.0.0.1:${ports[2 * i + 1]}`,
      }));
      const cluster = places.map(({ name, peer }) => `${name}=${peer}`).join(",");
      const members = places.map(({ name, client, peer }, i) =>
        new Member(name, { host: "127.0.0.1", port: ports[2 * i]! }, [
          `--name=${name}`,
          `--data-dir=${dir}/${tries}-${name}`,
          `--listen-client-urls=${client}`,
          `--advertise-client-urls=${client}`,
          `--listen-peer-urls=${peer}`,
          `--initial-advertise-peer-urls=${peer}`,
          `--initial-cluster=${cluster}`,
          "--heartbeat-interval=100",
          "--election-timeout=1000",
          ...(tls
            ? [
              `--cert-file=${dir}/etcd.crt`,
              `--key-file=${dir}/etcd.key`,
              "--client-cert-auth",
              `--trusted-ca-file=${dir}/ca.crt`,
            ]
            : []),
          ...args,
        ])
      );
      const etcd = new Etcd(dir, members, tls);
      for (const member of members) member.start();
      const ended = members.map((member) => member.process.exit.then(() => "ended" as const));
      const ready = await Promise.race([etcd.ready().then(() => "ready" as const), ...ended]);
      if (ready === "ready") return etcd;
      const said = members.map(({ process }) => process.stderr).join("\n");
      await etcd.kill();
      if (tries === MAX_TRIES) throw new Error(`etcd ended at once:\n${said}`);
    }
  }

  /** Where its members listen. */
  get addresses(): readonly HostPort[] {
    return this.members.map(({ address }) => address);
  }

  /** `127.0.0.1:1,127.0.0.1:2`. */
  get endpoints(): string {
    return this.addresses.map(({ host, port }) => `${host}:${port}`).join(",");
  }

  /** Files for a client that is called so; without TLS none are needed. */
  tlsFiles(name = "ghub"): EtcdTlsFiles | undefined {
    if (!this.#tls) return undefined;
    const { dir } = this;
    return {
      caFile: `${dir}/ca.crt`,
      certFile: `${dir}/${name}.crt`,
      keyFile: `${dir}/${name}.key`,
    };
  }

  /** Runs etcdctl. */
  async ctl(...args: readonly string[]): Promise<string> {
    return await this.#ctl(this.endpoints, args);
  }

  /** Waits until the members that run, or those given, answer what needs a leader. */
  async ready(members: readonly Member[] = this.members): Promise<void> {
    for (const { address: { host, port } } of members) {
      await until(`etcd at ${port} to answer`, async () => {
        const said = await this.#ctl(`${host}:${port}`, ["get", "none"]).catch(() => undefined);
        return said !== undefined;
      });
    }
  }

  /** The member that leads now. */
  async leader(): Promise<Member> {
    return await until("a leader", async () => {
      for (const member of this.members) {
        const { host, port } = member.address;
        const said = await this.#ctl(`${host}:${port}`, ["endpoint", "status", "-w", "json"])
          .catch(() => "[]");
        const [{ Status: status } = { Status: undefined }] = JSON.parse(said);
        if (status !== undefined && status.leader === status.header.member_id) return member;
      }
      return undefined;
    });
  }

  /** Ends all members as a power failure would. */
  async kill(): Promise<void> {
    await Promise.all(this.members.map((member) => member.kill()));
  }

  /** Starts all that do not run, with what they had. */
  start(): void {
    for (const member of this.members) member.start();
  }

  /** Saves all that it has, into a file of its folder. */
  async save(name: string): Promise<string> {
    const file = `${this.dir}/${name}`;
    const { host, port } = this.members[0]!.address;
    await this.#ctl(`${host}:${port}`, ["snapshot", "save", file]);
    return file;
  }

  /** Ends all members, and starts them with what was saved. Their revisions go back. */
  async restore(file: string): Promise<void> {
    await this.kill();
    for (const member of this.members) {
      await Deno.remove(member.dataDir, { recursive: true });
      await this.#ctl(this.endpoints, ["snapshot", "restore", file, ...member.restoreArgs]);
    }
    this.start();
    await this.ready();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await Deno.remove(this.dir, { recursive: true });
  }

  async #ctl(endpoints: string, args: readonly string[]): Promise<string> {
    const files = this.tlsFiles("root");
    const tls = files === undefined
      ? []
      : [`--cacert=${files.caFile}`, `--cert=${files.certFile}`, `--key=${files.keyFile}`];
    const { code, stdout, stderr } = await Process.output("etcdctl", [
      `--endpoints=${endpoints}`,
      "--dial-timeout=2s",
      "--command-timeout=3s",
      ...tls,
      ...args,
    ], { env: { ETCDCTL_API: "3" } });
    if (code !== 0) throw new Error(`etcdctl ${args.join(" ")} failed: ${stderr}`);
    return stdout;
  }
}

/** A process of etcd. */
export class Member {
  readonly name: string;
  readonly address: HostPort;
  readonly #args: readonly string[];
  #process: Process | undefined;

  constructor(name: string, address: HostPort, args: readonly string[]) {
    this.name = name;
    this.address = address;
    this.#args = args;
  }

  get dataDir(): string {
    return this.#value("--data-dir");
  }

  /** What `etcdctl snapshot restore` must know of it. */
  get restoreArgs(): string[] {
    const flags = ["--name", "--data-dir", "--initial-cluster", "--initial-advertise-peer-urls"];
    return flags.map((flag) => `${flag}=${this.#value(flag)}`);
  }

  get process(): Process {
    if (this.#process === undefined) throw new Error(`etcd ${this.name} does not run`);
    return this.#process;
  }

  #value(flag: string): string {
    return this.#args.find((arg) => arg.startsWith(`${flag}=`))!.slice(flag.length + 1);
  }

  /** Does nothing if it runs. */
  start(): void {
    this.#process ??= Process.start(`etcd ${this.name}`, "etcd", this.#args, {
      env: { ETCD_UNSUPPORTED_ARCH: Deno.build.arch === "aarch64" ? "arm64" : "" },
    });
  }

  /** Does nothing if it does not run. */
  async kill(): Promise<void> {
    const process = this.#process;
    this.#process = undefined;
    await process?.kill();
  }
}

async function writeCertificates(dir: string): Promise<void> {
  const ca = await generateAuthority("etcd's authority");
  await Deno.writeTextFile(`${dir}/ca.crt`, ca.cert);
  const authority = await signerOf(ca);
  for (const name of ["etcd", "root", "ghub", "stranger"]) {
    const pair = await generateCertificate(["127.0.0.1", "localhost"], {
      commonName: name,
      authority,
    });
    await Deno.writeTextFile(`${dir}/${name}.crt`, pair.cert);
    await Deno.writeTextFile(`${dir}/${name}.key`, pair.key, { mode: 0o600 });
  }
}
