/**
 * A random walk: Fluentd is started, stopped, reloaded, killed and starved in any order, and after each
 * step each answer of the service is compared with what a judge found, who sends records and looks for
 * them. A lie is
 *
 * - SUCCESS, NOCHANGE or HEALTHY, and a record does not arrive,
 * - FAILED, STOPPED or ill otherwise, and all records arrive, with nothing wrong that is known,
 * - processes that are told and are not there, or the other way round.
 *
 * What may be so for a while only:
 *
 * | what                                                  | for how long                             |
 * | ----------------------------------------------------- | ---------------------------------------- |
 * | STARTING, two looks that differ, a takeover           | `SETTLES_MS`; nothing is compared before |
 * | HEALTHY, and an output that fails has not said so yet | `SAID_MS`                                |
 * | CRASH_LOOP, and the worker that lives now delivers    | `LOOP_MS` of its life                    |
 * | a record on its way                                   | `ARRIVES_MS`                             |
 *
 * `GHUB_WALK_STEPS=500` walks further and tells each step, `GHUB_TEST_SEED=7` walks elsewhere.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { delay } from "../shared/async/delay.ts";
import type {
  fluentd_v1_FluentdState as FluentdState,
  fluentd_v1_RestartResponse as RestartResponse,
  fluentd_v1_StartResponse as StartResponse,
  fluentd_v1_StopResponse as StopResponse,
} from "../shared/gen/types.ts";
import { RpcError } from "../shared/grpc/rpc_error.ts";
import { TestFluentd } from "../server/fluentd/testing/kit.ts";
import { randomFrom, SEED } from "../shared/testing/property.ts";
import { fluentdCommand, freePort } from "./support/fluentd.ts";
import { FluentdJudge, type Input } from "./support/fluentd_judge.ts";

const STEPS = Number(Deno.env.get("GHUB_WALK_STEPS") ?? "25");
const VERBOSE = Deno.env.has("GHUB_WALK_STEPS");
/** What arrives at all has arrived by then: it is flushed at once, and the machine may be slow. */
const ARRIVES_MS = 20_000;
/** The same where nobody says that it does. */
const COMES_MS = 2000;
/** Until then a state must be the same twice, and no longer STARTING. */
const SETTLES_MS = 120_000;
const LOOK_MS = 200;
/** An output that fails has said so after this time: it tries twice a second. */
const SAID_MS = 30_000;
/** A crash loop may be told until the worker has lived for this long. */
const LOOP_MS = 10_000;
const WAIT = { seconds: 60 };
const NOBODY = "65534";
const IS_ROOT = Deno.uid() === 0;

type Config = "good" | "busy" | "syntax" | "unknown plugin";

/** One Fluentd with all that is done to it. */
class Walk implements AsyncDisposable {
  readonly lies: string[] = [];
  readonly counts = new Map<string, number>();
  readonly #fluentd: TestFluentd;
  readonly #judge: FluentdJudge;
  readonly #inputs: readonly Input[];
  readonly #random: (below: number) => number;
  readonly #busy = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #cleanup: AsyncDisposableStack;
  /** The step under way, for a reader. */
  #step = "";
  /** What the last comparison found. */
  #said = "";
  #config: Config = "good";
  #closedOut = false;
  /** Somebody reloaded it with a config that cannot work: part of it may run. */
  #halfReloaded = false;

  private constructor(
    fluentd: TestFluentd,
    inputs: readonly Input[],
    random: (below: number) => number,
    cleanup: AsyncDisposableStack,
  ) {
    this.#fluentd = fluentd;
    this.#inputs = inputs;
    this.#random = random;
    this.#cleanup = cleanup;
    const { stateDir, dir } = fluentd;
    this.#judge = new FluentdJudge({ inputs, stateDir, outDir: join(dir, "out") });
  }

  static async open(command: readonly string[]): Promise<Walk> {
    await using cleanup = new AsyncDisposableStack();
    const inputs = (["tcp", "http", "forward"] as const)
      .map((type): Input => ({ type, port: freePort() }));
    const fluentd = cleanup.use(await TestFluentd.open("", {}));
    const { dir } = fluentd;
    await Deno.chmod(dir, 0o755);
    for (const name of ["out", "backup", "log"]) {
      await Deno.mkdir(join(dir, name));
      await Deno.chmod(join(dir, name), 0o777);
    }
    if (
      IS_ROOT && await run("mount", "-t", "tmpfs", "-o", "size=1m,mode=777", "tmpfs", `${dir}/out`)
    ) {
      cleanup.defer(async () => {
        await run("umount", "-l", `${dir}/out`);
      });
    }
    // As another user, so that permissions mean something.
    const user = IS_ROOT ? ["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"] : [];
    await fluentd.reopen({
      command: [
        "env",
        `FLUENT_BACKUP_DIR=${dir}/backup`,
        ...user,
        ...command,
        "--log",
        `${dir}/log/own.log`,
      ],
    });
    const walk = new Walk(fluentd, inputs, randomFrom(), cleanup.move());
    await walk.#write("good");
    return walk;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#freeDisk();
    await this.#permit(0o777);
    // What a full disk has left in memory is no loss here.
    await this.#service.stop({ wait: { seconds: 5 }, forceAfter: true, acceptLoss: true });
    this.#busy.close();
    await this.#cleanup[Symbol.asyncDispose]();
  }

  get #service() {
    return this.#fluentd.service;
  }

  /** What may happen, and how often. What others do to processes is left out where none lives. */
  readonly #steps: readonly [weight: number, name: string, step: () => Promise<void>][] = [
    [5, "all is mended, and start", () => this.#mend()],
    [3, "start", () => this.#start()],
    [3, "stop", () => this.#stop()],
    [3, "restart", () => this.#restart("STOP_START")],
    [2, "zero-downtime restart", () => this.#restart("ZERO_DOWNTIME")],
    [2, "HUP from outside", () => this.#signal("supervisors", "SIGHUP")],
    [2, "reload in place from outside", () => this.#signal("workers", "SIGUSR2")],
    [1, "takeover from outside", () => this.#signal("supervisors", "SIGUSR2")],
    [2, "kill -9 of a worker", () => this.#signal("workers", "SIGKILL")],
    [1, "kill -9 of a supervisor", () => this.#signal("supervisors", "SIGKILL")],
    [1, "logrotate", () => this.#rotate()],
    [2, "a good config", () => this.#write("good")],
    [2, "a config with a busy port", () => this.#write("busy")],
    [1, "a config with a syntax error", () => this.#write("syntax")],
    [1, "a config with an unknown plugin", () => this.#write("unknown plugin")],
    [1, "full disk", () => this.#fillDisk()],
    [2, "room on the disk", () => this.#freeDisk()],
    [1, "the output's folder is closed", () => this.#permit(0o000)],
    [2, "the output's folder is open", () => this.#permit(0o777)],
    [1, "gserver starts again", () => this.#fluentd.reopen()],
  ];

  async walk(steps: number): Promise<void> {
    const bag = this.#steps.flatMap(([weight, ...step]) => Array<typeof step>(weight).fill(step));
    for (let i = 0; i < steps; i++) {
      let [name, step] = bag[i === 0 ? 0 : this.#random(bag.length)]!;
      const isIdle = this.#said.startsWith("STOPPED");
      while (isIdle && /outside|kill|logrotate/.test(name)) {
        [name, step] = bag[this.#random(bag.length)]!;
      }
      this.#step = `step ${i}, ${name} (config: ${this.#config}${
        this.#closedOut ? ", closed" : ""
      })`;
      const beganMs = performance.now();
      await step();
      await this.#compare();
      this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
      if (VERBOSE) {
        console.log(
          `${this.#step}: ${this.#said} in ${Math.round(performance.now() - beganMs)} ms`,
        );
      }
    }
  }

  #lie(what: string, state: object | undefined): void {
    this.lies.push(`${this.#step}: ${what}: ${JSON.stringify(state)?.slice(0, 3000)}`);
    if (VERBOSE) console.log(`LIE: ${this.lies.at(-1)}`);
  }

  async #mend(): Promise<void> {
    await this.#write("good");
    await this.#freeDisk();
    await this.#permit(0o777);
    await this.#start();
  }

  async #start(): Promise<void> {
    await this.#asked("Start", () => this.#service.start({ wait: WAIT }));
  }

  async #stop(): Promise<void> {
    const acceptLoss = this.#random(2) === 0;
    const flushFirst = this.#random(3) === 0;
    await this.#asked(
      "Stop",
      () =>
        this.#service.stop({
          wait: WAIT,
          flushFirst,
          acceptLoss,
          forceAfter: this.#random(2) === 0,
        }),
    );
  }

  async #restart(mode: "STOP_START" | "ZERO_DOWNTIME"): Promise<void> {
    const acceptLoss = this.#random(2) === 0;
    await this.#asked("Restart", () => this.#service.restart({ wait: WAIT, mode, acceptLoss }));
  }

  /** Asks, and compares the answer with what is found right after it. */
  async #asked(
    kind: "Start" | "Stop" | "Restart",
    ask: () => Promise<StartResponse | StopResponse | RestartResponse>,
  ): Promise<void> {
    const before = pidsOf((await this.#judge.living()).supervisors);
    let answer;
    try {
      answer = await ask();
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      const now = pidsOf((await this.#judge.living()).supervisors);
      this.#step += ` → ${error.message.slice(0, 200)}`;
      // One that was dying by itself may be gone.
      if (now.some((pid) => !before.includes(pid))) {
        this.#lie("An error, and something was started", {});
      }
      return;
    }
    const { status = "", failure, after } = answer;
    this.#step += ` → ${status} ${failure?.reason ?? ""}`;
    const { supervisors, workers } = await this.#judge.living();
    const count = supervisors.length + workers.length;
    const runs = kind !== "Stop" && (status === "SUCCESS" || status === "NOCHANGE");
    if (runs && after?.health !== "DEGRADED") {
      const deaf = await this.#judge.deaf(ARRIVES_MS);
      const { warnings = [], health } = await this.#service.status();
      const told = health !== "HEALTHY" || warnings.some(({ code }) => isTold(code));
      if (deaf.length > 0 && !told) this.#lie(`${status}, and ${deaf} is deaf`, answer);
    }
    const ended = kind === "Stop" && status !== "FAILED" || status === "FAILED_STOPPED";
    if (ended && count > 0) this.#lie(`${status}, and ${count} processes live`, answer);
    if (status === "FAILED_STARTED" && count === 0) {
      this.#lie("FAILED_STARTED, and none lives", answer);
    }
  }

  /** As others do, who do not ask us. */
  async #signal(whom: "supervisors" | "workers", signal: Deno.Signal): Promise<void> {
    if (signal !== "SIGKILL" && this.#config !== "good") this.#halfReloaded = true;
    const living = await this.#judge.living();
    for (const { pid } of living[whom].slice(0, 1)) {
      try {
        Deno.kill(pid, signal);
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
  }

  async #rotate(): Promise<void> {
    const own = join(this.#fluentd.dir, "log/own.log");
    await Deno.rename(own, `${own}.1`).catch(() => {});
    await this.#signal("supervisors", "SIGUSR1");
  }

  async #write(config: Config): Promise<void> {
    this.#config = config;
    const { dir } = this.#fluentd;
    const address = (port: number) => `  bind 127.0.0.1\n  port ${port}\n`;
    const parse = "  <parse>\n    @type none\n  </parse>\n";
    const sources = this.#inputs.map(({ type, port }) =>
      `<source>\n  @type ${type}\n${address(port)}` +
      (type === "tcp" ? `  tag walk\n${parse}` : "") + "</source>\n"
    );
    const busy = `<source>\n  @type tcp\n  tag walk\n${
      address(this.#busy.addr.port)
    }${parse}</source>\n`;
    // Sources start last to first.
    if (config === "busy") sources.splice(this.#random(sources.length + 1), 0, busy);
    if (config === "unknown plugin") sources.push("<source>\n  @type nope\n</source>\n");
    if (config === "syntax") sources.push("<source>\n  @type tcp\n");
    await this.#fluentd.write(
      sources.join("") + `<match **>\n  @type file\n  path ${dir}/out/walk\n  append true\n` +
        "  <buffer []>\n    @type memory\n    flush_mode immediate\n    retry_type periodic\n" +
        "    retry_wait 0.5s\n    retry_forever true\n  </buffer>\n</match>\n",
    );
  }

  async #fillDisk(): Promise<void> {
    if (!IS_ROOT) return;
    // What is left of the last page of a file would have room for many records.
    await run("sh", "-c", `rm -f ${this.#fluentd.dir}/out/walk*`);
    await run("sh", "-c", `cat /dev/zero >${this.#fluentd.dir}/out/.full 2>/dev/null; true`);
  }

  async #freeDisk(): Promise<void> {
    await Deno.remove(join(this.#fluentd.dir, "out/.full")).catch(() => {});
  }

  async #permit(mode: number): Promise<void> {
    this.#closedOut = mode === 0;
    await Deno.chmod(join(this.#fluentd.dir, "out"), mode);
  }

  /** Two looks that agree, and have nothing that passes by itself. */
  async #settled(): Promise<FluentdState> {
    let last: FluentdState | undefined;
    for (const signal = AbortSignal.timeout(SETTLES_MS);;) {
      const state = await this.#service.status();
      if (last !== undefined && isSame(last, state) && state.health !== "STARTING") return state;
      if (signal.aborted) {
        if (state.health === "STARTING") this.#lie(`STARTING for ${SETTLES_MS} ms`, state);
        return state;
      }
      last = state;
      await delay(LOOK_MS);
    }
  }

  /** Compares what is said before and after with what the judge found meanwhile. */
  async #compare(): Promise<void> {
    for (const signal = AbortSignal.timeout(SETTLES_MS); !signal.aborted;) {
      const before = await this.#settled();
      const living = await this.#judge.living();
      const deaf = await this.#judge.deaf(before.health === "HEALTHY" ? ARRIVES_MS : COMES_MS);
      const after = await this.#service.status();
      this.#said = `${after.health}${deaf.length > 0 ? `, deaf: ${deaf}` : ""}`;
      // While one takes over from another, what comes in is kept for later.
      if (!isSame(before, after) || living.supervisors.length > 1) continue;
      this.#compareProcesses(after, living);
      if (after.health === "HEALTHY" && deaf.length > 0) await this.#mustBeTold(deaf, after);
      if (after.health !== "HEALTHY" && deaf.length === 0) this.#mustBeIll(after);
      return;
    }
  }

  #compareProcesses(
    state: FluentdState,
    { supervisors, workers }: { supervisors: readonly object[]; workers: readonly object[] },
  ): void {
    const count = supervisors.length + workers.length;
    const { health } = state;
    if (health === "STOPPED" && count > 0) this.#lie(`STOPPED, and ${count} processes live`, state);
    if (health !== "STOPPED" && count === 0) this.#lie(`${health}, and no process lives`, state);
    if (health === "ORPHANED" && supervisors.length > 0) this.#lie("ORPHANED with a parent", state);
    if (health === "HEALTHY" && (supervisors.length === 0 || workers.length === 0)) {
      this.#lie("HEALTHY without a supervisor or a worker", state);
    }
  }

  /** It takes records and cannot deliver them: that is said in time, or it is a lie. */
  async #mustBeTold(deaf: readonly string[], healthy: FluentdState): Promise<void> {
    let state = healthy;
    for (const signal = AbortSignal.timeout(SAID_MS); !signal.aborted;) {
      if (state.health !== "HEALTHY") return;
      if (state.warnings?.some(({ code }) => isTold(code))) return;
      await delay(LOOK_MS);
      state = await this.#service.status();
    }
    this.#lie(`HEALTHY, and ${deaf} is deaf`, state);
  }

  /** Ill, and yet all records arrive: there must be a reason that no record can show. */
  #mustBeIll(state: FluentdState): void {
    const { health, supervisor, workers = [] } = state;
    // It serves, and nobody would start it again.
    if (health === "ORPHANED") return;
    // An input that has no place among those that are judged.
    if (this.#config === "busy") return;
    const said = state.reasons?.join() ?? "";
    if (this.#halfReloaded && /inputs and outputs do not/.test(said)) return;
    const bornMs = Math.max(...workers.map(({ startedAt }) => Date.parse(String(startedAt))));
    if (health === "CRASH_LOOP" && !(Date.now() - bornMs > LOOP_MS)) return;
    this.#lie(`${health}, and all records arrive (${supervisor?.pid})`, state);
  }
}

const isTold = (code = "") => ["OUTPUT_FAILING", "DISK_FULL"].includes(code);
const pidsOf = (processes: readonly { pid: number }[]) => processes.map(({ pid }) => pid);

/** The same health, by the same processes unless they die all the time anyway. */
function isSame(a: FluentdState, b: FluentdState): boolean {
  const pids = ({ health, supervisor, workers = [] }: FluentdState) =>
    health === "CRASH_LOOP"
      ? [health]
      : [health, supervisor?.pid, ...workers.map(({ pid }) => pid)];
  return JSON.stringify(pids(a)) === JSON.stringify(pids(b));
}

async function run(program: string, ...args: string[]): Promise<boolean> {
  return (await new Deno.Command(program, { args, stderr: "null" }).output()).success;
}

Deno.test({
  name: `Fluentd, ${STEPS} random steps: no answer is a lie`,
  ignore: fluentdCommand() === undefined,
  async fn() {
    await using walk = await Walk.open(fluentdCommand()!);
    await walk.walk(STEPS);
    if (VERBOSE) console.log(Object.fromEntries(walk.counts));
    assert.deepEqual(walk.lies, [], `Seed ${SEED}`);
  },
});
