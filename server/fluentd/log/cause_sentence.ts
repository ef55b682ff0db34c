/**
 * The one sentence that a person needs, out of all that a Fluentd that cannot start prints.
 *
 * Ruby prints an error with fifty lines of its stack, before or after it, and another error that was its
 * cause behind those. So the lines are sorted: what names a thing that can be mended, other errors, the
 * rest, and the stack last.
 *
 * @module
 */
import { parseEvent } from "./events.ts";

/** What a person can mend: a gem, a port, a file, a right. */
const MENDABLE =
  /cannot load such file|could not find|unknown \w+ plugin|address already in use|permission denied|no such file or directory|read-only file system|no space left|can't find (?:user|group)|key not found|(?:^|error: )(?:invalid|missing|ambiguous) (?:option|argument)|there was an error parsing/i;

/** A line of a stack: `from x.rb:1:in 'y'`, `\t3: from x.rb…`, or the same with Fluentd's header. */
const STACK =
  /^(?:\s*(?:\d+: )?from | {2}\S.*\[(?:error|warn)\]: |\s*(?:<internal:[^>]+>|\(eval[^)]*\)|\/[^:]*):\d+:in [`'][^`']*'$|Traceback \(most recent)/;

/** A line that only accompanies. */
const NOISE = /\[(?:trace|debug|info|warn)\]: |^Usage: |^[ \t]{4}|^ {0,3}-{1,2}\w/;

/** The sentence; `undefined` if nothing was printed that could be one. */
export function causeSentence(lines: readonly string[]): string | undefined {
  const errors = lines.flatMap((line) => {
    const event = STACK.test(line) ? undefined : parseEvent(line);
    return event?.type === "error" ? [event.message] : [];
  });
  const rest = lines.filter((line) => !STACK.test(line) && !NOISE.test(line) && line.trim() !== "");
  return errors.find((message) => MENDABLE.test(message)) ??
    errors[0] ??
    rest.find((line) => MENDABLE.test(line))?.trim() ??
    rest.at(-1)?.trim();
}

/** The same lines, with those of the stack last. */
export function stackLast(lines: readonly string[]): string[] {
  const isStack = (line: string) => STACK.test(line);
  return [...lines.filter((line) => !isStack(line)), ...lines.filter(isStack)];
}
