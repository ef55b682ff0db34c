/**
 * A whole terminal as one picture that is drawn again and again: `gclient top`, and what `gclient watch`
 * shares with it.
 *
 *     open:   the other screen of the terminal, no cursor, keys as they are pressed
 *     draw:   over the last picture, in one write, so that nothing flickers
 *     close:  all of it back, also when the process ends in another way than by `dispose`
 *
 * @module
 */
import type { Output } from "../../shared/cli/program.ts";

/** Puts the cursor into the corner, and takes away what stands after it. */
const HOME = "\x1b[H";
const CLEAR_LINE = "\x1b[K";
const CLEAR_BELOW = "\x1b[J";

/** The other screen of the terminal, without a cursor. */
const ENTER = "\x1b[?1049h\x1b[?25l";
const LEAVE = "\x1b[?25h\x1b[?1049l";

/** How a process ends that disposes of nothing, such as by `Deno.exit()` at a second signal. */
const ABRUPT_WAYS = ["unload", "error", "unhandledrejection"] as const;
const HAS_SIGNALS = Deno.build.os !== "windows";

/** More at once is pasted, and not typed. */
const MAX_KEY_BYTES = 64;
/** A key as a terminal tells it: an escape sequence, or a character. */
// deno-lint-ignore no-control-regex -- keys are told so
const KEY = /\x1b[[O][0-9;]*[A-Za-z~]|[^]/gu;

/**
 * Lines to be written over those that are there. Each is cleared first: at the end of one that reaches the
 * last column, that column itself would be cleared.
 */
export function frame(lines: readonly string[]): string {
  return HOME + lines.map((line) => `${CLEAR_LINE}${line}`).join("\n") + CLEAR_BELOW;
}

export interface ScreenEvents {
  /** A key: a character, or an escape sequence. Without a terminal to type at there is none. */
  readonly onKey: (key: string) => void;
  /** The terminal has another size. */
  readonly onResize: () => void;
  /** The terminal cannot be written to any more. */
  readonly onError: (error: unknown) => void;
}

/** The terminal of this process, until disposed. */
export class Screen implements AsyncDisposable {
  readonly #stdout: Output;
  readonly #events: ScreenEvents;
  readonly #isTyped = Deno.stdin.isTerminal();
  readonly #restore = () => this.#leave();
  /** The picture that waits until the one before it is written. */
  #next: string | undefined;
  #drawing: Promise<void> | undefined;
  #left = false;

  constructor(stdout: Output, events: ScreenEvents) {
    this.#stdout = stdout;
    this.#events = events;
    for (const way of ABRUPT_WAYS) globalThis.addEventListener(way, this.#restore);
    if (HAS_SIGNALS) {
      Deno.addSignalListener("SIGWINCH", events.onResize);
      // Ctrl-Z would leave the shell on this screen, and without a cursor.
      Deno.addSignalListener("SIGTSTP", ignore);
    }
    if (this.#isTyped) Deno.stdin.setRaw(true, { cbreak: true });
    this.#draw(ENTER);
    if (this.#isTyped) void this.#readKeys();
  }

  /** Shows these lines; a terminal that is slow gets the last picture alone. */
  draw(lines: readonly string[]): void {
    this.#draw(frame(lines));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#next = undefined;
    await this.#drawing;
    this.#leave();
  }

  #draw(picture: string): void {
    if (this.#left) return;
    this.#next = picture;
    this.#drawing ??= this.#drawAll();
  }

  async #drawAll(): Promise<void> {
    try {
      for (let picture; (picture = this.#next) !== undefined;) {
        this.#next = undefined;
        await this.#stdout.write(picture);
      }
    } catch (error) {
      this.#events.onError(error);
    } finally {
      this.#drawing = undefined;
    }
  }

  async #readKeys(): Promise<void> {
    const bytes = new Uint8Array(MAX_KEY_BYTES);
    const decoder = new TextDecoder();
    try {
      for (let count; !this.#left && (count = await Deno.stdin.read(bytes)) !== null;) {
        const text = decoder.decode(bytes.subarray(0, count), { stream: true });
        for (const [key] of text.matchAll(KEY)) if (!this.#left) this.#events.onKey(key);
      }
    } catch (error) {
      this.#events.onError(error);
    }
  }

  /** Waits for nothing: the process may be about to end. */
  #leave(): void {
    if (this.#left) return;
    this.#left = true;
    for (const way of ABRUPT_WAYS) globalThis.removeEventListener(way, this.#restore);
    if (HAS_SIGNALS) {
      Deno.removeSignalListener("SIGWINCH", this.#events.onResize);
      Deno.removeSignalListener("SIGTSTP", ignore);
    }
    try {
      if (this.#isTyped) Deno.stdin.setRaw(false);
      Deno.stdout.writeSync(new TextEncoder().encode(LEAVE));
    } catch {
      // The terminal is gone, and with it what there was to restore.
    }
  }
}

function ignore(): void {}
