/**
 * docs/architecture.md leads to each thing in one step: the files and names in its tables are
 * there. That each folder has its line is a rule of the house (house_test.ts).
 */
import assert from "node:assert/strict";
import { REPOSITORY } from "./support/process.ts";

/** A question that a newcomer asks has an answer at least this often. */
const MIN_QUESTIONS = 10;
const MIN_WORDS = 25;
const markdown = read("docs/architecture.md");

function read(path: string): string {
  return Deno.readTextFileSync(`${REPOSITORY}${path}`);
}

/** The rows of the table below a heading, as their cells. */
function rowsBelow(heading: string, text = markdown): string[][] {
  const [, section = ""] = text.split(`\n## ${heading}\n`);
  const rows = section.split("\n## ")[0]!.split("\n").filter((line) => line.startsWith("|"));
  return rows.map((row) => row.split("|").slice(1, -1).map((cell) => cell.trim()))
    .filter(([first = ""]) => !/^-+$/.test(first)).slice(1);
}

interface Place {
  readonly file: string;
  readonly name: string;
}

/** `` `a.ts`: `x`, `y` `` → both names, with their file. */
function placesIn(cell: string): Place[] {
  return [...cell.matchAll(/`([\w/.]+\.ts)`: ((?:`[^`]+`(?:, )?)+)/g)].flatMap(
    ([, file = "", names = ""]) =>
      [...names.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => ({ file, name })),
  );
}

/** Whether a file declares a name at its top, and what stands behind the dot within that. */
function declares(source: string, name: string): boolean {
  const [outer, member] = name.split(".");
  const declaration =
    `^(?:export )?(?:default )?(?:abstract |async )*(?:class|function\\*?|const|let|interface|type) ${outer}\\b`;
  const at = new RegExp(declaration, "m").exec(source)?.index;
  if (at === undefined) return false;
  if (member === undefined) return true;
  const [body = ""] = source.slice(at).split(/^[})]/m);
  return new RegExp(`^ +(?:readonly |async |get |static )*#?${member}\\??[(:<]`, "m").test(body);
}

/** What is wrong with a place; none if it is there. */
function faultOf({ file, name }: Place): string | undefined {
  try {
    return declares(read(file), name) ? undefined : `${file} does not declare ${name}`;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return `${file} is not there`;
    throw error;
  }
}

for (
  const [heading, min] of [["Words", MIN_WORDS], ["Where is …?", MIN_QUESTIONS]] as const
) {
  Deno.test(`"${heading}" in docs/architecture.md leads to files and names that are there`, () => {
    const rows = rowsBelow(heading);
    assert.ok(rows.length >= min, `only ${rows.length} rows`);
    const silent = rows.filter((row) => placesIn(row.at(-1)!).length === 0);
    assert.deepEqual(silent, [], "rows that lead nowhere");
    const faults = rows.flatMap((row) => placesIn(row.at(-1)!)).map(faultOf);
    assert.deepEqual(faults.filter((fault) => fault !== undefined), []);
  });
}

/** What a new reader asks, as words of the question, and what stands in the first file that is named. */
const ASKED: readonly (readonly [question: string, found: RegExp])[] = [
  ["the flag `--call-tls` read", /flag: "--call-tls"/],
  ["ends a tunnel that is silent", /`No byte for \$/],
  ["lets a server register", /authorizeTunnel\(/],
  ["decides where a call goes", /"x-hub-server"/],
  ["an operator may make it", /may not call \$/],
  ["when its tunnel dies", /was lost during the call, outcome unknown/],
  ["an audit line made", /recordJson\(/],
  ["a renewed certificate", /loadCertificate\(/],
  ["when to dial again", /jittered\(/],
  ["exit code of gclient", /RPC_OFFSET \+ status/],
];

/** The first file that the answer to a question names, where exactly one question has these words. */
function answerTo(words: string, rows = rowsBelow("Where is …?")): string | undefined {
  const answers = rows.filter(([question = ""]) => question.includes(words));
  return answers.length === 1 ? placesIn(answers[0]!.at(-1)!)[0]?.file : undefined;
}

Deno.test("who asks one of ten questions stands in one step where the answer is", () => {
  const wrong = ASKED.filter(([question, found]) => {
    const file = answerTo(question);
    return file === undefined || !found.test(read(file));
  });
  assert.deepEqual(wrong.map(([question]) => question), []);
});

Deno.test("a question that leads nowhere, or to two answers, is noticed", () => {
  const rows = [["Where is a?", "`a.ts`: `a`"], ["Where is ab?", "`b.ts`: `b`"]];
  assert.equal(answerTo("is ab", rows), "b.ts");
  assert.equal(answerTo("is a", rows), undefined);
  assert.equal(answerTo("is c", rows), undefined);
});

Deno.test("no word stands in the glossary twice, and no name for two words", () => {
  const rows = rowsBelow("Words");
  const words = rows.flatMap(([word = ""]) => word.split(", "));
  const names = rows.flatMap((row) => placesIn(row.at(-1)!)).map(({ name }) => name);
  assert.deepEqual(words, [...new Set(words)]);
  assert.deepEqual(names, [...new Set(names)]);
});

Deno.test("a place that is wrong is noticed", () => {
  const wrong: [string, Place][] = [
    ["no such file", { file: "hub/relay/relay.ts", name: "Relay" }],
    ["no such name", { file: "client/print/exit_code.ts", name: "exitCode" }],
    ["only a part of a name", { file: "client/print/exit_code.ts", name: "exitCodeO" }],
    ["used, not declared", { file: "client/print/exit_code.ts", name: "StatusCode" }],
    ["no such member", { file: "hub/registry/registry.ts", name: "Registry.remember" }],
    ["a member of another", { file: "hub/registry/registry.ts", name: "RegistryOptions.admit" }],
  ];
  for (const [what, place] of wrong) assert.ok(faultOf(place) !== undefined, what);
  assert.equal(faultOf({ file: "hub/registry/registry.ts", name: "Registry.admit" }), undefined);
  assert.deepEqual(placesIn("by `a/b.ts`: `x`, `y.z`, and `c.ts`: `w`; `--flag`"), [
    { file: "a/b.ts", name: "x" },
    { file: "a/b.ts", name: "y.z" },
    { file: "c.ts", name: "w" },
  ]);
  assert.deepEqual(rowsBelow("A", "\n## A\n\n| q | a |\n| - | - |\n| 1 | 2 |\n## B\n| 3 | 4 |"), [
    ["1", "2"],
  ]);
});
