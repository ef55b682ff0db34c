/**
 * docs/cli-comparison.md is true: each row that says yes names a test that is there, and each that says no
 * has a reason.
 */
import assert from "node:assert/strict";
import { REPOSITORY } from "./support/process.ts";

const read = (path: string) => Deno.readTextFileSync(`${REPOSITORY}${path}`);

/** Rows of the two tables. */
const ROWS = 34 + 20;

Deno.test("each row of docs/cli-comparison.md has a test that is there, or a reason", () => {
  const cells = [...read("docs/cli-comparison.md").matchAll(/^\| (.+) \|$/gm)]
    .map(([, row = ""]) => row.split(" | ").map((cell) => cell.trim()))
    .filter(([first = ""]) => first !== "what" && !/^-+$/.test(first));
  assert.equal(cells.length, ROWS);
  for (const [what = "", has = "", shown = ""] of cells) {
    const [, file, name = ""] = /^`(\S+_test\.ts)`: (.+)$/.exec(shown) ?? [];
    assert.equal(file !== undefined, has.startsWith("yes"), `${what}: a yes needs a test`);
    assert.ok(shown.length > 20, `${what}: a no needs a reason`);
    if (file !== undefined) assert.ok(read(file).includes(name), `${what}: ${file} has "${name}"`);
  }
});
