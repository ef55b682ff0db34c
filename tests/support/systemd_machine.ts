/**
 * A machine with a real systemd: PID 1 in namespaces of its own, over a copy of this machine's files
 * that is thrown away. journald, D-Bus and polkit run as on any other; `boot_systemd.sh` says how.
 *
 * ```ts ignore
 * const why = systemdMissing(); // for `ignore` of a test
 * await using machine = await SystemdMachine.boot();
 * await machine.write("/etc/systemd/system/x.service", "[Service]\nExecStart=/bin/false\n");
 * await machine.run("systemctl", "start", "x");
 * (await machine.show("x", "Result")).Result; // "exit-code"
 * ```
 *
 * Not all of systemd can be had like this: `LoadCredential=` fails, and nothing sees devices.
 *
 * @module
 */
import { dirname } from "node:path";
import { NamespaceHolder } from "./namespace_holder.ts";
import { oneProcess, type Output, Process } from "./process.ts";
import { until } from "./until.ts";

/** With this set to 1, a machine that cannot boot a systemd fails the tests that need one. */
const REQUIRE = "GHUB_REQUIRE_SYSTEMD";

const BOOT = new URL("boot_systemd.sh", import.meta.url).pathname;
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const NAMESPACES = ["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup"];

/** What `unshare` must be able to do, and what must be installed. */
const TRY = `set -e
for tool in unshare nsenter pivot_root ip systemctl busctl; do command -v "$tool"; done
test -x /lib/systemd/systemd
unshare --fork --kill-child --pid --mount --net --uts --ipc --cgroup sh -c '
  mount -t tmpfs tmpfs /mnt && mount -t cgroup2 cgroup2 /mnt && mkdir /mnt/ghub-try-$$ &&
  rmdir /mnt/ghub-try-$$'`;

let missing: boolean | undefined;

/**
 * Whether no systemd can be booted here: that takes Linux, root, namespaces, and systemd itself.
 * Says so, once.
 *
 * @throws {Error} If none can, and `GHUB_REQUIRE_SYSTEMD=1`.
 */
export function systemdMissing(): boolean {
  missing ??= look();
  return missing;
}

function look(): boolean {
  const why = whyNot();
  if (why === undefined) return false;
  const message = `No systemd can be booted here: ${why}`;
  if (Deno.env.get(REQUIRE) === "1") throw new Error(`${message} (${REQUIRE}=1)`);
  console.warn(`\n*** SKIPPED: ${message}. Tests that need a real systemd are IGNORED.\n`);
  return true;
}

function whyNot(): string | undefined {
  if (Deno.build.os !== "linux") return `this is ${Deno.build.os}`;
  if (Deno.uid() !== 0) return "it takes root";
  const { success, stderr } = new Deno.Command("sh", { args: ["-c", TRY] }).outputSync();
  if (success) return undefined;
  return new TextDecoder().decode(stderr).trim() || "a command is not installed";
}

export interface MachineOptions {
  /**
   * The file of the network namespace that it lives in, such as `/run/netns/hub`.
   *
   * @default one of its own with nothing but loopback
   */
  readonly netns?: string;
  /** Folders of other file systems than `/`, and of /tmp, that it sees as they are. @default [] */
  readonly sees?: readonly string[];
}

/** A line of a unit's journal. */
export interface JournalLine {
  /** As in `journalctl -o json`: 3 is an error, 4 a warning, 6 for information. */
  readonly priority: number;
  readonly message: string;
}

/**
 * A machine with a real systemd, in namespaces. Guarantee: whatever happens to the test, every process of the machine ends
 * with it, and nothing of its files stays.
 */
export class SystemdMachine implements AsyncDisposable {
  readonly #boot: NamespaceHolder;

  private constructor(boot: NamespaceHolder) {
    this.#boot = boot;
  }

  /** Resolves when systemd has started all that it starts by itself. */
  static async boot({ netns, sees = [] }: MachineOptions = {}): Promise<SystemdMachine> {
    const dir = await Deno.makeTempDir({ prefix: "ghub-machine-" });
    const enter = netns === undefined ? [] : [`--net=${netns}`];
    const boot = await NamespaceHolder.start(
      ["nsenter", ...enter, "unshare", "--mount", "sh", BOOT, dir],
      { MACHINE_NET: netns === undefined ? "--net" : "", MACHINE_SEES: sees.join(" ") },
    );
    const machine = new SystemdMachine(boot);
    try {
      await until("systemd to have started", async () => {
        const { stdout } = await machine.run("systemctl", "is-system-running");
        return /^(running|degraded)$/m.test(stdout);
      });
      return machine;
    } catch (error) {
      await machine[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Runs a command in it, as root and with a clean environment, to its end. */
  async run(command: string, ...args: readonly string[]): Promise<Output> {
    const [program = "", ...before] = this.enter;
    return await Process.output(program, [...before, command, ...args]);
  }

  /** What stands before a command that somebody else shall run in it, as `run` does. */
  get enter(): string[] {
    const environment = [`PATH=${PATH}`, "HOME=/root", "LANG=C.UTF-8", "SYSTEMD_PAGER="];
    const place = [`--target=${this.#boot.pid}`, ...NAMESPACES, "--root", "--wd"];
    return ["nsenter", ...place, "env", "-i", ...environment];
  }

  /**
   * Runs a command that must not fail.
   *
   * @returns Its standard output.
   * @throws {Error} With its standard error, and what the journal says of the unit in `args`.
   */
  async must(command: string, ...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(command, ...args);
    if (code === 0) return stdout;
    const journal = command === "systemctl" ? await this.journal(args.at(-1)!) : [];
    const lines = journal.map(({ priority, message }) => `<${priority}> ${message}`);
    throw new Error(
      `${command} ${args.join(" ")}: exit code ${code}\n${stdout}${stderr}${lines.join("\n")}`,
    );
  }

  /** Kills one process of the machine. */
  async kill(pid: number | undefined): Promise<void> {
    await this.must("kill", "-KILL", oneProcess(pid));
  }

  /** Where a file of the machine is out here. Links in it that begin with `/` lead elsewhere. */
  path(path: string): string {
    return `/proc/${this.#boot.pid}/root${path}`;
  }

  /** Writes a file, and the folders that it needs. The old one is replaced in one step. */
  async write(path: string, content: string | Uint8Array, mode = 0o644): Promise<void> {
    const target = this.path(path);
    await Deno.mkdir(dirname(target), { recursive: true });
    const draft = `${target}.new`;
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    await Deno.writeFile(draft, bytes);
    await Deno.chmod(draft, mode);
    await Deno.rename(draft, target);
  }

  async read(path: string): Promise<string> {
    return await Deno.readTextFile(this.path(path));
  }

  /** Properties of a unit, as `systemctl show` tells them. */
  async show<P extends string>(unit: string, ...properties: P[]): Promise<Record<P, string>> {
    const text = await this.must("systemctl", "show", `--property=${properties}`, unit);
    const lines = text.trimEnd().split("\n").map((line) => line.split(/=(.*)/s, 2));
    return Object.fromEntries(lines) as Record<P, string>;
  }

  /** What a unit has written, and what systemd has written about it. */
  async journal(unit: string): Promise<JournalLine[]> {
    await this.run("journalctl", "--sync");
    const fields = "--output-fields=PRIORITY,MESSAGE";
    const { stdout } = await this.run("journalctl", "-u", unit, "-o", "json", "--all", fields);
    return stdout.trimEnd().split("\n").filter((line) => line !== "").map((line) => {
      const { PRIORITY, MESSAGE } = JSON.parse(line);
      return { priority: Number(PRIORITY), message: MESSAGE };
    });
  }

  /** Waits until a unit's journal has a line that matches, and returns it. */
  async says(unit: string, pattern: RegExp): Promise<JournalLine> {
    return await until(
      `${unit} to write ${pattern}`,
      async () => (await this.journal(unit)).find(({ message }) => pattern.test(message)),
    ).catch(async (error) => {
      const lines = (await this.journal(unit)).map(({ message }) => message);
      throw new Error(`${error.message}; its journal:\n${lines.join("\n")}`);
    });
  }

  /** Ends every process of it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#boot[Symbol.asyncDispose]();
  }
}
