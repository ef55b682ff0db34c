/**
 * What the demo prints: the commands as a person would type them, and what came of them.
 *
 * @module
 */
const COLOR = Deno.stdout.isTerminal() && !Deno.env.get("NO_COLOR") &&
  Deno.env.get("TERM") !== "dumb";

/** SGR codes: https://www.ecma-international.org/publications-and-standards/standards/ecma-48/ */
const CODES = { bold: 1, dim: 2, red: 31, green: 32, cyan: 36 } as const;

function paint(color: keyof typeof CODES, text: string): string {
  return COLOR ? `\x1b[${CODES[color]}m${text}\x1b[0m` : text;
}

/** A step begins. */
export function title(text: string): void {
  console.log(`\n${paint("bold", text)}`);
}

/** A command as one would type it. */
export function command(text: string): void {
  console.log(paint("cyan", `$ ${text}`));
}

/** What a program wrote, a little to the right. */
export function output(text: string): void {
  for (const line of text.trimEnd().split("\n")) console.log(`  ${line}`);
}

/** A remark. */
export function note(text: string): void {
  console.log(paint("dim", `  ${text}`));
}

/** It went as expected. */
export function good(text: string): void {
  console.log(paint("green", `  ✓ ${text}`));
}

/** It did not. */
export function bad(text: string): void {
  console.log(paint("red", `  ✗ ${text}`));
}
