/**
 * `man`: prints the manual page of a program.
 *
 * @module
 */
import type { Command, Program } from "./command.ts";

export function manCommand(program: Program): Command {
  return {
    name: "man",
    summary: "Prints the manual page",
    notes: `Read it with:    ${program.name} man | man -l -\n` +
      `Install it with: ${program.name} man > ~/.local/share/man/man1/${program.name}.1`,
    run: async ({ io }) => {
      const { manPage } = await import("./man_page.ts");
      await io.stdout.write(manPage(program));
      return 0;
    },
  };
}
