import assert from "node:assert/strict";
import { fc } from "../testing/property.ts";
import { cutToWidth, foldLines, padToWidth, textWidth } from "./width.ts";

Deno.test("textWidth() counts the cells of a terminal", async (t) => {
  const table: [text: string, width: number][] = [
    ["", 0],
    ["edge-1", 6],
    ["é", 1],
    ["e\u0301", 1],
    ["東京", 4],
    ["서울", 4],
    ["ｆｕｌｌ", 8],
    ["ﾊﾝ", 2],
    ["🚀", 2],
    ["👩‍👩‍👧", 2],
    ["🇳🇱", 2],
    ["❤️", 2],
    ["a\u200bb", 2],
    ["µs…", 3],
    ["𠀀", 2],
  ];
  for (const [text, width] of table) {
    await t.step(text, () => assert.equal(textWidth(text), width));
  }
});

Deno.test("cutToWidth() cuts between characters, and says that it did", async (t) => {
  const table: [text: string, width: number, expected: string][] = [
    ["edge-1", 6, "edge-1"],
    ["edge-1", 5, "edge…"],
    ["edge-1", 1, "…"],
    ["edge-1", 0, ""],
    ["東京都", 6, "東京都"],
    ["東京都", 5, "東京…"],
    ["東京都", 4, "東…"],
    ["👩‍👩‍👧👩‍👩‍👧", 3, "👩‍👩‍👧…"],
  ];
  for (const [text, width, expected] of table) {
    await t.step(`${text} ${width}`, () => assert.equal(cutToWidth(text, width), expected));
  }
});

Deno.test("padToWidth() counts wide characters", () => {
  assert.equal(padToWidth("東", 4) + "|", "東  |");
  assert.equal(padToWidth("long", 2), "long");
});

Deno.test("foldLines() folds at blanks, under the second column", () => {
  assert.equal(foldLines("short\n\n", 10), "short\n\n");
  assert.equal(
    foldLines("reasons  the buffer is full and more\nnext     1\n", 20),
    "reasons  the buffer\n         is full and\n         more\nnext     1\n",
  );
  assert.equal(foldLines("abcdefghij", 4), "abcd\n  ef\n  gh\n  ij");
});

Deno.test("foldLines() loses no word, and no line is too wide", () => {
  const word = fc.string({
    unit: fc.constantFrom("a", "-", "東", "e\u0301"),
    minLength: 1,
    maxLength: 12,
  });
  fc.assert(
    fc.property(fc.array(word), fc.integer({ min: 6, max: 40 }), (words, width) => {
      const folded = foldLines(words.join(" "), width);
      for (const line of folded.split("\n")) assert.ok(textWidth(line) <= width, folded);
      assert.equal(folded.replace(/\s/g, ""), words.join(""));
    }),
  );
});
