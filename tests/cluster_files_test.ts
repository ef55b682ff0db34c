/**
 * The files that docs/cluster.md hands out for a cluster: docs/compose.yaml, and what is in systemd/ for
 * it. Their names, ports, files and options are checked against each other and against the programs.
 * tests/cluster_compose_test.ts and tests/cluster_units_test.ts start what they name.
 */
import assert from "node:assert/strict";
import { parse } from "yaml";
import { options } from "../hub/commands/serve_options.ts";
import { isWithoutEtcd } from "./support/etcd.ts";
import { Process, REPOSITORY } from "./support/process.ts";

const read = (path: string) => Deno.readTextFileSync(`${REPOSITORY}${path}`);

interface Service {
  readonly image: string;
  readonly command: readonly string[];
  readonly depends_on?: readonly string[];
  readonly ports?: readonly string[];
  readonly volumes: readonly string[];
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

const COMPOSE = parse(read("docs/compose.yaml")) as Compose;
const SERVICES = Object.entries(COMPOSE.services);
const HUBS = SERVICES.filter(([name]) => name.startsWith("hub-"));
const ETCDS = SERVICES.filter(([name]) => name.startsWith("etcd-"));

/** `--flag=value` → value. */
function flagsOf({ command }: Service): ReadonlyMap<string, string> {
  const pairs = command.slice(1).map((arg) => /^(--[a-z-]+)(?:=(.*))?$/.exec(arg));
  assert.ok(pairs.every((pair) => pair !== null), command.join(" "));
  return new Map(pairs.map((pair) => [pair![1]!, pair![2] ?? ""]));
}

const OPTIONS = new Map(
  Object.values(options).map((option) => [
    option.flag as string,
    option as {
      parse?: (text: string) => unknown;
    },
  ]),
);

/** The port that a hub listens on, as it reads the flag. */
function portOf(flags: ReadonlyMap<string, string>, flag: string): number {
  return (OPTIONS.get(flag)!.parse!(flags.get(flag)!) as { port: number }).port;
}

Deno.test("compose: three hubs and three members of etcd, and all that a service names is there", () => {
  assert.deepEqual([HUBS.length, ETCDS.length, SERVICES.length], [3, 3, 6]);
  for (const [name, { image, depends_on: needs = [], volumes }] of SERVICES) {
    assert.match(image, /^[a-z0-9./-]+:[\w.-]+$/, `${name} has an image of a fixed version`);
    assert.doesNotMatch(image, /:latest$/);
    for (const other of needs) assert.ok(other in COMPOSE.services, `${name} needs ${other}`);
    for (const volume of volumes) {
      const [from = "", to = ""] = volume.split(":");
      assert.ok(from.startsWith("./") || from in COMPOSE.volumes, `${name}: ${from}`);
      assert.match(to, /^\//);
    }
  }
  const published = HUBS.flatMap(([, { ports = [] }]) => ports.map((port) => port.split(":")[1]));
  assert.equal(new Set(published).size, 6, "no port is published twice");
});

Deno.test("compose: a hub's command has options that there are, and its ports and files agree", () => {
  for (const [name, service] of HUBS) {
    const { command: [program = ""], ports = [], volumes } = service;
    const flags = flagsOf(service);
    for (const [flag, text] of flags) {
      assert.ok(OPTIONS.has(flag), `${name}: ghub has no ${flag}`);
      OPTIONS.get(flag)!.parse?.(text);
    }
    assert.equal(flags.get("--hub-name"), name);
    assert.equal(flags.get("--peer-address"), `${name}:${portOf(flags, "--peer-listen")}`);
    assert.deepEqual(
      ports.map((port) => Number(port.split(":").at(-1))),
      [portOf(flags, "--tunnel-listen"), portOf(flags, "--call-listen")],
    );
    const mounted = volumes.map((volume) => volume.split(":")[1]);
    for (const path of [program, flags.get("--peer-secret-file"), flags.get("--state-dir")]) {
      assert.ok(mounted.includes(path), `${name}: ${path}`);
    }
    const members = ETCDS.map(([etcd, one]) => {
      return `${etcd}:${new URL(flagsOf(one).get("--advertise-client-urls")!).port}`;
    });
    const uri = /^etcd:\/\/([^/]+)\/trial$/.exec(flags.get("--cluster")!)?.[1];
    assert.deepEqual(uri?.split(","), members);
  }
  const secrets = HUBS.map(([, { volumes }]) => volumes.find((one) => one.includes("peer.secret")));
  assert.equal(new Set(secrets).size, 1, "all hubs have the same secret");
  const states = HUBS.map(([, { volumes }]) => volumes.find((one) => one.includes("state")));
  assert.equal(new Set(states).size, 3, "each hub has a state of its own");
});

Deno.test({
  name: "compose, systemd: etcd has the options that its members are started with",
  ignore: isWithoutEtcd(),
  fn: async () => {
    const help = await Process.output("etcd", ["--help"], {
      env: { ETCD_UNSUPPORTED_ARCH: Deno.build.arch === "aarch64" ? "arm64" : "" },
    });
    const said = `${help.stdout}${help.stderr}`;
    const env = [...read("systemd/etcd.env").matchAll(/^ETCD_([A-Z_]+)=/gm)]
      .map(([, name = ""]) => `--${name.toLowerCase().replaceAll("_", "-")}`);
    assert.ok(env.length > 10);
    for (const flag of [...ETCDS.flatMap(([, one]) => [...flagsOf(one).keys()]), ...env]) {
      assert.match(said, new RegExp(`^ +${flag}\\b`, "m"));
    }
  },
});

Deno.test("compose: the members of etcd know each other", () => {
  const peers = ETCDS.map(([name, one]) => {
    return `${name}=${flagsOf(one).get("--initial-advertise-peer-urls")}`;
  });
  for (const [name, one] of ETCDS) {
    const flags = flagsOf(one);
    assert.equal(flags.get("--name"), name);
    assert.deepEqual(flags.get("--initial-cluster")?.split(","), peers);
    assert.equal(new URL(flags.get("--initial-advertise-peer-urls")!).hostname, name);
    assert.equal(new URL(flags.get("--advertise-client-urls")!).hostname, name);
  }
});

const DROP_IN = read("systemd/ghub-cluster.conf");
const lines = (key: string) =>
  DROP_IN.split("\n").filter((line) => line.startsWith(`${key}=`))
    .map((line) => line.slice(key.length + 1));

Deno.test("systemd: the settings of a hub in a cluster are options of ghub", () => {
  const known = new Set([...OPTIONS.keys()]);
  const settings = lines("Environment").map((line) => /^GHUB_([A-Z_]+)=(.+)$/.exec(line)!);
  for (const [line, name = "", value = ""] of settings) {
    const flag = `--${name.toLowerCase().replaceAll("_", "-")}`;
    assert.ok(known.has(flag), line);
    OPTIONS.get(flag)!.parse?.(value.replace("%H", "hub-a"));
  }
  const names = settings.map(([, name]) => name);
  for (const needed of ["CLUSTER", "PEER_LISTEN", "PEER_SECRET_FILE", "HUB_NAME"]) {
    assert.ok(names.includes(needed), needed);
  }
});

Deno.test("systemd: what copies the files of a hub in a cluster does so, at its start and at a reload", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const [etc, run, state] = ["etc", "run/ghub-tls", "state/ghub"].map((one) => `${dir}/${one}`);
    for (const one of [etc, run, state]) await Deno.mkdir(one!, { recursive: true });
    const files = ["peer.secret", "etcd-ca.crt", "etcd.crt", "etcd.key", "hub.crt", "hub.key"];
    const named = lines("Environment").flatMap((line) =>
      /%t\/ghub-tls\/(\S+)$/.exec(line)?.[1] ?? []
    );
    assert.deepEqual(named.sort(), files.slice(0, 4).sort());
    const [reset, copy, reload] = lines("ExecReload");
    assert.deepEqual([reset, reload], ["", "/usr/local/bin/ghub reload"]);
    for (const [round, command] of [...lines("ExecStartPre"), copy!].entries()) {
      for (const file of files) await Deno.writeTextFile(`${etc}/${file}`, `${file} ${round}`);
      const script = /^\+\/bin\/sh -euc '(.*)'$/.exec(command)![1]!
        .replaceAll("%t", `${dir}/run`).replaceAll("%S", `${dir}/state`)
        .replaceAll("/etc/ghub", etc!).replaceAll("$$", "$");
      await Process.run(["/bin/sh", "-euc", script], { cwd: dir });
      for (const file of round === 0 ? files.slice(0, 4) : files) {
        assert.equal(await Deno.readTextFile(`${run}/${file}`), `${file} ${round}`);
        assert.equal((await Deno.stat(`${run}/${file}`)).mode! & 0o777, 0o600);
      }
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
