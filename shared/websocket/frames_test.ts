import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { CloseCode, isSendable } from "./close_codes.ts";
import {
  closeFrame,
  controlFrame,
  type FrameReaderOptions,
  HEADROOM,
  IDLE_FRAMES_WINDOW_MS,
  Opcode,
  sealFrame,
  WebSocketFrameReader,
} from "./frames.ts";
import { WebSocketError } from "./web_socket_error.ts";

const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex.replace(/\s/g, ""), "hex"));
const hex = (data: Uint8Array) => Buffer.from(data).toString("hex");
const text = (data: Uint8Array) => Buffer.from(data).toString("utf8");

/** All that a reader told: payload joined, everything else in order, and where in the stream. */
function read(pieces: Iterable<Uint8Array>, options: Partial<FrameReaderOptions> = {}) {
  const payload: number[] = [];
  const events: string[] = [];
  const reader = new WebSocketFrameReader({
    payload: (data) => payload.push(...data),
    ping: (data) => events.push(`${payload.length} ping ${hex(data)}`),
    pong: (data) => events.push(`${payload.length} pong ${hex(data)}`),
    close: (code, reason) => events.push(`${payload.length} close ${code} ${reason}`),
  }, { requireMask: true, ...options });
  // Copies (Buffer.slice makes none): a reader overwrites what it is given.
  for (const piece of pieces) reader.receive(new Uint8Array(piece));
  return { payload: hex(Uint8Array.from(payload)), events };
}

/** The masked frame that a client sends. */
function masked(first: number, payload: Uint8Array, key = bytes("37fa213d")): Uint8Array {
  const { length } = payload;
  const header = length < 126
    ? [first, 0x80 | length]
    : length < 65536
    ? [first, 0x80 | 126, length >> 8, length & 255]
    : [first, 0x80 | 127, 0, 0, 0, 0, ...new Uint8Array(Uint32Array.of(length).buffer).reverse()];
  return Uint8Array.from([...header, ...key, ...payload.map((byte, i) => byte ^ key[i % 4]!)]);
}

Deno.test("FrameReader reads the examples of RFC 6455 §5.7", async (t) => {
  const hello = hex(Buffer.from("Hello"));
  const table: [
    what: string,
    input: string,
    requireMask: boolean,
    payload: string,
    events: string[],
  ][] = [
    ["unmasked message", "82 05 48 65 6c 6c 6f", false, hello, []],
    ["masked message", "82 85 37 fa 21 3d 7f 9f 4d 51 58", true, hello, []],
    ["fragmented", "02 03 48 65 6c 80 02 6c 6f", false, hello, []],
    ["unmasked ping", "89 05 48 65 6c 6c 6f", false, "", [`0 ping ${hello}`]],
    ["masked pong", "8a 85 37 fa 21 3d 7f 9f 4d 51 58", true, "", [`0 pong ${hello}`]],
    ["256 bytes", `82 7e 0100 ${"ab".repeat(256)}`, false, "ab".repeat(256), []],
    [
      "64 KiB",
      `82 7f 0000000000010000 ${"cd".repeat(65536)}`,
      false,
      "cd".repeat(65536),
      [],
    ],
    ["close without a code", "88 00", false, "", ["0 close 1005 "]],
    ["close with a reason", "88 06 03e8 62796521", false, "", ["0 close 1000 bye!"]],
  ];
  for (const [what, input, requireMask, payload, events] of table) {
    await t.step(what, () => {
      assert.deepEqual(read([bytes(input)], { requireMask }), { payload, events });
    });
  }
});

Deno.test("FrameReader gives the same for any cut of the bytes", () => {
  const sequence = Buffer.concat([
    masked(0x82, Buffer.from("one")),
    masked(0x02, crypto.getRandomValues(new Uint8Array(130)), bytes("01020304")),
    masked(0x89, Buffer.from("between fragments")),
    masked(0x00, new Uint8Array()),
    masked(0x8a, new Uint8Array()),
    masked(0x80, crypto.getRandomValues(new Uint8Array(70))),
    masked(0x82, new Uint8Array()),
    masked(0x82, new Uint8Array(66_000).fill(7)).subarray(0, 200),
  ]);
  const whole = read([sequence]);
  assert.equal(whole.events.length, 2);
  const one = read(Array.from(sequence, (byte) => Uint8Array.of(byte)));
  assert.deepEqual(one, whole);
  for (let cut = 0; cut <= sequence.length; cut++) {
    assert.deepEqual(read([sequence.subarray(0, cut), sequence.subarray(cut)]), whole, `at ${cut}`);
  }
});

Deno.test("FrameReader hands on views of what it was given, before a frame is complete", () => {
  const seen: Uint8Array[] = [];
  const nothing = () => {};
  const reader = new WebSocketFrameReader(
    { payload: (data) => seen.push(data), ping: nothing, pong: nothing, close: nothing },
    { requireMask: true },
  );
  const input = masked(0x82, new Uint8Array(100)).subarray(0, 50);
  reader.receive(input);
  assert.equal(seen[0]?.buffer, input.buffer);
  assert.equal(seen[0]?.length, 50 - 6);
});

Deno.test("FrameReader ignores what follows the peer's close", () => {
  const input = Buffer.concat([masked(0x88, bytes("03e9")), bytes("ffffffff")]);
  assert.deepEqual(read([input]).events, ["0 close 1001 "]);
});

Deno.test("FrameReader refuses what breaks the protocol", async (t) => {
  const mask = "00000000";
  const table: [
    what: string,
    input: string,
    code: number,
    options?: Partial<FrameReaderOptions>,
  ][] = [
    ["text", "81 85", 1003],
    ["unmasked from a client", "82 05", 1002],
    ["masked from a server", "82 85", 1002, { requireMask: false }],
    ["RSV1", "c2 80", 1002],
    ["RSV2", "a2 80", 1002],
    ["RSV3", "92 80", 1002],
    ["opcode 3", "83 80", 1002],
    ["opcode 7", "87 80", 1002],
    ["opcode 11", "8b 80", 1002],
    ["opcode 15", "8f 80", 1002],
    ["fragmented ping", "09 80", 1002],
    ["fragmented close", "08 80", 1002],
    ["ping of 126 bytes", "89 fe", 1002],
    ["pong with 64 bits of length", "8a ff", 1002],
    ["continuation of nothing", "80 80", 1002],
    ["message inside a message", `02 80 ${mask} 82 80`, 1002],
    ["16 bits for 125", `82 fe 007d ${mask}`, 1002],
    ["64 bits for 65535", `82 ff 000000000000ffff ${mask}`, 1002],
    ["top bit of the length", `82 ff 8000000000000000 ${mask}`, 1002],
    ["length of 2⁵³", `82 ff 0020000000000000 ${mask}`, 1009],
    ["close of one byte", `88 81 ${mask} 03`, 1002],
    ["close 0", `88 82 ${mask} 0000`, 1002],
    ["close 999", `88 82 ${mask} 03e7`, 1002],
    ["close 1004", `88 82 ${mask} 03ec`, 1002],
    ["close 1005", `88 82 ${mask} 03ed`, 1002],
    ["close 1006", `88 82 ${mask} 03ee`, 1002],
    ["close 1015", `88 82 ${mask} 03f7`, 1002],
    ["close 1016", `88 82 ${mask} 03f8`, 1002],
    ["close 2999", `88 82 ${mask} 0bb7`, 1002],
    ["close 5000", `88 82 ${mask} 1388`, 1002],
    ["reason that is no UTF-8", `88 84 ${mask} 03e8 c328`, 1007],
    ["4th control frame of 3", `89 80 ${mask}`.repeat(4), 1008, { maxIdleFrames: 3 }],
    ["4th empty fragment of 3", `02 80 ${mask}` + `00 80 ${mask}`.repeat(3), 1008, {
      maxIdleFrames: 3,
    }],
  ];
  for (const [what, input, code, options] of table) {
    const refused = (error: unknown) => error instanceof WebSocketError && error.closeCode === code;
    await t.step(what, () => {
      assert.throws(() => read([bytes(input)], options), refused);
      assert.throws(
        () => read(Array.from(bytes(input), (b) => Uint8Array.of(b)), options),
        refused,
      );
    });
  }
});

Deno.test("FrameReader is silent after an error", () => {
  const seen: Uint8Array[] = [];
  const nothing = () => {};
  const reader = new WebSocketFrameReader(
    { payload: (data) => seen.push(data), ping: nothing, pong: nothing, close: nothing },
    { requireMask: true },
  );
  assert.throws(() => reader.receive(bytes("8180")), WebSocketError);
  reader.receive(masked(0x82, bytes("00")));
  assert.deepEqual(seen, []);
});

Deno.test("FrameReader lets pings of an idle tunnel through for ever", () => {
  let now = 0;
  const ping = masked(0x89, new Uint8Array());
  const pieces = (function* () {
    for (let i = 0; i < 1000; i++) {
      yield ping;
      now += IDLE_FRAMES_WINDOW_MS / 2;
    }
  })();
  assert.equal(read(pieces, { maxIdleFrames: 3, now: () => now }).events.length, 1000);
});

Deno.test("FrameReader reads a frame longer than 2³² bytes piece by piece", () => {
  let total = 0;
  const nothing = () => {};
  const reader = new WebSocketFrameReader(
    { payload: (data) => total += data.length, ping: nothing, pong: nothing, close: nothing },
    { requireMask: true },
  );
  reader.receive(bytes("82 ff 0000000100000000 01020304"));
  reader.receive(new Uint8Array(1 << 20));
  assert.equal(total, 1 << 20);
});

Deno.test("sealFrame() writes the shortest header directly before the payload", async (t) => {
  const table: [length: number, header: string][] = [
    [0, "8200"],
    [1, "8201"],
    [125, "827d"],
    [126, "827e007e"],
    [65535, "827effff"],
    [65536, "827f0000000000010000"],
  ];
  for (const [length, header] of table) {
    await t.step(`${length} bytes`, () => {
      const buffer = new Uint8Array(HEADROOM + length + 5).fill(0xee);
      const frame = sealFrame(buffer, HEADROOM, HEADROOM + length);
      assert.equal(frame.buffer, buffer.buffer);
      assert.equal(hex(frame.subarray(0, header.length / 2)), header);
      assert.equal(frame.length, header.length / 2 + length);
      assert.ok(buffer.subarray(HEADROOM).every((byte) => byte === 0xee));
    });
  }
  await t.step("no room", () => {
    assert.throws(() => sealFrame(new Uint8Array(200), 3, 199), RangeError);
  });
});

Deno.test("controlFrame() and closeFrame() are read back", async (t) => {
  const unmasked = { requireMask: false };
  await t.step("ping", () => {
    const frame = controlFrame(Opcode.PING, bytes("0102"));
    assert.deepEqual(read([frame], unmasked).events, ["0 ping 0102"]);
    assert.throws(() => controlFrame(Opcode.PING, new Uint8Array(126)), RangeError);
  });
  await t.step("close", () => {
    const frame = closeFrame(CloseCode.GOING_AWAY, "drain");
    assert.deepEqual(read([frame], unmasked).events, ["0 close 1001 drain"]);
  });
  await t.step("close without a code", () => {
    assert.equal(hex(closeFrame(CloseCode.NO_STATUS)), "8800");
  });
  await t.step("close with a code that must not be sent", () => {
    assert.throws(() => closeFrame(CloseCode.ABNORMAL), RangeError);
  });
  await t.step("a long reason is cut between characters", () => {
    const frame = closeFrame(CloseCode.NORMAL, "é".repeat(100));
    assert.equal(text(frame.subarray(4)), "é".repeat(61));
    assert.deepEqual(read([frame], unmasked).events, [`0 close 1000 ${"é".repeat(61)}`]);
  });
});

Deno.test("isSendable() knows every code that this project sends", () => {
  const never: number[] = [CloseCode.NO_STATUS, CloseCode.ABNORMAL];
  for (const code of Object.values(CloseCode)) {
    assert.equal(isSendable(code), !never.includes(code));
  }
});
