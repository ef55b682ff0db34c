import assert from "node:assert/strict";
import { NamesAway } from "./names_away.ts";

Deno.test("B8: whoever has many names that are away loses its own, the first ones first", () => {
  const names = new NamesAway(100);
  for (let i = 0; i < 10; i++) assert.equal(names.add(`site-${i}`, `token-${i}`), undefined);
  const forgotten: (string | undefined)[] = [];
  for (let i = 0; i < 1_000; i++) forgotten.push(names.add(`edge-${i}`, "edge-*"));
  assert.deepEqual(forgotten.slice(0, 90), Array(90).fill(undefined));
  assert.deepEqual(forgotten.slice(90), Array.from({ length: 910 }, (_, i) => `edge-${i}`));
  assert.equal(names.size, 100);
  assert.deepEqual([...names].slice(0, 11), [
    ...Array.from({ length: 10 }, (_, i) => `site-${i}`),
    "edge-910",
  ]);
});

Deno.test("NamesAway forgets the name that went first, where everybody has one", () => {
  const names = new NamesAway(3);
  for (const name of ["a", "b", "c"]) names.add(name, name);
  names.add("a", "a");
  assert.equal(names.add("d", "d"), "b");
  names.delete("c");
  assert.equal(names.add("e", "e"), undefined);
  assert.deepEqual([...names], ["a", "d", "e"]);
});
