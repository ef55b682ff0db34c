import assert from "node:assert/strict";
import { fc } from "../../testing/property.ts";
import { HpackError } from "./errors.ts";
import { decodeHuffman, encodeHuffman, maxDecodedBytes } from "./huffman.ts";

function decode(encoded: Uint8Array): string {
  const into = new Uint8Array(maxDecodedBytes(encoded.length));
  const length = decodeHuffman({ bytes: encoded, from: 0, to: encoded.length }, into);
  return String.fromCharCode(...into.subarray(0, length));
}

const byteString = fc.uint8Array({ maxLength: 100 }).map((bytes) => String.fromCharCode(...bytes));

Deno.test("Huffman codes are those of the RFC", async (t) => {
  // RFC 7541 Appendices B and C.4 to C.6.
  const table: [text: string, hex: string][] = [
    ["", ""],
    ["www.example.com", "f1e3c2e5f23a6ba0ab90f4ff"],
    ["no-cache", "a8eb10649cbf"],
    ["custom-value", "25a849e95bb8e8b4bf"],
    ["Mon, 21 Oct 2013 20:13:21 GMT", "d07abe941054d444a8200595040b8166e082a62d1bff"],
    ["0", "07"],
    ["\\", "fffe1f"],
    ["\n", "fffffff3"],
    ["\xff", "fffffbbf"],
  ];
  for (const [text, hex] of table) {
    await t.step(JSON.stringify(text), () => {
      assert.equal(encodeHuffman(text).toHex(), hex);
      assert.equal(decode(Uint8Array.fromHex(hex)), text);
    });
  }
});

Deno.test("Huffman gives back each byte alone and behind any other", () => {
  for (let first = 0; first < 256; first++) {
    for (let second = 0; second < 256; second++) {
      const text = String.fromCharCode(first, second);
      assert.equal(decode(encodeHuffman(text)), text);
    }
    const text = String.fromCharCode(first);
    assert.equal(decode(encodeHuffman(text)), text);
  }
});

Deno.test("Huffman gives back any byte string", () => {
  fc.assert(fc.property(byteString, (text) => assert.equal(decode(encodeHuffman(text)), text)));
});

Deno.test("decodeHuffman() accepts no two encodings of one string", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 12 }), (bytes) => {
    let text: string;
    try {
      text = decode(bytes);
    } catch (error) {
      return assert.ok(error instanceof HpackError);
    }
    assert.equal(encodeHuffman(text).toHex(), bytes.toHex());
  }));
});

Deno.test("decodeHuffman() never writes more than maxDecodedBytes()", () => {
  for (let length = 0; length < 50; length++) {
    const encoded = encodeHuffman("0".repeat(length));
    assert.ok(maxDecodedBytes(encoded.length) >= length);
  }
});

Deno.test("decodeHuffman() refuses", async (t) => {
  const table: [what: string, hex: string, message: RegExp][] = [
    ["padding of 8 bits", "ff", /wrong padding/],
    ["padding of 8 bits behind a symbol", "07ff", /wrong padding/],
    ["padding of zeros", "00", /wrong padding/],
    ["padding with one zero", "06", /wrong padding/],
    ["a code that is cut after 8 bits", "fe", /wrong padding/],
    ["a code that is cut after 24 bits", "ffffff", /wrong padding/],
    ["EOS", "ffffffff", /EOS/],
    ["EOS behind a symbol", "07ffffffff", /EOS/],
    ["EOS across bytes", "1fffffffff", /EOS/],
    ["EOS that ends with the string", "fe3fffffff", /wrong padding/],
  ];
  for (const [what, hex, message] of table) {
    await t.step(what, () => {
      assert.throws(() => decode(Uint8Array.fromHex(hex)), (error) => {
        assert.ok(error instanceof HpackError);
        assert.match(error.message, message);
        return true;
      });
    });
  }
});
