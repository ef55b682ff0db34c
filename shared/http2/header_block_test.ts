import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { ErrorCode } from "./frames.ts";
import { HeaderBlock, MAX_CONTINUATIONS } from "./header_block.ts";
import { END_HEADERS, END_STREAM, join, PADDED, PRIORITY, text, uint32 } from "./testing/wire.ts";

const LIMIT = 100;

function shown(block: HeaderBlock): string {
  return Buffer.from(block.bytes()).toString();
}

Deno.test("HeaderBlock takes one frame", () => {
  const block = new HeaderBlock(7, END_HEADERS | END_STREAM, text("abc"));
  assert.deepEqual([block.id, block.complete, block.endStream, block.dependsOnItself], [
    7,
    true,
    true,
    false,
  ]);
  assert.equal(shown(block), "abc");
});

Deno.test("HeaderBlock takes padding and priority off", () => {
  const priority = join(uint32(0x80000007), Uint8Array.of(15));
  const payload = join(Uint8Array.of(2), priority, text("abc"), new Uint8Array(2));
  const block = new HeaderBlock(7, END_HEADERS | PADDED | PRIORITY, payload);
  assert.equal(shown(block), "abc");
  assert.equal(block.dependsOnItself, true, "the exclusive bit is no part of the id");
  assert.equal(new HeaderBlock(8, PRIORITY, priority).dependsOnItself, false);
});

Deno.test("HeaderBlock joins continuations, and keeps no view of what it is given", () => {
  const [first, second, third] = [text("ab"), text("cd"), text("e")];
  const block = new HeaderBlock(1, 0, first);
  first.fill(0);
  block.add(0, second, LIMIT);
  second.fill(0);
  assert.equal(block.complete, false);
  block.add(END_HEADERS, third, LIMIT);
  assert.equal(block.complete, true);
  assert.equal(shown(block), "abcde");
});

Deno.test("HeaderBlock is bounded in bytes and in count", async (t) => {
  const CALM = { code: ErrorCode.ENHANCE_YOUR_CALM };
  await t.step("bytes", () => {
    const block = new HeaderBlock(1, 0, new Uint8Array(60));
    block.add(0, new Uint8Array(40), LIMIT);
    assert.throws(() => block.add(END_HEADERS, new Uint8Array(1), LIMIT), CALM);
  });
  await t.step("count, even of empty ones", () => {
    const block = new HeaderBlock(1, 0, new Uint8Array());
    for (let i = 0; i < MAX_CONTINUATIONS; i++) block.add(0, new Uint8Array(), LIMIT);
    assert.throws(() => block.add(END_HEADERS, new Uint8Array(), LIMIT), CALM);
  });
});

Deno.test("HeaderBlock refuses", async (t) => {
  const rows: readonly [string, number, Uint8Array, number][] = [
    ["padding without a length", PADDED, new Uint8Array(), ErrorCode.PROTOCOL_ERROR],
    ["padding over its length", PADDED, Uint8Array.of(2, 0), ErrorCode.PROTOCOL_ERROR],
    ["priority of 4 bytes", PRIORITY, new Uint8Array(4), ErrorCode.FRAME_SIZE_ERROR],
    [
      "padding that eats the priority",
      PADDED | PRIORITY,
      join(Uint8Array.of(3), new Uint8Array(7)),
      ErrorCode.FRAME_SIZE_ERROR,
    ],
  ];
  for (const [name, flags, payload, code] of rows) {
    await t.step(name, () => {
      assert.throws(() => new HeaderBlock(1, flags, payload), { code });
    });
  }
});
