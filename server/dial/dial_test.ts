import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { once } from "node:events";
import type net from "node:net";
import { acceptKey } from "../../shared/websocket/upgrade.ts";
import { deadPort } from "../../tests/support/dead_port.ts";
import { dial } from "./dial.ts";
import { failure, Peer, registration, tryDial } from "../testing/dial_fixture.ts";

Deno.test("dial() does not lose bytes that come with the 101", async () => {
  await using peer = await Peer.start((socket) => {
    socket.once("data", (head) => {
      const [, key = ""] = /^sec-websocket-key: (\S+)/im.exec(String(head)) ?? [];
      socket.write(Buffer.concat([
        Buffer.from(
          "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
            `Sec-WebSocket-Accept: ${acceptKey(key)}\r\nSec-WebSocket-Protocol: ghub.h2.v1\r\n\r\n`,
        ),
        Buffer.from([0x82, 5, ...Buffer.from("first")]),
      ]));
    });
  });
  const message = Promise.withResolvers<string>();
  const socket = await dial(
    { hubUri: new URL(`ws://${peer.address}/ws`), registration },
    ({ socket }) => {
      socket.on("message", (data: Buffer) => message.resolve(String(data)));
      return socket;
    },
  );
  assert.equal(await message.promise, "first");
  socket.terminate();
  await once(socket, "close");
});

Deno.test("dial() tells what a refusal says", async (t) => {
  const says = (message: string) => JSON.stringify({ code: "SOME_CODE", message });
  const table: [what: string, status: number, body: string, message: RegExp, hint: RegExp][] = [
    ["401", 401, says("Token is wrong"), /^The hub answered 401: Token is wrong$/, /--token-file/],
    ["404", 404, says("no"), /^The hub answered 404: no$/, /\/ws/],
    ["409", 409, says("taken"), /^The hub answered 409: taken$/, /name of its own/],
    ["control characters", 400, says("a\x1b[2Jb"), /400: a \[2Jb$/, /name/],
    [
      "a page of somebody else",
      404,
      "<html>no</html>",
      /^A proxy without a name answered 404;/,
      /\/ws/,
    ],
    ["a line of somebody else", 403, "half", /^A proxy .* 403: half; no hub answered$/, /allow/],
    ["JSON of somebody else", 500, '{"message":5}', /^A proxy .* 500/, /not the hub itself/],
  ];
  for (const [what, status, body, message, hint] of table) {
    await t.step(what, async () => {
      const answer = `HTTP/1.1 ${status} X\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
      await using peer = await Peer.start((socket) =>
        socket.once("data", () => socket.end(answer))
      );
      const error = await failure(new URL(`ws://${peer.address}/ws`));
      assert.match(error.message, message);
      assert.match(error.hint ?? "", hint);
      assert.equal(error.status, status);
    });
  }
  await t.step("a body that is cut", async () => {
    const answer = "HTTP/1.1 403 X\r\nContent-Length: 900\r\n\r\nhalf";
    await using peer = await Peer.start((socket) => socket.once("data", () => socket.end(answer)));
    assert.match((await failure(new URL(`ws://${peer.address}/ws`))).message, /403: half/);
  });
});

Deno.test("F9: a 401 of the hub speaks of no join token, which a hub with an auth file has not", async () => {
  const body = '{"code":"UNAUTHENTICATED","message":"no"}';
  const answer = `HTTP/1.1 401 X\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  await using peer = await Peer.start((socket) => socket.once("data", () => socket.end(answer)));
  const { hint = "" } = await failure(new URL(`ws://${peer.address}/ws`));
  assert.match(hint, /--token-file/);
  assert.doesNotMatch(hint, /join token/);
});

Deno.test("dial() survives a peer that goes away at any byte of its answer", async () => {
  const answer =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
  for (let length = 0; length <= answer.length; length++) {
    await using peer = await Peer.start((socket) => {
      socket.once("data", () => socket.end(answer.slice(0, length)));
    });
    await failure(new URL(`ws://${peer.address}/ws`));
  }
});

Deno.test("dial() survives a peer that resets at each stage", async (t) => {
  const table: [what: string, scheme: string, onConnection: (socket: net.Socket) => void][] = [
    ["on connect", "ws", (socket) => socket.resetAndDestroy()],
    ["on the request", "ws", (socket) => socket.once("data", () => socket.resetAndDestroy())],
    ["on the TLS hello", "wss", (socket) => socket.once("data", () => socket.resetAndDestroy())],
    ["nonsense for TLS", "wss", (socket) => socket.once("data", () => socket.end("nonsense\n"))],
    ["nonsense for HTTP", "ws", (socket) => socket.once("data", () => socket.end("nonsense\r\n"))],
  ];
  for (const [what, scheme, onConnection] of table) {
    await t.step(what, async () => {
      await using peer = await Peer.start(onConnection);
      await failure(new URL(`${scheme}://${peer.address}/ws`));
    });
  }
});

Deno.test("dial() gives up in time at each stage, and leaves no socket behind", async (t) => {
  const silent = (socket: net.Socket) => void socket.resume();
  const half = (socket: net.Socket) =>
    socket.once("data", () => socket.write("HTTP/1.1 101 Switching"));
  const drip = (socket: net.Socket) =>
    socket.once("data", () => {
      socket.write("HTTP/1.1 403 X\r\nContent-Length: 9\r\n\r\nslow");
    });
  for (
    const [what, scheme, onConnection] of [
      ["no answer", "ws", silent],
      ["half an answer", "ws", half],
      ["half a refusal", "ws", drip],
      ["no TLS answer", "wss", silent],
    ] as const
  ) {
    await t.step(what, async () => {
      await using peer = await Peer.start(onConnection);
      const error = await failure(new URL(`${scheme}://${peer.address}/ws`), { timeoutMs: 40 });
      assert.match(error.message, /within 40 ms/);
      await peer.gone;
    });
  }
  await t.step("a proxy that never answers", async () => {
    await using proxy = await Peer.start(silent);
    await failure(new URL("ws://hub.example/ws"), {
      proxy: new URL(`http://${proxy.address}`),
      timeoutMs: 40,
    });
    await proxy.gone;
  });
});

Deno.test("dial() rejects with the signal's reason", async () => {
  await using peer = await Peer.start(() => {});
  const controller = new AbortController();
  const reason = new Error("stop");
  const dialing = tryDial(new URL(`ws://${peer.address}/ws`), { signal: controller.signal });
  controller.abort(reason);
  await assert.rejects(dialing, reason);
});

Deno.test("dial() says what to do when nobody listens", async () => {
  using dead = await deadPort();
  const error = await failure(new URL(`ws://${dead.address}/ws`));
  assert.match(error.hint ?? "", /Is the hub running/);
});
