/**
 * A line that tells a waiting person what gclient waits for.
 *
 * @module
 */
import type { Output } from "../../shared/cli/program.ts";
import { cutToWidth, textWidth } from "../../shared/text/width.ts";

/** Whoever waits less does not wonder. */
const PATIENCE_MS = 1000;
const EVERY_MS = 1000;

/** A narrower beginning of what goes on says nothing. */
const MIN_WHAT = 8;

const CLEAR_LINE = "\r\x1b[K";

export interface ProgressOptions {
  /** What goes on: "fluentd.start on edge-1". */
  readonly what: string;
  /** How long it may take; `Infinity` for no limit. */
  readonly limitMs: number;
  readonly stderr: Output;
}

/**
 * What goes on, and since when. A line that reaches the last column is folded by the terminal, and can
 * then not be taken away.
 */
function progressText(what: string, time: string, columns = Infinity): string {
  const room = columns - 1;
  const left = room - textWidth(time);
  return left < MIN_WHAT ? cutToWidth(what + time, room) : cutToWidth(what, left) + time;
}

/** Shows a line on a terminal while a call takes long; takes it away when disposed. */
export function showProgress({ what, limitMs, stderr }: ProgressOptions): Disposable & {
  /** Takes the line away, as something else is to be printed. */
  clear(): void;
  /** Takes it away for good. */
  stop(): void;
} {
  if (!stderr.isTerminal || stderr.isDumb) return { clear() {}, stop() {}, [Symbol.dispose]() {} };
  const start = Date.now();
  let shown = false;
  let timer: ReturnType<typeof setTimeout>;
  const show = () => {
    const seconds = Math.round((Date.now() - start) / 1000);
    const limit = limitMs === Infinity ? "" : ` of at most ${Math.round(limitMs / 1000)} s`;
    stderr.write(CLEAR_LINE + progressText(what, `: ${seconds} s${limit} …`, stderr.columns));
    shown = true;
    timer = setTimeout(show, EVERY_MS);
  };
  timer = setTimeout(show, PATIENCE_MS);
  const clear = () => {
    if (shown) stderr.write(CLEAR_LINE);
    shown = false;
  };
  const stop = () => {
    clearTimeout(timer);
    clear();
  };
  return { clear, stop, [Symbol.dispose]: stop };
}
