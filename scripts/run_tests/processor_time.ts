/**
 * How much of a processor a process has used, and all its children that have ended: what a file of tests
 * costs, whatever else the machine does meanwhile. Read from outside, so that no test notices.
 *
 * @module
 */

/** Linux counts in these for every program. */
const TICKS_PER_S = 100;
/** Between two looks. What a process uses after the last one is not counted. */
const LOOK_MS = 500;
/** In `/proc/PID/stat`, after the name: utime, stime, cutime and cstime. */
const TIMES = { from: 11, to: 15 } as const;

/** Measures a process until it is disposed of, or the process has ended. */
export class ProcessorTime implements Disposable {
  readonly #pid: number;
  readonly #timer: ReturnType<typeof setInterval>;
  #seconds: number | undefined;

  constructor(pid: number) {
    this.#pid = pid;
    this.#look();
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  /** Of a processor; `undefined` where no system tells. */
  get seconds(): number | undefined {
    return this.#seconds;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    let text: string;
    try {
      text = Deno.readTextFileSync(`/proc/${this.#pid}/stat`);
    } catch {
      return; // It has ended, or this is no Linux.
    }
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    const ticks = fields.slice(TIMES.from, TIMES.to).reduce((sum, field) => sum + Number(field), 0);
    this.#seconds = ticks / TICKS_PER_S;
  }
}
