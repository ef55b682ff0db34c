/**
 * One Fluentd and all that others do to it without asking us: configs, disks, rights, signals, and a
 * stranger on one of its ports. It runs without root's rights where we are root, so that a closed
 * folder is closed to it.
 *
 * @module
 */
import { join } from "node:path";
import { TestFluentd } from "../../server/fluentd/testing/kit.ts";
import { REBUILD_MS } from "../../server/fluentd/log/story.ts";
import type { FluentdVersion } from "./fluentd.ts";
import { freePort } from "./free_port.ts";
import { FluentdJudge, type Input, type Living } from "./fluentd_judge.ts";

const IS_ROOT = Deno.uid() === 0;
/** Root without its rights: a closed folder is closed to it, whoever owns it. */
const WITHOUT_RIGHTS = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"];
/** A process has read its config when it has lived for this long, on a slow machine too. */
const READS_MS = 5000;
/** Reloads that may be taken for one: the time that one has to fail, in a log with full seconds. */
const AT_ONCE_MS = REBUILD_MS + 2000;
/** Times in `/proc` have full ticks. */
const TICK_MS = 20;
/** Writes and reloads that are remembered: more than happen in one life of a worker. */
const MAX_REMEMBERED = 100;

export type Config = "good" | "busy" | "syntax" | "unknown plugin" | "unreadable";
/** What has a folder and a disk of its own. */
export type Place = "out" | "log";

export interface SceneOptions extends FluentdVersion {
  readonly workers: 1 | 2;
  /** Whether it has a monitor that is asked. */
  readonly hasMonitor: boolean;
  readonly random: (below: number) => number;
}

export class FluentdScene implements AsyncDisposable {
  readonly fluentd: TestFluentd;
  readonly judge: FluentdJudge;
  readonly options: SceneOptions;
  readonly full = new Set<Place>();
  readonly closed = new Set<Place>();
  readonly #inputs: readonly Input[];
  readonly #monitorPort: number;
  readonly #cleanup: AsyncDisposableStack;
  /** The port that a busy config wants. */
  readonly #busy = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  #stranger: Deno.Listener | undefined;
  #text: Exclude<Config, "unreadable"> = "good";
  #isConfigClosed = false;
  /** What the config has been, and since when. */
  #configs: { readonly config: Config; readonly sinceMs: number }[] = [];
  /** When somebody asked it to read its config again. */
  #reloads: number[] = [];

  private constructor(
    fluentd: TestFluentd,
    options: SceneOptions,
    inputs: readonly Input[],
    monitorPort: number,
    cleanup: AsyncDisposableStack,
  ) {
    this.fluentd = fluentd;
    this.options = options;
    this.#inputs = inputs;
    this.#monitorPort = monitorPort;
    this.#cleanup = cleanup;
    const { stateDir, dir } = fluentd;
    this.judge = new FluentdJudge({ inputs, stateDir, outDir: join(dir, "out") });
  }

  static async open(options: SceneOptions): Promise<FluentdScene> {
    await using cleanup = new AsyncDisposableStack();
    const { command, workers, hasMonitor } = options;
    const inputs: Input[] = (["tcp", "http", "forward"] as const)
      .map((type) => ({ type, port: freePort() }));
    // Each worker has one that no other one serves.
    for (let worker = 0; workers > 1 && worker < workers; worker++) {
      inputs.push({ type: "tcp", port: freePort(), worker });
    }
    const monitorPort = freePort();
    const fluentd = cleanup.use(await TestFluentd.open("", {}));
    const { dir } = fluentd;
    await Deno.chmod(dir, 0o755);
    for (const name of ["out", "log", "backup"]) {
      const path = join(dir, name);
      await Deno.mkdir(path);
      if (IS_ROOT && name !== "backup" && await mount(path)) {
        cleanup.defer(async () => {
          await run("umount", "-l", path);
        });
      }
      await Deno.chmod(path, 0o777);
    }
    const rights = IS_ROOT ? WITHOUT_RIGHTS : [];
    const backup = `FLUENT_BACKUP_DIR=${dir}/backup`;
    await fluentd.reopen({
      command: ["env", backup, ...rights, ...command, "--log", `${dir}/log/own.log`],
      ...(hasMonitor ? { monitor: `127.0.0.1:${monitorPort}` } : {}),
    });
    const scene = new FluentdScene(fluentd, options, inputs, monitorPort, cleanup.move());
    await scene.write("good");
    return scene;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.mend();
    // What a full disk has left in memory is no loss here.
    await this.service.stop({ wait: { seconds: 5 }, forceAfter: true, acceptLoss: true });
    this.#busy.close();
    await this.#cleanup[Symbol.asyncDispose]();
  }

  get service(): TestFluentd["service"] {
    return this.fluentd.service;
  }

  /** What a Fluentd would read now. */
  get config(): Config {
    return this.#isConfigClosed ? "unreadable" : this.#text;
  }

  /** For a reader: what is wrong now. */
  get ills(): string {
    return [
      `config: ${this.config}`,
      ...[...this.full].map((place) => `${place} full`),
      ...[...this.closed].map((place) => `${place} closed`),
      ...(this.#stranger === undefined ? [] : ["a stranger on a port"]),
    ].join(", ");
  }

  /** Why nothing can be written where records are looked for. */
  get outputIlls(): readonly string[] {
    return [
      ...(this.full.has("out") ? ["out full"] : []),
      ...(this.closed.has("out") ? ["out closed"] : []),
    ];
  }

  get isOutputIll(): boolean {
    return this.outputIlls.length > 0;
  }

  get hasStranger(): boolean {
    return this.#stranger !== undefined;
  }

  /** Configs that one of these processes may have read when it was born or reloaded. */
  mayHaveRead({ supervisors, workers }: Living): Set<Config> {
    const births = [...supervisors, ...workers].map(({ startedAtMs }) => startedAtMs);
    const firstMs = Math.min(...births);
    const readings = [...births, ...this.#reloads.filter((ms) => ms >= firstMs)];
    return new Set(readings.flatMap((ms) => this.#configsIn(ms - TICK_MS, ms + READS_MS)));
  }

  /**
   * Whether one of these workers was told to reload twice within `AT_ONCE_MS`: nobody can tell then
   * which of the two the log's line about a failure means.
   */
  wasReloadedTwiceAtOnce({ workers }: Living): boolean {
    const firstMs = Math.min(...workers.map(({ startedAtMs }) => startedAtMs));
    return this.#reloads.some((ms, i) =>
      ms >= firstMs && ms - (this.#reloads[i - 1] ?? -Infinity) < AT_ONCE_MS
    );
  }

  #configsIn(fromMs: number, toMs: number): Config[] {
    return this.#configs.filter(({ sinceMs }, i) =>
      sinceMs <= toMs && (this.#configs[i + 1]?.sinceMs ?? Infinity) >= fromMs
    ).map(({ config }) => config);
  }

  async mend(): Promise<void> {
    await this.write("good");
    for (const place of this.full) await this.free(place);
    for (const place of this.closed) await this.permit(place, true);
    this.leave();
  }

  async write(config: Exclude<Config, "unreadable">): Promise<void> {
    const { dir, configPath } = this.fluentd;
    const { workers, hasMonitor, random } = this.options;
    const address = (port: number) => `  bind 127.0.0.1\n  port ${port}\n`;
    const parse = "  <parse>\n    @type none\n  </parse>\n";
    const tcp = (port: number) =>
      `<source>\n  @type tcp\n  tag walk\n${address(port)}${parse}</source>\n`;
    const sources = this.#inputs.map(({ type, port, worker }) =>
      worker !== undefined
        ? `<worker ${worker}>\n${tcp(port)}</worker>\n`
        : type === "tcp"
        ? tcp(port)
        : `<source>\n  @type ${type}\n${address(port)}</source>\n`
    );
    if (hasMonitor) {
      sources.push(`<source>\n  @type monitor_agent\n${address(this.#monitorPort)}</source>\n`);
    }
    // Sources start last to first.
    if (config === "busy") {
      sources.splice(random(sources.length + 1), 0, tcp(this.#busy.addr.port));
    }
    if (config === "unknown plugin") sources.push("<source>\n  @type nope\n</source>\n");
    if (config === "syntax") sources.push("<source>\n  @type tcp\n");
    await this.fluentd.write(
      `<system>\n  workers ${workers}\n</system>\n${sources.join("")}` +
        // What it says of itself would wait among the records.
        "<label @FLUENT_LOG>\n  <match **>\n    @type null\n  </match>\n</label>\n" +
        `<match **>\n  @type file\n  path ${dir}/out/walk\n  append true\n  <buffer []>\n` +
        "    @type memory\n    flush_mode immediate\n    retry_type periodic\n" +
        // Fluentd takes "0.5s" for 5 s. What has waited goes off at once, not one chunk in a second.
        "    retry_wait 0.5\n    retry_forever true\n    flush_thread_interval 0.1\n" +
        "    flush_thread_burst_interval 0.05\n  </buffer>\n</match>\n",
    );
    await Deno.chmod(configPath, 0o644);
    this.#text = config;
    this.#isConfigClosed = false;
    this.#noteConfig();
  }

  /** Nobody may read the config now but we, if we are root. */
  async closeConfig(): Promise<boolean> {
    if (!IS_ROOT) return false;
    await Deno.chmod(this.fluentd.configPath, 0o000);
    this.#isConfigClosed = true;
    this.#noteConfig();
    return true;
  }

  #noteConfig(): void {
    this.#configs = [...this.#configs, { config: this.config, sinceMs: Date.now() }]
      .slice(-MAX_REMEMBERED);
  }

  /** A disk that is full to the last byte. */
  async fill(place: Place): Promise<boolean> {
    if (!IS_ROOT) return false;
    const path = join(this.fluentd.dir, place);
    // What is left of the last page of a file would have room for many records.
    if (place === "out") await run("sh", "-c", `rm -f ${path}/walk*`);
    await run("sh", "-c", `cat /dev/zero >${path}/.full 2>/dev/null; true`);
    this.full.add(place);
    return true;
  }

  async free(place: Place): Promise<void> {
    await Deno.remove(join(this.fluentd.dir, place, ".full")).catch(() => {});
    this.full.delete(place);
  }

  async permit(place: Place, isOpen: boolean): Promise<void> {
    await Deno.chmod(join(this.fluentd.dir, place), isOpen ? 0o777 : 0o000);
    if (isOpen) this.closed.delete(place);
    else this.closed.add(place);
  }

  /** Another program takes the port of an input, if it is free. */
  come(): boolean {
    const port = this.#inputs[this.options.random(this.#inputs.length)]!.port;
    try {
      this.#stranger = Deno.listen({ hostname: "127.0.0.1", port });
      return true;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
      return false;
    }
  }

  leave(): void {
    this.#stranger?.close();
    this.#stranger = undefined;
  }

  /** As others do, who do not ask us. */
  async signal(whom: keyof Living, signal: Deno.Signal): Promise<boolean> {
    const living = (await this.judge.living())[whom];
    if (living.length === 0) return false;
    const { pid } = living[this.options.random(living.length)]!;
    if (signal === "SIGHUP" || signal === "SIGUSR2") {
      this.#reloads = [...this.#reloads, Date.now()].slice(-MAX_REMEMBERED);
    }
    try {
      Deno.kill(pid, signal);
      return true;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      return false;
    }
  }

  /** As logrotate does it: the log gets another name, and Fluentd is told. */
  async rotate(): Promise<boolean> {
    const own = join(this.fluentd.dir, "log/own.log");
    const renamed = await Deno.rename(own, `${own}.1`).then(() => true, () => false);
    return await this.signal("supervisors", "SIGUSR1") && renamed;
  }

  /** The last lines of what it has said, for whoever has to find out who is wrong. */
  async lastWords(): Promise<string> {
    const { dir, stateDir } = this.fluentd;
    const texts = await Promise.all([`${dir}/log/own.log`, `${stateDir}/fluentd.log`].map(
      async (path) => {
        const text = await Deno.readTextFile(path).catch(String);
        return `${path}:\n${text.split("\n").slice(-25).join("\n")}`;
      },
    ));
    return texts.join("\n");
  }
}

/** A small disk of its own. */
function mount(path: string): Promise<boolean> {
  return run("mount", "-t", "tmpfs", "-o", "size=2m,mode=777", "tmpfs", path);
}

async function run(program: string, ...args: string[]): Promise<boolean> {
  return (await new Deno.Command(program, { args, stderr: "null" }).output()).success;
}
