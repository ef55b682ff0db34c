/**
 * A random walk: Fluentd is started, stopped, reloaded, killed and starved in any order, and after each
 * step each answer of the service is compared with what a judge found, who sends records and looks for
 * them (support/fluentd_lies.ts says what a lie is). The seed tells which Fluentd it is, how many
 * workers it has and whether it has a monitor, so that seeds in a row walk with each.
 *
 * `GHUB_WALK_STEPS=500` walks further and tells each step, `GHUB_TEST_SEED=7` walks elsewhere.
 */
import assert from "node:assert/strict";
import { randomFrom, SEED } from "../shared/testing/property.ts";
import { fluentdVersions } from "./support/fluentd.ts";
import { LieDetector } from "./support/fluentd_lies.ts";
import { FluentdScene, type Place } from "./support/fluentd_scene.ts";

/** Short walks, at the same time, unless one is asked to be long. */
const SHORT_STEPS = 5;
const SHORT_WALKS = 4;
const LONG_STEPS = Number(Deno.env.get("GHUB_WALK_STEPS") ?? 0);
const WAIT = { seconds: 60 };

interface Step {
  readonly weight: number;
  readonly name: string;
  /** Does it; whether there was anything to do it to. */
  readonly take: () => Promise<boolean> | boolean;
  /** Left out where it could change nothing. */
  readonly fits?: () => boolean;
}

class Walk {
  readonly #scene: FluentdScene;
  readonly #random: (below: number) => number;
  readonly #detector: LieDetector;
  /** Steps of each kind, and how many of them did something. */
  readonly #taken = new Map<string, [times: number, bit: number]>();
  /** The step under way, for a reader. */
  #step = "";
  /** What the last comparison found. */
  #said = "";

  constructor(scene: FluentdScene) {
    this.#scene = scene;
    this.#random = scene.options.random;
    const report = async (lie: string) => {
      this.lies.push(`${this.#step}: ${lie}`);
      console.log(`LIE: ${this.lies.at(-1)}\n${await scene.lastWords()}`);
    };
    this.#detector = new LieDetector(scene, { report });
  }

  readonly lies: string[] = [];

  get #isIdle(): boolean {
    return this.#said.startsWith("STOPPED");
  }

  get #steps(): Step[] {
    const scene = this.#scene;
    const runs = () => !this.#isIdle;
    return [
      { weight: 8, name: "all is mended, and start", take: () => this.#mend() },
      { weight: 3, name: "start", take: () => this.#start() },
      { weight: 3, name: "stop", take: () => this.#stop() },
      { weight: 3, name: "restart", take: () => this.#restart("STOP_START") },
      { weight: 1, name: "zero-downtime restart", take: () => this.#restart("ZERO_DOWNTIME") },
      this.#outside(2, "HUP", "supervisors", "SIGHUP"),
      this.#outside(2, "reload in place", "workers", "SIGUSR2"),
      this.#outside(1, "takeover", "supervisors", "SIGUSR2"),
      this.#outside(2, "kill -9 of a worker", "workers", "SIGKILL"),
      this.#outside(1, "kill -9 of a supervisor", "supervisors", "SIGKILL"),
      { weight: 2, name: "logrotate", fits: runs, take: () => scene.rotate() },
      this.#config(2, "good"),
      this.#config(2, "busy"),
      this.#config(1, "syntax"),
      this.#config(1, "unknown plugin"),
      { weight: 1, name: "the config is closed", take: () => scene.closeConfig() },
      ...(["out", "log"] as const).flatMap((place) => this.#harm(place)),
      {
        weight: 6,
        name: "a stranger takes a port",
        // A Fluentd that runs has them all.
        fits: () => !scene.hasStranger && this.#isIdle,
        take: () => scene.come(),
      },
      {
        weight: 3,
        name: "the stranger leaves",
        fits: () => scene.hasStranger,
        take: () => {
          scene.leave();
          return true;
        },
      },
      {
        weight: 1,
        name: "gserver starts again",
        take: async () => {
          await scene.fluentd.reopen();
          return true;
        },
      },
    ];
  }

  #outside(
    weight: number,
    name: string,
    whom: "supervisors" | "workers",
    signal: Deno.Signal,
  ): Step {
    return {
      weight,
      name: `${name} from outside`,
      fits: () => !this.#isIdle,
      take: () => this.#scene.signal(whom, signal),
    };
  }

  #config(weight: number, config: "good" | "busy" | "syntax" | "unknown plugin"): Step {
    return {
      weight,
      name: `config: ${config}`,
      fits: () => this.#scene.config !== config,
      take: async () => {
        await this.#scene.write(config);
        return true;
      },
    };
  }

  #harm(place: Place): Step[] {
    const scene = this.#scene;
    return [
      {
        weight: 1,
        name: `${place}: full disk`,
        fits: () => !scene.full.has(place),
        take: () => scene.fill(place),
      },
      {
        weight: 3,
        name: `${place}: room on the disk`,
        fits: () => scene.full.has(place),
        take: async () => {
          await scene.free(place);
          return true;
        },
      },
      {
        weight: 1,
        name: `${place}: folder closed`,
        fits: () => !scene.closed.has(place),
        take: async () => {
          await scene.permit(place, false);
          return true;
        },
      },
      {
        weight: 3,
        name: `${place}: folder open`,
        fits: () => scene.closed.has(place),
        take: async () => {
          await scene.permit(place, true);
          return true;
        },
      },
    ];
  }

  async take(steps: number): Promise<void> {
    const bag = this.#steps.flatMap((step) => Array<Step>(step.weight).fill(step));
    for (let i = 0; i < steps; i++) {
      let step = bag[0]!;
      while (i > 0) {
        step = bag[this.#random(bag.length)]!;
        if (step.fits?.() ?? true) break;
      }
      this.#step = `step ${i}, ${step.name} (${this.#scene.ills})`;
      const beganMs = performance.now();
      const bit = await step.take();
      this.#said = await this.#detector.status();
      const [times = 0, bits = 0] = this.#taken.get(step.name) ?? [];
      this.#taken.set(step.name, [times + 1, bits + Number(bit)]);
      const tookMs = Math.round(performance.now() - beganMs);
      if (LONG_STEPS > 0) {
        console.log(`${this.#step}${bit ? "" : ", in vain"}: ${this.#said} in ${tookMs} ms`);
      }
    }
  }

  async #mend(): Promise<boolean> {
    await this.#scene.mend();
    return await this.#start();
  }

  #start(): Promise<boolean> {
    return this.#asked("Start", () => this.#scene.service.start({ wait: WAIT }));
  }

  #stop(): Promise<boolean> {
    const request = {
      wait: WAIT,
      acceptLoss: this.#random(2) === 0,
      flushFirst: this.#random(3) === 0,
      forceAfter: this.#random(2) === 0,
    };
    return this.#asked("Stop", () => this.#scene.service.stop(request));
  }

  #restart(mode: "STOP_START" | "ZERO_DOWNTIME"): Promise<boolean> {
    const acceptLoss = this.#random(2) === 0;
    return this.#asked(
      "Restart",
      () => this.#scene.service.restart({ wait: WAIT, mode, acceptLoss }),
    );
  }

  async #asked(...[kind, ask]: Parameters<LieDetector["asked"]>): Promise<boolean> {
    const said = await this.#detector.asked(kind, ask);
    this.#step += ` → ${said}`;
    return !said.startsWith("NOCHANGE");
  }

  report(): string {
    const { compared, bites } = this.#detector;
    const total = [...compared.values()].reduce((sum, count) => sum + count, 0);
    const list = (counts: Map<string, unknown>) =>
      [...counts].toSorted().map(([what, count]) => `  ${what}: ${count}`).join("\n");
    const taken = new Map(
      [...this.#taken].map(([name, [times, bit]]) => [name, `${times}, of which ${bit} did it`]),
    );
    return `Steps\n${list(taken)}\nAnswers compared: ${total}\n${list(compared)}\n` +
      `Comparisons that found no record because of\n${list(bites)}`;
  }

  /** Kinds of steps that were never taken, or never had an effect. */
  get missing(): string[] {
    const { bites } = this.#detector;
    const names = this.#steps.map(({ name }) => name);
    return [
      ...names.filter((name) => !(this.#taken.get(name)?.[1] ?? 0)),
      ...["out full", "out closed"].filter((ill) => !bites.has(ill)),
    ];
  }
}

const versions = fluentdVersions();

/** Seeds in a row have all versions with one worker and two; the monitor is there in half of them. */
function optionsOf(seed: number) {
  const bits = seed >>> 0;
  const workers = (bits >>> 1) % 2 === 0 ? 1 : 2;
  return {
    ...versions[bits % versions.length]!,
    workers,
    hasMonitor: (bits ^ bits >>> 1 ^ bits >>> 2) % 2 === 1,
  } as const;
}

async function walk(seed: number, steps: number): Promise<void> {
  const beganMs = performance.now();
  const options = { ...optionsOf(seed), random: randomFrom(seed) };
  await using scene = await FluentdScene.open(options);
  const walk = new Walk(scene);
  await walk.take(steps);
  if (LONG_STEPS > 0) {
    const seconds = Math.round((performance.now() - beganMs) / 1000);
    const { label, workers, hasMonitor } = options;
    console.log(
      `Seed ${seed}${label}, ${workers} workers, ${hasMonitor ? "a" : "no"} monitor: ` +
        `${steps} steps in ${seconds} s, ${walk.lies.length} lies\n${walk.report()}`,
    );
  }
  assert.deepEqual(walk.lies, [], `Seed ${seed}`);
  // A long walk meets all.
  if (steps >= 500) assert.deepEqual(walk.missing, []);
}

if (LONG_STEPS > 0) {
  Deno.test({
    name: `Fluentd, ${LONG_STEPS} random steps: no answer is a lie`,
    ignore: versions.length === 0,
    fn: () => walk(SEED, LONG_STEPS),
  });
} else {
  Deno.test({
    name: `Fluentd, ${SHORT_WALKS} walks of ${SHORT_STEPS} random steps: no answer is a lie`,
    ignore: versions.length === 0,
    async fn() {
      const seeds = Array.from({ length: SHORT_WALKS }, (_, i) => SEED + i);
      // All to their end: what a walk has started is gone only then.
      const walks = await Promise.allSettled(seeds.map((seed) => walk(seed, SHORT_STEPS)));
      for (const ended of walks) if (ended.status === "rejected") throw ended.reason;
    },
  });
}
