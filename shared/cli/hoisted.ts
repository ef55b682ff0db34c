/**
 * Options that may stand before the command's name too: `gclient -s hub:9090 fluentd start`.
 *
 * @module
 */
import { type Option, type Options, optionsOf } from "./option.ts";
import type { Command } from "./command.ts";

/**
 * The options of a group: those on whose form all commands below it agree. Whether the command then
 * named has such an option is checked once it is known.
 */
export function hoisted(group: Command): Options {
  const options = new Map<string, Option>();
  const disputed = new Set<string>();
  for (const [key, option] of leafOptions(group.commands ?? [])) {
    // Most commands share theirs: the very same was compared with all others already.
    if (options.get(key) === option) continue;
    for (const [otherKey, other] of options) {
      const clash = key === otherKey || other.flag === option.flag ||
        (other.short !== undefined && other.short === option.short);
      if (clash && !(key === otherKey && sameForm(option, other))) disputed.add(key).add(otherKey);
    }
    options.set(key, option);
  }
  for (const key of disputed) options.delete(key);
  return Object.fromEntries(options);
}

function sameForm(a: Option, b: Option): boolean {
  return a.flag === b.flag && a.short === b.short &&
    (a.value === undefined) === (b.value === undefined) &&
    (a.many ?? false) === (b.many ?? false);
}

/** Key and option of every command that runs, below and among these. */
export function* leafOptions(commands: readonly Command[]): Generator<[string, Option]> {
  for (const command of commands) {
    if (command.run !== undefined) yield* Object.entries(optionsOf(command));
    yield* leafOptions(command.commands ?? []);
  }
}
