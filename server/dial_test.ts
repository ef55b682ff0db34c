import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { once } from "node:events";
import net from "node:net";
import { acceptKey } from "../shared/bridge/upgrade.ts";
import { generateCertificate } from "../shared/tls/generate.ts";
import { deadPort } from "../tests/support/dead_port.ts";
import { PATIENCE_MS } from "../tests/support/until.ts";
import { dial, type DialOptions } from "./dial.ts";
import { failure, Peer, registration, startProxy, tryDial, withHub } from "./dial_fixture.ts";

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
  const json = '{"code":"UNAUTHENTICATED","message":"Token is wrong"}\n';
  const table: [what: string, answer: string, message: RegExp, hint: RegExp, status?: number][] = [
    [
      "JSON",
      `HTTP/1.1 401 X\r\nContent-Length: ${json.length}\r\n\r\n${json}`,
      /401: Token is wrong$/,
      /--token-file/,
      401,
    ],
    [
      "HTML",
      "HTTP/1.1 404 X\r\nContent-Length: 15\r\n\r\n<html>no</html>",
      /answered 404$/,
      /\/ws/,
      404,
    ],
    [
      "text",
      "HTTP/1.1 409 X\r\nContent-Length: 5\r\n\r\ntaken",
      /409: taken$/,
      /name of its own/,
      409,
    ],
    [
      "control characters",
      "HTTP/1.1 400 X\r\nContent-Length: 6\r\n\r\na\x1b[2Jb",
      /400: a \[2Jb$/,
      /name/,
      400,
    ],
    [
      "a body that is cut",
      "HTTP/1.1 403 X\r\nContent-Length: 900\r\n\r\nhalf",
      /403: half$/,
      /ask/,
      403,
    ],
    [
      "redirect",
      "HTTP/1.1 302 X\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
      /302$/,
      /^$/,
      302,
    ],
  ];
  for (const [what, answer, message, hint, status] of table) {
    await t.step(what, async () => {
      await using peer = await Peer.start((socket) =>
        socket.once("data", () => socket.end(answer))
      );
      const error = await failure(new URL(`ws://${peer.address}/ws`));
      assert.match(error.message, message);
      assert.match(error.hint ?? "", hint);
      assert.equal(error.status, status);
    });
  }
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

Deno.test("dial() goes through an HTTP proxy", async (t) => {
  const { cert, key } = await generateCertificate(["127.0.0.1"]);
  for (const tls of [undefined, { cert, key }]) {
    await t.step(tls === undefined ? "ws" : "wss", async () => {
      await using proxy = await startProxy("us er:p@ss");
      await withHub(tls === undefined ? {} : { tls }, async (hub) => {
        const url = new URL(`http://us%20er:p%40ss@${proxy.address}`);
        const options: Partial<DialOptions> = {
          proxy: url,
          tls: { ALPNProtocols: ["http/1.1"], rejectUnauthorized: false },
        };
        assert.equal(await tryDial(hub.uri, options), "open");
        assert.match(proxy.seen[0]!, new RegExp(`^CONNECT 127.0.0.1:${hub.port} HTTP/1.1\r\n`));
        // The hub's credential is none of the proxy's business.
        assert.doesNotMatch(proxy.seen[0]!, /^authorization/im);
      });
    });
  }
});

Deno.test("dial() says when the proxy is not there: the hub may be", async () => {
  using dead = await deadPort();
  const proxy = new URL(`http://${dead.address}`);
  const error = await failure(new URL("ws://hub.example/ws"), { proxy });
  assert.match(error.message, /ECONNREFUSED.*through the proxy/);
  assert.match(error.hint ?? "", /^The proxy cannot be reached/);
});

Deno.test("dial() tells a proxy's refusal from the hub's", async (t) => {
  const table: [what: string, answer: string, message: RegExp, hint: RegExp][] = [
    ["407", "HTTP/1.1 407 X\r\nContent-Length: 0\r\n\r\n", /proxy answered 407/, /password/],
    ["403", "HTTP/1.1 403 X\r\nContent-Length: 0\r\n\r\n", /proxy answered 403/, /--proxy direct/],
    ["502", "HTTP/1.1 502 X\r\nContent-Length: 3\r\n\r\nbad", /proxy answered 502: bad/, /--proxy/],
    ["goes away", "", /through the proxy http:\/\/…@127/, /^/],
    ["nonsense", "nonsense\r\n\r\n", /./, /^/],
  ];
  for (const [what, answer, message, hint] of table) {
    await t.step(what, async () => {
      await using proxy = await Peer.start((socket) =>
        socket.once("data", () => socket.end(answer))
      );
      const error = await failure(new URL("wss://hub.example/ws"), {
        proxy: new URL(`http://user:secret@${proxy.address}`),
        timeoutMs: PATIENCE_MS,
      });
      assert.match(error.message, message);
      assert.match(error.hint ?? "", hint);
      assert.doesNotMatch(error.message, /secret/);
      assert.equal(error.status, undefined);
    });
  }
});
