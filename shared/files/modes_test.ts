import assert from "node:assert/strict";
import { keyFault, rulesFault, secretFault } from "./modes.ts";

const OWN = Deno.uid();
const OTHER = 4711;

Deno.test("secretFault(), keyFault() and rulesFault() as their table says", async (t) => {
  const rows: [mode: number, uid: number | null, secret: boolean, key: boolean, rules: boolean][] =
    [
      [0o600, OTHER, true, true, false],
      [0o400, OTHER, true, true, false],
      [0o640, OTHER, false, false, false],
      [0o600, 0, true, true, true],
      [0o640, 0, false, true, true],
      [0o440, 0, false, true, true],
      [0o660, 0, false, false, false],
      [0o644, 0, false, false, true],
      [0o604, 0, false, false, true],
      [0o602, 0, false, false, false],
      [0o600, OWN, true, true, true],
      [0o644, OWN, false, false, true],
      [0o664, OWN, false, false, false],
      [0o646, OWN, false, false, false],
      [0o600, null, true, true, true],
    ];
  for (const [mode, uid, secret, key, rules] of rows) {
    await t.step(`${mode.toString(8)} of ${uid}`, () => {
      const file = { mode: 0o100000 | mode, uid };
      assert.deepEqual(
        [secretFault, keyFault, rulesFault].map((fault) => fault(file, "x") === undefined),
        [secret, key, rules],
      );
    });
  }
  assert.match(secretFault({ mode: 0o644, uid: OWN }, "/a/b") ?? "", /run: chmod 600 \/a\/b$/);
  assert.match(rulesFault({ mode: 0o644, uid: OTHER }, "x") ?? "", /belongs to user 4711/);
});
