/**
 * What a lie is: an answer of the service that does not agree with what the judge found. That is
 *
 * - SUCCESS, NOCHANGE or HEALTHY, and a record does not arrive,
 * - FAILED, STOPPED or ill otherwise, and all records arrive, with nothing wrong that is known,
 * - processes that are told and are not there, or the other way round,
 * - an error that says what is not so, or behind which something was done.
 *
 * What may be so for a while only:
 *
 * | what                                                        | for how long       |
 * | ----------------------------------------------------------- | ------------------ |
 * | STARTING                                                    | `STARTS_MS`        |
 * | two supervisors: what comes in is kept for later meanwhile   | `TAKES_OVER_MS`    |
 * | HEALTHY, and an output that fails has not said so yet        | `SAID_MS`          |
 * | DEGRADED, and an output that delivers has not said so yet    | `HEALS_MS`         |
 * | CRASH_LOOP, and the workers that live now deliver            | `LOOP_MS` of a life |
 * | DEGRADED by a reload that was refused right after another one | until the next life |
 * | a record on its way                                          | `ARRIVES_MS`       |
 *
 * Where what is said changes during each of `TRIES` looks, each try must have a look that was right.
 *
 * @module
 */
import { delay } from "../../shared/async/delay.ts";
import type {
  fluentd_v1_Failure as Failure,
  fluentd_v1_FluentdState as FluentdState,
} from "../../shared/gen/types.ts";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import type { Living } from "./fluentd_judge.ts";
import type { FluentdScene } from "./fluentd_scene.ts";

/** What arrives at all has arrived by then: it is flushed at once, and the machine may be slow. */
const ARRIVES_MS = 60_000;
/** The same where nobody says that it does. */
const COMES_MS = 2000;
const STARTS_MS = 120_000;
const SETTLES_MS = 10_000;
const TAKES_OVER_MS = 60_000;
const LOOK_MS = 200;
/** An output that fails has said so after this time: it tries twice a second. */
const SAID_MS = 30_000;
const HEALS_MS = 30_000;
/** A crash loop may be told until the workers have lived for this long. */
const LOOP_MS = 10_000;
const TRIES = 4;

/** What answers to Start, Stop and Restart have. */
interface Answer {
  readonly status?: string | undefined;
  readonly failure?: Failure | undefined;
  readonly after?: FluentdState | undefined;
  readonly killed?: boolean | undefined;
}

export interface LieDetectorOptions {
  /** Gets each lie as it is found, while all evidence is there. */
  readonly report?: (lie: string) => Promise<void>;
  /** Who is asked for the status in place of the scene's own service. */
  readonly teller?: Pick<FluentdScene["service"], "status">;
  /** Until then a state should be the same twice. @default 10 s */
  readonly settlesMs?: number;
}

/** What the judge found at one time. */
interface Found extends Living {
  readonly deaf: readonly string[];
  /** Whether the same processes lived before and after the records were sent. */
  readonly isStill: boolean;
}

/** A look, what was found meanwhile, and another look. */
interface Try {
  readonly looks: readonly FluentdState[];
  readonly found: Found;
}

/** Finds lies. */
export class LieDetector {
  readonly lies: string[] = [];
  /** Answers that were compared, by kind and status or health. */
  readonly compared = new Map<string, number>();
  /** How often an ill output was seen to keep records away: it was no mere claim of ours. */
  readonly bites = new Map<string, number>();
  readonly #scene: FluentdScene;
  readonly #options: LieDetectorOptions;
  /** It was said of a Fluentd that it does not collect, before the time was over. */
  #gaveUp: Answer | undefined;

  constructor(scene: FluentdScene, options: LieDetectorOptions = {}) {
    this.#scene = scene;
    this.#options = options;
  }

  #status(): Promise<FluentdState> {
    return (this.#options.teller ?? this.#scene.service).status();
  }

  async #lie(what: string, state: object | undefined): Promise<void> {
    const lie = `${what}: ${JSON.stringify(state)?.slice(0, 4000)}`;
    this.lies.push(lie);
    await this.#options.report?.(lie);
  }

  #count(what: string): void {
    this.compared.set(what, (this.compared.get(what) ?? 0) + 1);
  }

  async #find(ms: number): Promise<Found> {
    const { judge } = this.#scene;
    const before = await judge.living();
    const deaf = await judge.deaf(ms);
    const living = await judge.living();
    for (const ill of deaf.length > 0 && living.workers.length > 0 ? this.#scene.outputIlls : []) {
      this.bites.set(ill, (this.bites.get(ill) ?? 0) + 1);
    }
    const isStill = JSON.stringify(pidsOf(before)) === JSON.stringify(pidsOf(living));
    // A port of the config that somebody else has is deaf, whoever answers there.
    const read = living.workers.length > 0 ? [...this.#scene.mayHaveRead(living)] : [];
    const isBusy = read.length === 1 && read[0] === "busy";
    return { ...living, deaf: isBusy ? [...deaf, "the busy port"] : deaf, isStill };
  }

  /** Asks for the status and compares it, in one look or in several; for a reader what it found. */
  async status(): Promise<string> {
    const tries: Try[] = [];
    for (let i = 0; i < TRIES; i++) {
      const before = await this.#settled();
      const isFine = before.health === "HEALTHY" && !this.#scene.isOutputIll;
      const found = await this.#find(isFine ? ARRIVES_MS : COMES_MS);
      const after = await this.#status();
      tries.push({ looks: [before, after], found });
      if (isSame(before, after)) break;
    }
    const { looks, found: { deaf } } = tries.at(-1)!;
    const [before, after] = looks as [FluentdState, FluentdState];
    this.#count(`GetStatus ${after.health}`);
    if (isSame(before, after)) {
      await this.#eachMustAgree(tries.slice(0, -1));
      await this.#compareStill(after, tries.at(-1)!.found);
    } else {
      await this.#compareMoving(tries);
    }
    this.#gaveUp = undefined;
    const moved = tries.length > 1 ? ` (${tries.length} tries)` : "";
    const why = after.health === "DEGRADED" || after.health === "CRASH_LOOP"
      ? ` because ${after.reasons?.join("; ").slice(0, 200)}`
      : "";
    return `${after.health}${why}${deaf.length > 0 ? `, deaf: ${deaf}` : ""}${moved}`;
  }

  /** Two looks that agree, and have nothing that passes by itself; the last one, if that never comes. */
  async #settled(): Promise<FluentdState> {
    const { judge } = this.#scene;
    const starts = AbortSignal.timeout(STARTS_MS);
    const settles = AbortSignal.timeout(this.#options.settlesMs ?? SETTLES_MS);
    const takesOver = AbortSignal.timeout(TAKES_OVER_MS);
    let last: FluentdState | undefined;
    for (;;) {
      const state = await this.#status();
      const { supervisors } = await judge.living();
      const isTaking = supervisors.length > 1 && !takesOver.aborted;
      if (state.health === "STARTING" && starts.aborted) {
        await this.#lie(`STARTING for ${STARTS_MS} ms`, state);
        return state;
      }
      if (state.health !== "STARTING" && !isTaking) {
        if (last !== undefined && isSame(last, state) || settles.aborted) return state;
      }
      last = state;
      await delay(LOOK_MS);
    }
  }

  async #compareStill(state: FluentdState, found: Found): Promise<void> {
    await this.#compareProcesses(state, found);
    const { health } = state;
    if (health === "HEALTHY" && this.#gaveUp !== undefined) {
      await this.#lie("FAILED, and soon HEALTHY by itself", this.#gaveUp);
    }
    if (health === "HEALTHY" && found.deaf.length > 0) await this.#mustBeTold(found.deaf, state);
    if (health !== "HEALTHY" && found.deaf.length === 0) await this.#mustBeIll(state);
  }

  /** Several looks are never weaker than one: each try must have one that agrees with what was found. */
  async #eachMustAgree(tries: readonly Try[]): Promise<void> {
    for (const { looks, found } of tries) {
      const agrees = looks.some((look) =>
        (found.deaf.length === 0) === (look.health === "HEALTHY") ||
        found.deaf.length === 0 && this.#isExcused(look, found) ||
        found.deaf.length > 0 && this.#isTold(look)
      );
      if (!agrees) await this.#lie(`No look agrees with ${describe(found)}`, looks);
    }
  }

  /** Nothing stands still: and yet what never works in all tries is not well between two lives. */
  async #compareMoving(tries: readonly Try[]): Promise<void> {
    await this.#eachMustAgree(tries);
    const deaf = tries.every(({ found }) => found.deaf.length > 0);
    const well = tries.flatMap(({ looks }) => looks).find((look) =>
      look.health === "HEALTHY" && !this.#isTold(look)
    );
    if (deaf && well) {
      await this.#lie(`HEALTHY in some looks of ${TRIES * 2}, and always deaf`, well);
    }
  }

  async #compareProcesses(state: FluentdState, found: Found): Promise<void> {
    const { supervisors, workers, isStill } = found;
    const count = supervisors.length + workers.length;
    const { health } = state;
    if (health === "STOPPED" && count > 0) await this.#lie(`STOPPED, and ${count} live`, state);
    if (health !== "STOPPED" && count === 0) await this.#lie(`${health}, and none lives`, state);
    if (health === "ORPHANED" && supervisors.length > 0) await this.#lie("ORPHANED, and no", state);
    if (!isStill || health === "CRASH_LOOP") return;
    const told = state.workers?.map(({ pid }) => pid).toSorted() ?? [];
    const are = workers.map(({ pid }) => pid).toSorted();
    if (told.join() !== are.join()) await this.#lie(`${told} are told, and ${are} live`, state);
    const newest = supervisors.toSorted((a, b) => a.startTicks - b.startTicks).at(-1)?.pid;
    if (state.supervisor?.pid !== newest) await this.#lie(`Supervisor ${newest} lives`, state);
    if (health === "HEALTHY" && workers.length < this.#scene.options.workers) {
      await this.#lie(`HEALTHY with ${workers.length} workers`, state);
    }
  }

  /** That nothing is delivered is said, where it is the output that is ill. */
  #isTold({ warnings = [] }: FluentdState): boolean {
    return this.#scene.isOutputIll &&
      warnings.some(({ code = "" }) => ["OUTPUT_FAILING", "DISK_FULL"].includes(code));
  }

  /** It takes records and cannot deliver them: that is said in time, or it is a lie. */
  async #mustBeTold(deaf: readonly string[], healthy: FluentdState): Promise<void> {
    let state = healthy;
    for (const signal = AbortSignal.timeout(SAID_MS);;) {
      if (state.health !== "HEALTHY" || this.#isTold(state)) return;
      if (signal.aborted || !this.#scene.isOutputIll) break;
      await delay(LOOK_MS);
      state = await this.#status();
    }
    await this.#lie(`HEALTHY, and ${deaf} is deaf`, state);
  }

  /** Ill, and yet all records arrive: there must be a reason that no record can show. */
  async #mustBeIll(ill: FluentdState): Promise<void> {
    let state = ill;
    for (const signal = AbortSignal.timeout(HEALS_MS);;) {
      if (state.health === "HEALTHY") return;
      if (this.#isExcused(state, await this.#scene.judge.living())) return;
      if (signal.aborted || !/cannot deliver/.test(state.reasons?.join() ?? "")) break;
      await delay(LOOK_MS);
      state = await this.#status();
    }
    await this.#lie(`${ill.health}, and all records arrive`, state);
  }

  #isExcused(state: FluentdState, living: Living): boolean {
    const { health, reasons = [] } = state;
    // It serves, and nobody would start it again.
    if (health === "ORPHANED") return living.supervisors.length === 0;
    // An input that has no place among those that are judged.
    if (this.#scene.mayHaveRead(living).has("busy")) return true;
    const isHalf = /inputs and outputs do not/.test(reasons.join());
    if (isHalf && this.#scene.wasReloadedTwiceAtOnce(living)) return true;
    const bornMs = Math.max(...living.workers.map(({ startedAtMs }) => startedAtMs));
    return health === "CRASH_LOOP" && !(lookedMs(state) - bornMs > LOOP_MS);
  }

  /** Asks for something, and compares the answer with what is found right after it; for a reader it. */
  async asked(kind: "Start" | "Stop" | "Restart", ask: () => Promise<Answer>): Promise<string> {
    const before = await this.#scene.judge.living();
    let answer: Answer;
    try {
      answer = await ask();
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      const reason = reasonOf(error);
      this.#count(`${kind} ${reason}`);
      await this.#compareError(reason, error, before);
      return `${reason} ${error.message.slice(0, 150)}`;
    }
    const { status = "", failure, killed } = answer;
    this.#count(`${kind} ${status} ${failure?.reason ?? ""}`.trim());
    const living = await this.#scene.judge.living();
    if (kind === "Stop") await this.#compareStop(answer, { before, living });
    else if (["SUCCESS", "NOCHANGE"].includes(status)) await this.#compareSuccess(answer);
    else await this.#compareFailure(answer, living);
    return `${status} ${failure?.reason ?? ""}${killed ? " killed" : ""}`.trim();
  }

  async #compareSuccess(answer: Answer): Promise<void> {
    const found = await this.#find(this.#scene.isOutputIll ? COMES_MS : ARRIVES_MS);
    const { status } = answer;
    if (found.supervisors.length === 0 || found.workers.length < this.#scene.options.workers) {
      await this.#lie(`${status}, and ${describe(found)}`, answer);
    }
    if (found.deaf.length === 0 || answer.after && this.#isTold(answer.after)) return;
    let told = false;
    for (const signal = AbortSignal.timeout(SAID_MS); !signal.aborted && !told;) {
      if (!this.#scene.isOutputIll) break;
      told = this.#isTold(await this.#status());
      await delay(LOOK_MS);
    }
    if (!told) await this.#lie(`${status}, and ${found.deaf} is deaf`, answer);
  }

  async #compareFailure(answer: Answer, living: Living): Promise<void> {
    const { status, failure, after } = answer;
    const count = living.supervisors.length + living.workers.length;
    if (status === "FAILED_STOPPED" && count > 0) {
      await this.#lie(`${status}, ${count} live`, answer);
    }
    if (status === "FAILED_STARTED" && count === 0) {
      await this.#lie(`${status}, none lives`, answer);
    }
    // The old one may serve on.
    if (["TAKEOVER_FAILED", "STILL_RUNNING"].includes(failure?.reason ?? "")) return;
    if (failure?.reason === "DEGRADED") this.#gaveUp = answer;
    const found = await this.#find(COMES_MS);
    if (found.deaf.length === 0 && !this.#isExcused(after ?? {}, found)) {
      await this.#lie(`${status} ${failure?.reason}, and all records arrive`, answer);
    }
  }

  async #compareStop(
    answer: Answer,
    { before, living }: { before: Living; living: Living },
  ): Promise<void> {
    const { status, after } = answer;
    const count = living.supervisors.length + living.workers.length;
    if (status !== "FAILED" && count > 0) await this.#lie(`${status}, and ${count} live`, answer);
    if (status === "FAILED" && after?.health === "STOPPED") await this.#lie("None lives", answer);
    if (status === "NOCHANGE" && before.supervisors.length > 0) await this.#lie(status, answer);
  }

  /** Nothing was done, and for a reason that is so. */
  async #compareError(reason: string, error: RpcError, before: Living): Promise<void> {
    const now = await this.#scene.judge.living();
    const old = new Set(before.supervisors.map(({ pid }) => pid));
    if (now.supervisors.some(({ pid }) => !old.has(pid))) {
      await this.#lie(`${reason}, and something was started`, error);
    }
    const { isOutputIll, options, config, closed } = this.#scene;
    const isSo: Record<string, () => boolean> = {
      // A dry run looks whether an output's folder is open.
      CONFIG_INVALID: () => !["good", "busy"].includes(config) || closed.has("out"),
      // What failed a moment ago may be on its way.
      UNSENT_IN_MEMORY: () => isOutputIll,
      NOT_RUNNING: () => before.supervisors.length === 0 || now.supervisors.length === 0,
      WORKER_MISSING: () => Math.min(before.workers.length, now.workers.length) < options.workers,
      ZERO_DOWNTIME_UNSUPPORTED: () => /\(1\.1[0-7]\./.test(options.label),
    };
    if (isSo[reason]?.() !== true) await this.#lie(`${reason}: ${error.message}`, error.details);
  }
}

function reasonOf({ details }: RpcError): string {
  const info = details.find(({ type }) => type === "google.rpc.ErrorInfo")?.value;
  return (info as { reason?: string } | undefined)?.reason ?? "an error without a reason";
}

const pidsOf = ({ supervisors, workers }: Living) =>
  [supervisors, workers].map((processes) => processes.map(({ pid }) => pid).toSorted());

function describe({ supervisors, workers, deaf }: Found): string {
  return `${supervisors.length} supervisors, ${workers.length} workers, deaf: ${deaf || "none"}`;
}

/** When it was looked at: this process may have stood still since. */
function lookedMs({ supervisor }: FluentdState): number {
  const { startedAt, uptime } = supervisor ?? {};
  if (startedAt === undefined || uptime === undefined) return Date.now();
  return [startedAt, uptime].reduce(
    (ms, { seconds = 0, nanos = 0 }) => ms + Number(seconds) * 1000 + nanos / 1e6,
    0,
  );
}

/** The same health, by the same processes unless they die all the time anyway. */
function isSame(a: FluentdState, b: FluentdState): boolean {
  const parts = ({ health, supervisor, workers = [] }: FluentdState) =>
    health === "CRASH_LOOP"
      ? [health]
      : [health, supervisor?.pid, ...workers.map(({ pid }) => pid)];
  return JSON.stringify(parts(a)) === JSON.stringify(parts(b));
}
