/**
 * A Fluentd that some manager keeps, for statements that hold whoever that is: what a test does to it
 * and to its machine, apart from the service that it tests.
 *
 * @module
 */
import { basename, dirname } from "node:path";
import type { FluentdOptions } from "../../server/fluentd/mod.ts";
import { FluentdClient } from "../../server/fluentd/testing/client.ts";
import { TestService } from "../../server/fluentd/testing/kit.ts";
import { fluentdCommand } from "./fluentd.ts";
import { freePort } from "./free_port.ts";
import {
  cleanEnv,
  commandLine,
  oneProcess,
  type Output,
  Process,
  REPOSITORY,
  source,
} from "./process.ts";
import type { SystemdMachine } from "./systemd_machine.ts";
import { until } from "./until.ts";

/** The variable of its environment that configs of tests use. */
export const VARIABLE = "GHUB_TEST_VALUE";
/** The Fluentd service as a program of its own. */
const HOST = "tests/support/fluentd_host.ts";
/** State of a listening socket in `/proc/net/tcp` (`TCP_LISTEN`). */
const LISTENING = "0A";

/** What a test does to a Fluentd and to the machine that it runs on. */
export interface KeptFluentd extends AsyncDisposable {
  /** Who keeps it, for the names of tests. */
  readonly name: string;
  readonly manager: "SPAWN" | "SYSTEMD";
  /** As systemd names it; empty without systemd. */
  readonly unit: string;
  readonly client: FluentdClient;
  /** The config that it is started with, on its machine. */
  readonly configPath: string;
  /** A folder in which it may write, on its machine. */
  readonly dir: string;
  /** Value of {@linkcode VARIABLE} in its environment. */
  readonly value: string;
  /** Whether it can be restarted without downtime; else a part of why not. */
  readonly handsOver: true | RegExp;
  /** What becomes of it when its supervisor is killed. */
  readonly afterKill: "ORPHANED" | "HEALTHY";
  write(config: string): Promise<void>;
  /** Runs a command on its machine to its end. */
  run(command: string, ...args: string[]): Promise<Output>;
  /** A port of its machine that nobody uses. */
  freePort(): number;
  /** Listens on that port until it is disposed of. */
  occupy(port: number): Promise<AsyncDisposable>;
  /** Runs a Fluentd that is not the kept one, with the same config, until it is disposed of. */
  runAnother(): Promise<AsyncDisposable & { readonly unit?: string }>;
}

/** Kills one process of its machine. */
export async function kill(kept: KeptFluentd, pid: number | undefined): Promise<void> {
  const { code, stderr } = await kept.run("kill", "-KILL", oneProcess(pid));
  if (code !== 0) throw new Error(`kill -KILL ${pid}: ${stderr}`);
}

/** Whether somebody listens on that port of its machine. */
export async function isListening(kept: KeptFluentd, port: number): Promise<boolean> {
  const { stdout } = await kept.run("cat", "/proc/net/tcp");
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return stdout.split("\n").map((line) => line.trim().split(/\s+/)).some(([, local, , state]) =>
    local?.endsWith(wanted) && state === LISTENING
  );
}

/** Whether no process of its machine has that number, not even one that waits for its parent. */
export async function hasEnded(kept: KeptFluentd, pid: number | undefined): Promise<boolean> {
  return (await kept.run("test", "-e", `/proc/${pid}`)).code !== 0;
}

/** The arguments of a process of its machine. */
export async function argumentsOf(kept: KeptFluentd, pid: number): Promise<string[]> {
  const { stdout } = await kept.run("cat", `/proc/${pid}/cmdline`);
  return stdout.split("\0").slice(0, -1);
}

/** One of this machine, as our own child. */
export async function spawned(): Promise<KeptFluentd> {
  await using stack = new AsyncDisposableStack();
  const dir = await Deno.makeTempDir({ prefix: "ghub-kept-" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const value = String(freePort());
  const configPath = `${dir}/fluent.conf`;
  const program = fluentdCommand() ?? [];
  const client = stack.use(
    await TestService.open({
      manager: "spawn",
      command: ["env", `${VARIABLE}=${value}`, ...program],
      configPath,
      stateDir: `${dir}/state`,
    }),
  );
  stack.defer(async () => {
    await client.stop({ wait: { seconds: 5 }, forceAfter: true, acceptLoss: true });
  });
  const owned = stack.move();
  return {
    name: "spawn",
    manager: "SPAWN",
    unit: "",
    client,
    configPath,
    dir,
    value,
    handsOver: true,
    afterKill: "ORPHANED",
    write: (config) => Deno.writeTextFile(configPath, config),
    run: (command, ...args) => Process.output(command, args),
    freePort,
    occupy(port) {
      const listener = Deno.listen({ hostname: "127.0.0.1", port });
      const close = () => Promise.resolve(listener.close());
      return Promise.resolve({ [Symbol.asyncDispose]: close });
    },
    async runAnother() {
      const [command = "", ...args] = program;
      const another = Process.start("another fluentd", command, [...args, "-c", configPath], {
        env: { [VARIABLE]: value },
      });
      await another.line(/fluentd worker is now running/);
      return another;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** How a unit of a machine is installed, and what it can. */
export interface KeptUnit extends
  Pick<
    KeptFluentd,
    "name" | "unit" | "configPath" | "dir" | "value" | "handsOver" | "afterKill"
  > {
  /** What `--fluentd-unit` says. @default the unit's own name */
  readonly named?: string;
  /** Of the service that manages it. @default the unit's name */
  readonly host?: string;
}

/** A Fluentd that systemd keeps on a machine where its unit has been installed. */
export async function kept(machine: SystemdMachine, unit: KeptUnit): Promise<KeptFluentd> {
  const { named = unit.unit, host = basename(unit.unit, ".service"), configPath, value } = unit;
  const client = await serve(machine, host, { manager: "systemd", unit: named });
  const must = async (...words: [string, ...string[]]) => void await machine.must(...words);
  return {
    ...unit,
    manager: "SYSTEMD",
    client,
    write: (config) => machine.write(configPath, config),
    run: (command, ...args) => machine.run(command, ...args),
    freePort,
    async occupy(port) {
      // systemd listens itself; the service behind it is never started.
      const listen = `--socket-property=ListenStream=127.0.0.1:${port}`;
      await must("systemd-run", "--quiet", `--unit=busy-${port}`, listen, "true");
      return { [Symbol.asyncDispose]: () => must("systemctl", "stop", `busy-${port}.socket`) };
    },
    async runAnother() {
      const name = `another-${host}`;
      const setup = ["--quiet", `--unit=${name}`, `--setenv=${VARIABLE}=${value}`];
      await must("systemd-run", ...setup, ...fluentdCommand() ?? [], "-c", configPath);
      await machine.says(name, /fluentd worker is now running/);
      return {
        unit: `${name}.service`,
        [Symbol.asyncDispose]: () => must("systemctl", "stop", name),
      };
    },
    [Symbol.asyncDispose]: () => Promise.resolve(client[Symbol.dispose]()),
  };
}

/** Starts the service on a machine, as root, and gives a client of it. */
export async function serve(
  machine: SystemdMachine,
  name: string,
  options: Omit<FluentdOptions, "stateDir">,
): Promise<FluentdClient> {
  const [deno, ...words] = commandLine(source(HOST));
  const { DENO_DIR } = cleanEnv();
  const socket = `/run/${name}.sock`;
  const json = JSON.stringify({ ...options, stateDir: `/var/lib/${name}` });
  const setup = ["--quiet", `--unit=host-${name}`, `--setenv=DENO_DIR=${DENO_DIR}`];
  await machine.must("systemd-run", ...setup, deno, ...words, socket, json);
  await until(`the service ${name} to listen`, async () => {
    if ((await machine.run("test", "-S", socket)).code === 0) return true;
    const { ActiveState } = await machine.show(`host-${name}`, "ActiveState");
    if (ActiveState !== "failed") return false;
    const journal = await machine.journal(`host-${name}`);
    throw new Error(journal.map(({ message }) => message).join("\n"));
  });
  return new FluentdClient(`unix:${machine.path(socket)}`);
}

/** What a machine needs to see of this one for {@linkcode serve}, where it is not on the disk of `/`. */
export function foldersOfHost(): string[] {
  const { DENO_DIR = "" } = cleanEnv();
  const disk = Deno.statSync("/").dev;
  const program = source(HOST).at(-1)!;
  const folders = [REPOSITORY, DENO_DIR, dirname(Deno.execPath()), dirname(program)];
  return folders.filter((folder) =>
    /^\/(tmp|run|dev|var\/log)\//.test(folder) || Deno.statSync(folder).dev !== disk
  );
}
