import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { openAudit } from "./mod.ts";
import { UnreadableAuditError } from "./lines.ts";
import { BrokenAuditError, verifyAudit } from "./verify.ts";

Deno.test("F9: an audit that was packed with gzip is verified, and any other packing is named", async (t) => {
  const dir = await Deno.makeTempDir({ prefix: "ghub-packed-" });
  try {
    const path = `${dir}/audit.jsonl`;
    {
      await using audit = openAudit(path);
      const line = {
        kind: "call",
        who: "alice",
        peer: "",
        server: "edge-1",
        status: "OK",
      } as const;
      for (let i = 0; i < 4_000; i++) audit.record({ ...line, id: `${i}` });
    }
    const plain = await verifyAudit([path]);
    assert.equal(plain.lines, 4_000);
    const text = await Deno.readFile(path);
    const packed = gzipSync(text);
    const half = text.lastIndexOf(10, text.length / 2) + 1;
    const whole: [what: string, bytes: Uint8Array][] = [
      ["whole", packed],
      ["in two parts", join(gzipSync(text.subarray(0, half)), gzipSync(text.subarray(half)))],
    ];
    for (const [what, bytes] of whole) {
      await t.step(what, async () => {
        await Deno.writeFile(`${dir}/packed`, bytes);
        assert.deepEqual(await verifyAudit([`${dir}/packed`]), plain);
      });
    }
    const changed = new TextDecoder().decode(text).replace("alice", "mallo");
    // The first three bits after the header of ten bytes say of which kind a block is: this is none.
    const noBlock = new Uint8Array(packed).fill(0x07, 10, 11);
    const table: [
      what: string,
      bytes: Uint8Array,
      error: typeof BrokenAuditError | typeof UnreadableAuditError,
      says: RegExp,
    ][] = [
      ["a changed line", gzipSync(changed), BrokenAuditError, /packed:\d+: does not continue/],
      [
        "cut off",
        packed.subarray(0, -9),
        UnreadableAuditError,
        /packed: its gzip data is .*cut off/,
      ],
      ["damaged", noBlock, UnreadableAuditError, /packed: its gzip data is damaged/],
      ["zstd", bytes("28b52ffd00"), UnreadableAuditError, /packed with zstd: unpack .*zstd -d/],
      ["xz", bytes("fd377a585a0000"), UnreadableAuditError, /packed with xz: unpack it first/],
    ];
    for (const [what, bytes, error, says] of table) {
      await t.step(what, async () => {
        await Deno.writeFile(`${dir}/packed`, bytes);
        await assert.rejects(verifyAudit([`${dir}/packed`]), (thrown) => {
          assert.ok(thrown instanceof error);
          assert.match(thrown.message, says);
          return true;
        });
      });
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

function bytes(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

function join(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}
