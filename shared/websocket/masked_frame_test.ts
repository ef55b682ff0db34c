import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { WebSocketFrameReader } from "./frames.ts";
import { maskedFrame } from "./masked_frame.ts";
import { type WebSocket, WebSocketServer } from "./ws.ts";

const bytes = (length: number, seed = 7) =>
  Uint8Array.from({ length }, (_, i) => i * 31 + seed & 0xff);

Deno.test("maskedFrame() is read by our reader, whatever its length and pieces", async (t) => {
  const table: number[][] = [[0], [], [1], [125], [126], [3, 0, 44, 1], [65_535], [65_536], [
    7,
    70_000,
  ]];
  for (const lengths of table) {
    await t.step(`[${lengths}]`, () => {
      const pieces = lengths.map((length, i) => bytes(length, i));
      const got: Uint8Array[] = [];
      const reader = new WebSocketFrameReader({
        payload: (piece) => got.push(piece.slice()),
        ping: () => assert.fail(),
        pong: () => assert.fail(),
        close: () => assert.fail(),
      }, { requireMask: true });
      const frame = maskedFrame(pieces);
      reader.receive(frame.slice());
      assert.ok(Buffer.concat(got).equals(Buffer.concat(pieces)));
    });
  }
});

Deno.test("maskedFrame() has a key of its own each time", () => {
  const keys = new Set<string>();
  for (let i = 0; i < 3_000; i++) {
    keys.add(Buffer.from(maskedFrame([bytes(1)]).subarray(2, 6)).toString("hex"));
  }
  assert.ok(keys.size > 2_990);
});

Deno.test("maskedFrame() is read by npm:ws", async () => {
  const server = createServer();
  const sockets = new WebSocketServer({ server, perMessageDeflate: false });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
  client.write(
    "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
  );
  const [socket] = await once(sockets, "connection") as [WebSocket];
  for (const length of [0, 5, 1_000, 70_000]) {
    const message = once(socket, "message");
    client.write(maskedFrame([bytes(length)]));
    const [data, isBinary] = await message as [Buffer, boolean];
    assert.equal(isBinary, true);
    assert.ok(data.equals(bytes(length)));
  }
  client.destroy();
  await once(socket, "close");
  sockets.close();
  server.close();
});
