/**
 * Reads Fluentd's log on from look to look, so that what was said once is not forgotten when much is
 * written after it.
 *
 * @module
 */
import { LogStory } from "./story.ts";
import { type FluentdLog, type LogMark, type ReadOptions, TAIL_LINES } from "./tail.ts";

/** The log as far as it has been read. */
export class LogFollower {
  readonly story = new LogStory();
  #mark: LogMark | undefined;
  #tail: readonly string[] = [];
  /** Lines so far. */
  #count = 0;
  #unreadable: readonly string[] = [];
  /** Readers take turns, or a line would be counted twice. */
  #turn: Promise<void> = Promise.resolve();

  /** Resolves when all that was written until now has been read. */
  read(logs: readonly FluentdLog[], options: ReadOptions): Promise<void> {
    const read = this.#turn.then(() => this.#read(logs, options));
    this.#turn = read.catch(() => {});
    return read;
  }

  async #read(logs: readonly FluentdLog[], options: ReadOptions): Promise<void> {
    const parts = await Promise.all(logs.map((log) => log.read(this.#mark, options)));
    // What is not there yet will be new when it is.
    const first = this.#mark === undefined;
    this.#mark = Object.assign({}, this.#mark, ...parts.map(({ mark }) => mark));
    this.#unreadable = parts.flatMap(({ unreadable }) => unreadable);
    const readMs = first ? -Infinity : Date.now();
    for (const { lines } of parts) {
      for (const line of lines) this.story.add(line, readMs);
      this.#count += lines.length;
      this.#tail = [...this.#tail, ...lines.slice(-TAIL_LINES)].slice(-TAIL_LINES);
    }
  }

  /** Whether anything was read. */
  get speaks(): boolean {
    return this.#count > 0;
  }

  /** Its files; none where it is a journal. */
  get paths(): readonly string[] {
    return Object.keys(this.#mark ?? {}).filter((key) => key.startsWith("/"));
  }

  /** Files that we may not read. */
  get unreadable(): readonly string[] {
    return this.#unreadable;
  }

  /** A place to give to `tail`. */
  get place(): number {
    return this.#count;
  }

  /** The last lines after a place. */
  tail(since = 0): readonly string[] {
    const count = Math.min(this.#count - since, this.#tail.length);
    return count <= 0 ? [] : this.#tail.slice(-count);
  }
}
