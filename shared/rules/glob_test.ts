import assert from "node:assert/strict";
import { glob, MAX_PATTERN_LENGTH } from "./glob.ts";

Deno.test("glob() matches as its table says", async (t) => {
  const rows: [pattern: string, text: string, matches: boolean][] = [
    ["edge-1", "edge-1", true],
    ["edge-1", "edge-12", false],
    ["edge-1", "EDGE-1", false],
    ["edge-*", "edge-", true],
    ["edge-*", "edge-1", true],
    ["edge-*", "edge-1/payments", false],
    ["edge-*", "an-edge-1", false],
    ["edge-*/*", "edge-1/payments", true],
    ["edge-*/*", "edge-1", false],
    ["edge-*/**", "edge-1/payments", true],
    ["*", "edge-1", true],
    ["*", "", true],
    ["*", "a/b", false],
    ["**", "a/b", true],
    ["**", "", true],
    ["*.x", "a.x", true],
    ["*.x", "abx", false],
    ["a.c", "abc", false],
    ["a+", "aa", false],
    ["[ab]", "a", false],
    ["/a.B/*", "/a.B/Get", true],
    ["/a.B/*", "/a.B/Get/More", false],
    ["/a.B/Get*", "/a.B/Get", true],
    ["/a.B/Get*", "/a.B/Set", false],
    ["*-*-*", "a-b-c", true],
    ["*-*-*", "a-b", false],
    ["a**c", "a/b/c", true],
    ["a*c", "a/b/c", false],
  ];
  for (const [pattern, text, matches] of rows) {
    await t.step(`${pattern} ${matches ? "takes" : "leaves"} "${text}"`, () => {
      assert.equal(glob(pattern).matches(text), matches);
    });
  }
});

Deno.test("glob() ignores case only when asked to", () => {
  assert.ok(glob("/a.B/Stop", { ignoreCase: true }).matches("/A.b/sTOP"));
  assert.ok(glob("/a.B/*", { ignoreCase: true }).matches("/A.b/sTOP"));
  assert.ok(!glob("/a.B/*").matches("/A.b/sTOP"));
});

Deno.test("glob() refuses what is no pattern", () => {
  for (const bad of ["", "***", "a".repeat(MAX_PATTERN_LENGTH + 1)]) {
    assert.throws(() => glob(bad), SyntaxError, bad);
  }
});

Deno.test("glob() takes no more steps than text times pattern, whatever the text", () => {
  // A backtracking matcher would not come back from this one.
  const evil = glob("*a".repeat(100) + "b");
  assert.equal(evil.matches("a".repeat(2_000)), false);
});
