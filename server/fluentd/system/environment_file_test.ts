import assert from "node:assert/strict";
import { expandArguments, parseEnvironmentFile, splitWords } from "./environment_file.ts";

Deno.test("G5: an environment file is read as systemd reads it, not as a shell does", async (t) => {
  const table: [text: string, env: Record<string, string>][] = [
    ["", {}],
    ["A=1\nB=\n\nC=x=y", { A: "1", B: "", C: "x=y" }],
    ["A=a b c", { A: "a b c" }],
    ["A=1 # not a comment", { A: "1 # not a comment" }],
    ["# c\n; d\n A=1", { A: "1" }],
    ["A=\"two words\"\nB='x y'\n", { A: "two words", B: "x y" }],
    ["A='a'\"b\"c d", { A: "abc d" }],
    ['A=a"b"', { A: 'a"b"' }],
    ["A=one \\\n  two", { A: "one   two" }],
    ['A="a\\"b\\n"', { A: 'a"b\\n' }],
    ['A="first\nsecond"', { A: "first\nsecond" }],
    ["export A=1\nB-C=2\n1D=3", {}],
    ["A = 1", { A: "1" }],
    ["A=1\r\nB=2\r\n", { A: "1", B: "2" }],
  ];
  for (const [text, env] of table) {
    await t.step(JSON.stringify(text), () => assert.deepEqual(parseEnvironmentFile(text), env));
  }
});

Deno.test("G5: variables in arguments become words as systemd makes them", async (t) => {
  const env = { LOG: "/var/log/a b.log", OPTS: "-v  '-c' \"x y\"", EMPTY: "" };
  const table: [argv: string[], expected: string[]][] = [
    [["f", "$OPTS"], ["f", "-v", "-c", "x y"]],
    [["f", "${OPTS}"], ["f", env.OPTS]],
    [["f", "--log=${LOG}.1", "$EMPTY", "$NONE", "${NONE}"], ["f", "--log=/var/log/a b.log.1", ""]],
    [["f", "a$LOG", "$$LOG", "two words"], ["f", "a$LOG", "$LOG", "two words"]],
  ];
  for (const [argv, expected] of table) {
    await t.step(argv.join(" "), () => assert.deepEqual(expandArguments(argv, env), expected));
  }
  await t.step("splitWords()", () => {
    assert.deepEqual(splitWords("a\\ b ''  c"), ["a b", "", "c"]);
  });
});
