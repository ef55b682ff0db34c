/**
 * Throws an error that nobody catches: tests/bundle_test.ts bundles it, runs it and reads what is said.
 *
 * @module
 */

/*! A licence stays where it is. */

/** Explains what a reader of the sources wants to know. */
class Reader {
  readonly #lines = [
    "one",
    `
  two  blanks`,
  ];

  readLine(at: number): string {
    // Explains why: in a bundle of one line there is no place to show.
    const line = this.#lines[at];
    if (line === undefined) throw new Error("A bug with a name");
    return line;
  }
}

function readAll(reader: Reader): void {
  for (let at = 0;; at++) console.log(reader.readLine(at));
}

readAll(new Reader());
