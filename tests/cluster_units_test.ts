/**
 * A cluster of three hubs and three members of etcd by systemd's units, on three machines: what
 * docs/cluster.md tells to run, as it stands there, with the executables, Debian's etcd, TLS and client
 * certificates. Then hubs are restarted one by one, and etcd begins from nothing.
 *
 * @module
 */
import assert from "node:assert/strict";
import { builtPrograms } from "./support/built_programs.ts";
import { commandsOf } from "./support/documented.ts";
import { isWithoutEtcd } from "./support/etcd.ts";
import { NamespaceHolder } from "./support/namespace_holder.ts";
import { Process, REPOSITORY } from "./support/process.ts";
import { SystemdMachine, systemdMissing } from "./support/systemd_machine.ts";
import { until } from "./support/until.ts";

const LAN = new URL("support/lay_lan.sh", import.meta.url).pathname;
const NAMES = ["hub-a", "hub-b", "hub-c"] as const;
const HOSTS = "127.0.0.1 localhost\n" +
  NAMES.map((name, i) => `203.0.113.1${i + 1} ${name}.example\n`).join("");
const DOC = await Deno.readTextFile(`${REPOSITORY}docs/cluster.md`);

/** The commands of a numbered step below a heading. */
function step(heading: string, number: number): string[] {
  const section = DOC.split(`### ${heading}\n`)[1]!.split(/\n#{2,3} /)[0]!;
  const text = section.split(new RegExp(`^${number}\\. `, "m"))[1]!.split(/^\d\. /m)[0]!;
  const commands = commandsOf(text);
  assert.ok(commands.length > 0, `docs/cluster.md has no commands in step ${number} of ${heading}`);
  return commands;
}

const STEP_1 = "Set-up", STEP_2 = "Set up etcd and the hubs";
const FOLDER = "/root/ghub";

/** Runs what a document tells, in the folder with the programs. */
async function follow(machine: SystemdMachine, commands: readonly string[]): Promise<string> {
  return await machine.must("sh", "-euc", `cd ${FOLDER}\n${commands.join("\n")}`);
}

/** Brings files from one machine to another. */
async function bring(from: SystemdMachine, to: SystemdMachine, names: readonly string[]) {
  for (const name of names) {
    const path = `${FOLDER}/${name}`;
    await to.write(path, await Deno.readFile(from.path(path)), 0o600);
  }
}

async function bootMachine(network: NamespaceHolder, name: string): Promise<SystemdMachine> {
  const programs = await builtPrograms();
  const netns = `/proc/${network.pid}/root/run/netns/${name}`;
  const machine = await SystemdMachine.boot({ netns });
  await machine.write("/etc/hosts", HOSTS);
  await machine.must("hostname", `${name}.example`);
  for (const program of ["ghub", "gserver", "gclient"]) {
    const path = `${FOLDER}/${program}`;
    await machine.write(path, await Deno.readFile(`${programs}/${program}`), 0o755);
  }
  for (const { name: unit } of Deno.readDirSync(`${REPOSITORY}systemd`)) {
    const text = await Deno.readTextFile(`${REPOSITORY}systemd/${unit}`);
    await machine.write(`${FOLDER}/systemd/${unit}`, text);
  }
  return machine;
}

interface ListedHub {
  readonly name: string;
  readonly state: string;
  readonly linked?: boolean;
  readonly differingFiles?: readonly string[];
}

const ALL_WELL = NAMES.map((name) => ({
  ...{ name: `${name}.example`, state: "OPEN", linked: true, differs: "" },
}));

Deno.test({
  name: "the units of a cluster: three machines as docs/cluster.md says, restarted one by one",
  ignore: systemdMissing() || isWithoutEtcd(),
  fn: async (t) => {
    await using stack = new AsyncDisposableStack();
    const places = NAMES.flatMap((name, i) => [name, `203.0.113.1${i + 1}`]);
    const words = ["unshare", "--mount", "sh", LAN, ...places];
    const network = stack.use(await NamespaceHolder.start(words));
    const machines = await Promise.all(NAMES.map((name) => bootMachine(network, name)));
    for (const machine of machines) stack.use(machine);
    const [a, b, c] = machines as [SystemdMachine, SystemdMachine, SystemdMachine];
    const gclient = async (...args: readonly string[]) =>
      await a.run(`${FOLDER}/gclient`, ...args, ...TRUST);
    const list = async (hub: string): Promise<unknown> => {
      const at = ["-s", `${hub}.example:9090`, "-o", "json"];
      const { code, stdout } = await gclient("hub", "hubs", ...at);
      if (code !== 0) return undefined;
      const { hubs = [] } = JSON.parse(stdout) as { hubs?: ListedHub[] };
      return hubs.map(({ name, state, linked = false, differingFiles = [] }) => ({
        ...{ name, state, linked, differs: differingFiles.join(" ") },
      }));
    };
    /** Waits until each hub sees all three, linked, with the same files. */
    const allWell = async () => {
      for (const name of NAMES) {
        let last: unknown;
        await until(`${name} to see all hubs`, async () => {
          last = await list(name);
          return JSON.stringify(last) === JSON.stringify(ALL_WELL);
        }).catch((error) => {
          throw new Error(`${error.message}: ${JSON.stringify(last)}`);
        });
      }
    };

    await t.step("step 1: three hubs share their files", async () => {
      await follow(a, [
        "install -m 755 ghub /usr/local/bin/ghub",
        "mkdir -p /etc/ghub",
        "ghub cert ca --out /etc/ghub/ca.crt",
        "ghub cert make --ca /etc/ghub/ca.crt --hosts hub-a.example --out /etc/ghub/hub.crt",
        "cp systemd/ghub.service /etc/systemd/system/",
        "systemctl enable --now ghub",
      ]);
      const [pack, ...others] = step(STEP_1, 2);
      const make = others.slice(0, 1), start = others.slice(1);
      await follow(a, [pack!]);
      await Promise.all([b, c].map(async (machine, i) => {
        const forIt = (command: string) => command.replaceAll("hub-b", NAMES[i + 1]!);
        await follow(a, make.map(forIt));
        await bring(a, machine, ["hub.tgz", ...["crt", "key"].map((ext) => forIt(`hub-b.${ext}`))]);
        await follow(machine, start.map(forIt));
      }));
    });

    await t.step("step 2: etcd, and the hubs as its members", async () => {
      await follow(a, step(STEP_2, 1));
      const files = [...Deno.readDirSync(a.path(FOLDER))].map(({ name }) => name)
        .filter((name) => /etcd.*\.(crt|key)$|^peer\.secret$/.test(name) && name !== "etcd-ca.key");
      assert.equal(files.length, 10, files.join());
      for (const machine of [b, c]) await bring(a, machine, files);
      await Promise.all(machines.map((machine) => follow(machine, step(STEP_2, 2))));
      await Promise.all(machines.map((machine) => follow(machine, step(STEP_2, 3))));
      const token = await a.read("/var/lib/private/ghub/operator.token");
      await a.write(`${FOLDER}/operator.token`, token, 0o600);
      await a.must("cp", "/etc/ghub/ca.crt", FOLDER);
      await allWell();
      const [look] = step(STEP_2, 4);
      const said = await follow(a, [`./${look}`]);
      for (const name of NAMES) assert.match(said, new RegExp(`^${name}\\.example +OPEN `, "m"));
    });

    await t.step("any hub reaches a server with a tunnel to one of them", async () => {
      const token = await a.read("/var/lib/private/ghub/join.token");
      await a.write(`${FOLDER}/join.token`, token, 0o600);
      const [command = "", ...enter] = a.enter;
      const server = stack.use(Process.start("gserver edge-1", command, [
        ...enter,
        // Who is asked to end is `nsenter`, and what it started would go on.
        ...["setpriv", "--pdeathsig", "KILL"],
        ...[`${FOLDER}/gserver`, "serve", "edge-1", "--fluentd-manager", "none"],
        ...["--state-dir", "/root/edge-1", "--token-file", `${FOLDER}/join.token`],
        ...["--tls-ca-cert-file", "/etc/ghub/ca.crt"],
        ...NAMES.flatMap((name) => ["--hub-uri", `wss://${name}.example/ws`]),
        ...["--max-hubs", "1"],
      ]));
      await server.line(/^gserver ready server=edge-1/);
      for (const name of NAMES) await reached(gclient, name);
    });

    await t.step("hubs are restarted one by one, and the server finds another one", async () => {
      for (const machine of machines) {
        await machine.must("systemctl", "restart", "ghub");
        await allWell();
      }
      for (const name of NAMES) await reached(gclient, name);
    });

    await t.step("systemctl reload gives a hub another secret, and links stand", async () => {
      const secret = btoa(crypto.randomUUID() + crypto.randomUUID());
      for (const machine of machines) {
        await machine.write("/etc/ghub/peer.secret", secret, 0o600);
        await machine.must("systemctl", "reload", "ghub");
      }
      await allWell();
      await b.must("systemctl", "restart", "ghub"); // Its new links need what the others read.
      await allWell();
    });

    await t.step("etcd begins from nothing: the hubs write all of it again", async () => {
      const [stop, ...others] = commandsOf(DOC.split("### Restore and upgrade\n")[1]!);
      await Promise.all(machines.map((machine) => follow(machine, [stop!])));
      for (const machine of machines) {
        await machine.says("ghub", /cannot ask its cluster's engine, and goes on with what/);
      }
      await reached(gclient, "hub-c");
      for (const command of others) {
        await Promise.all(machines.map((machine) => follow(machine, [command])));
      }
      for (const machine of machines) {
        await machine.says("ghub", /This hub joins its cluster again/);
        await machine.says("ghub", /is a member of its cluster again/);
      }
      // The first one that notices it says so; another one may find that it has raised the epoch.
      await until("a hub to say that etcd is another one", async () => {
        const journals = await Promise.all(machines.map((machine) => machine.journal("ghub")));
        return journals.flat().some(({ message }) => /was restored or set up/.test(message));
      });
      await allWell();
    });
  },
});

const TRUST = [
  ...["--tls", "--tls-ca-cert-file", `${FOLDER}/ca.crt`],
  ...["--token-file", `${FOLDER}/operator.token`],
];

/** Waits until a call through this hub comes to the server. */
async function reached(
  gclient: (...args: readonly string[]) => Promise<{ code: number; stderr: string }>,
  hub: string,
): Promise<void> {
  let last = "";
  await until(`a call through ${hub}`, async () => {
    const { code, stderr } = await gclient("list", "edge-1", "-s", `${hub}.example:9090`);
    last = stderr;
    return code === 0;
  }).catch((error) => {
    throw new Error(`${error.message}: ${last}`);
  });
}
