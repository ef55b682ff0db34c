import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import http2 from "node:http2";
import { ErrorCode, Setting } from "./frames.ts";
import { applySettings, defaultPeerSettings, encodeSettings } from "./settings.ts";

Deno.test("encodeSettings() writes what node:http2 reads", () => {
  const payload = encodeSettings([[Setting.MAX_CONCURRENT_STREAMS, 1000], [
    Setting.ENABLE_PUSH,
    0,
  ]]);
  const read = http2.getUnpackedSettings(Buffer.from(payload));
  assert.equal(read.maxConcurrentStreams, 1000);
  assert.equal(read.enablePush, false);
});

Deno.test("applySettings() reads what node:http2 writes", () => {
  const payload = http2.getPackedSettings({
    maxConcurrentStreams: 7,
    initialWindowSize: 2 ** 31 - 1,
    maxFrameSize: 2 ** 24 - 1,
    enablePush: true,
    headerTableSize: 0,
    maxHeaderListSize: 16384,
  });
  const peer = defaultPeerSettings();
  applySettings(payload, peer);
  assert.deepEqual(peer, {
    maxConcurrentStreams: 7,
    initialWindow: 2 ** 31 - 1,
    maxFrameBytes: 2 ** 24 - 1,
    maxHeaderListBytes: 16384,
    told: true,
  });
});

Deno.test("B6: a peer that names no limit of header lists has none, once it could have named one", () => {
  const peer = defaultPeerSettings();
  assert.equal(peer.maxHeaderListBytes, 8192);
  applySettings(new Uint8Array(), peer);
  assert.equal(peer.maxHeaderListBytes, Infinity);
  applySettings(encodeSettings([[Setting.MAX_HEADER_LIST_SIZE, 4096]]), peer);
  applySettings(new Uint8Array(), peer);
  assert.equal(peer.maxHeaderListBytes, 4096, "what it has said holds");
});

Deno.test("applySettings() keeps what is not there, and takes the last of two", () => {
  const peer = defaultPeerSettings();
  applySettings(new Uint8Array(), peer);
  assert.deepEqual(peer, { ...defaultPeerSettings(), maxHeaderListBytes: Infinity, told: true });
  const { INITIAL_WINDOW_SIZE } = Setting;
  applySettings(
    encodeSettings([[INITIAL_WINDOW_SIZE, 1], [0xbeef, 2 ** 32 - 1], [INITIAL_WINDOW_SIZE, 0]]),
    peer,
  );
  assert.equal(peer.initialWindow, 0);
  assert.equal(peer.maxConcurrentStreams, Infinity);
});

Deno.test("applySettings() refuses", async (t) => {
  const { ENABLE_PUSH, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE } = Setting;
  const rows: readonly [string, Uint8Array, number][] = [
    ["half an entry", new Uint8Array(9), ErrorCode.FRAME_SIZE_ERROR],
    ["a push of 2", encodeSettings([[ENABLE_PUSH, 2]]), ErrorCode.PROTOCOL_ERROR],
    [
      "a window of 2^31",
      encodeSettings([[INITIAL_WINDOW_SIZE, 2 ** 31]]),
      ErrorCode.FLOW_CONTROL_ERROR,
    ],
    ["frames of 16383", encodeSettings([[MAX_FRAME_SIZE, 16_383]]), ErrorCode.PROTOCOL_ERROR],
    ["frames of 2^24", encodeSettings([[MAX_FRAME_SIZE, 2 ** 24]]), ErrorCode.PROTOCOL_ERROR],
    ["frames of 2^32-1", encodeSettings([[MAX_FRAME_SIZE, 2 ** 32 - 1]]), ErrorCode.PROTOCOL_ERROR],
  ];
  for (const [name, payload, code] of rows) {
    await t.step(name, () => {
      assert.throws(() => applySettings(payload, defaultPeerSettings()), { code });
    });
  }
});
