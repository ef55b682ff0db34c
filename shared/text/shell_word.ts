/**
 * A word for a line that is there to be copied into a shell.
 *
 * @module
 */

/** The text as one word: in quotes if a shell would read it otherwise. */
export function shellWord(text: string): string {
  return /^[\w=,./:@-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
