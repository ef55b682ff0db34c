/**
 * Raw mode: handshakes, and bytes end to end.
 *
 * @module
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import type net from "node:net";
import { noise } from "./call_suite/expect.ts";
import { closing, dialTcp, drop } from "./support/path.ts";
import { connectTo, readLine, shakeHands } from "./support/raw_path.ts";
import { echoBytes, type Handler, TcpUpstream } from "./support/tcp_upstream.ts";
import { until, within } from "./support/until.ts";
import { World } from "./support/world.ts";

const MIB = 1024 * 1024;

/** How a TLS handshake begins: what follows it passes an upstream's gate unread. */
const HELLO = "\x16\x03\x01";
const HELLO_BYTES = new TextEncoder().encode(HELLO);

/** Bytes that pass. */
function hello(bytes: Uint8Array): Uint8Array {
  const all = new Uint8Array(HELLO_BYTES.length + bytes.length);
  all.set(HELLO_BYTES);
  all.set(bytes, HELLO_BYTES.length);
  return all;
}

/** All text that still comes from a socket. */
async function ended(socket: net.Socket): Promise<string> {
  let text = "";
  // Not by for-await: that would destroy the socket, whose other direction may go on.
  socket.on("data", (chunk) => text += chunk);
  if (!socket.readableEnded) await within("the end of a connection", once(socket, "end"));
  return text;
}

/** Reads to the end of the caller's bytes, then answers with how many there were. */
const countThenAnswer: Handler = (socket) => {
  let count = 0;
  socket.on("data", (chunk) => count += chunk.length);
  socket.once("end", () => socket.end(`got ${count}`));
};

/** Ends its own direction at once, and keeps what comes in spite of it. */
function farewell(received: { bytes: number; ended: boolean }): Handler {
  return (socket) => {
    socket.end("bye");
    socket.on("data", (chunk) => received.bytes += chunk.length);
    socket.once("end", () => received.ended = true);
  };
}

Deno.test("handshakes are answered with what was wrong", async (t) => {
  await using world = await World.start({ servers: ["edge-1", "edge-2"] });
  const { callAddress } = world;

  await t.step("a server that is here", async () => {
    const { socket, answer } = await shakeHands(callAddress, { server: "edge-1" });
    assert.equal(answer.ok, true);
    assert.equal(answer.server, "edge-1");
    assert.ok(answer.tunnel);
    await drop(socket);
  });

  const refused: [what: string, line: string, code: string, message: RegExp][] = [
    ["no JSON", "{nonsense}", "INVALID_ARGUMENT", /not JSON/],
    ["no version", '{"server":"edge-1"}', "INVALID_ARGUMENT", /"version":1/],
    ["another version", '{"version":2,"server":"edge-1"}', "INVALID_ARGUMENT", /"version":1/],
    ["a bad name", '{"version":1,"server":"Edge 1"}', "INVALID_ARGUMENT", /a-z 0-9/],
    ["a name of another type", '{"version":1,"server":7}', "INVALID_ARGUMENT", /"server"/],
    ["no name among two", '{"version":1}', "INVALID_ARGUMENT", /edge-1, edge-2/],
    ["a stranger's name", '{"version":1,"server":"egde-1"}', "NOT_FOUND", /edge-1/],
    ["the hub itself", '{"version":1,"server":"edge-1/none"}', "NOT_FOUND", /never here/],
    ["a wrong token", '{"version":1,"server":"edge-1","token":"x"}', "UNAUTHENTICATED", /token/],
    ["too long", `{"version":1,"x":"${"y".repeat(9000)}"}`, "INVALID_ARGUMENT", /8192 bytes/],
  ];
  for (const [what, line, code, message] of refused) {
    await t.step(what, async () => {
      const socket = await dialTcp(callAddress);
      socket.write(`${line}\n`);
      const answer = JSON.parse(await readLine(socket));
      assert.deepEqual([answer.ok, answer.code], [false, code]);
      assert.match(answer.message, message);
      assert.equal(await ended(socket), "");
      await drop(socket);
    });
  }

  await t.step("the names that are here, for who asks for another", async () => {
    const { socket, answer } = await shakeHands(callAddress, { server: "edge-3" });
    assert.deepEqual(answer.servers?.toSorted(), ["edge-1", "edge-2"]);
    await drop(socket);
  });

  const connects: [target: string, status: number, body: RegExp][] = [
    ["edge-1:443", 200, /^$/],
    ["EDGE-1:1", 200, /^$/],
    ["egde-1:443", 404, /edge-1/],
    ["edge-1", 400, /edge-1:443/],
    ["edge-1:0", 400, /1 to 65535/],
    ["no way:443", 400, /no HTTP request line/],
  ];
  for (const [target, expected, body] of connects) {
    await t.step(`CONNECT ${target}`, async () => {
      const { socket, status } = await connectTo(callAddress, target);
      assert.equal(status, expected);
      if (status !== 200) assert.match(await ended(socket), body);
      await drop(socket);
    });
  }

  await t.step("CONNECT with a wrong credential", async () => {
    const { socket, status, head } = await connectTo(callAddress, "edge-1:443", {
      "proxy-authorization": "Bearer wrong",
    });
    assert.equal(status, 407);
    assert.match(head, /^Proxy-Authenticate: /m);
    await ended(socket);
    await drop(socket);
  });

  await t.step("a server that knows nothing of raw mode", async () => {
    await world.startServer({ name: "plain", program: "plain" });
    const { socket, answer } = await shakeHands(callAddress, { server: "plain" });
    assert.deepEqual([answer.ok, answer.code], [false, "FAILED_PRECONDITION"]);
    assert.match(answer.message ?? "", /takes no raw connections/);
    await drop(socket);
  });
});

Deno.test("bytes go end to end", async (t) => {
  const received = { bytes: 0, ended: false };
  await using echo = await TcpUpstream.listen(echoBytes);
  await using count = await TcpUpstream.listen(countThenAnswer);
  await using bye = await TcpUpstream.listen(farewell(received));
  const closed = await TcpUpstream.listen(echoBytes);
  await using world = await World.start({
    servers: [{
      name: "edge-1",
      expose: {
        echo: echo.address,
        count: count.address,
        bye: bye.address,
        closed: closed.address,
      },
    }],
  });
  const open = async (server: string) => {
    const { socket, answer } = await shakeHands(world.callAddress, { server });
    assert.equal(answer.ok, true, `${answer.message}`);
    return socket;
  };

  await t.step("what follows the handshake in the same packet is not lost", async () => {
    const socket = await dialTcp(world.callAddress);
    socket.write(`{"version":1,"server":"edge-1/echo"}\n${HELLO}hello`);
    socket.end();
    assert.equal(JSON.parse(await readLine(socket)).ok, true);
    assert.equal(await ended(socket), `${HELLO}hello`);
    await drop(socket);
  });

  await t.step("a handshake byte by byte", async () => {
    const socket = await dialTcp(world.callAddress);
    for (const char of `{"version":1,"server":"edge-1/echo"}\n${HELLO}ab`) {
      await new Promise((resolve) => socket.write(char, resolve));
    }
    socket.end();
    assert.equal(JSON.parse(await readLine(socket)).ok, true);
    assert.equal(await ended(socket), `${HELLO}ab`);
    await drop(socket);
  });

  await t.step("CONNECT to an upstream", async () => {
    const { socket, status } = await connectTo(world.callAddress, "echo.edge-1:80");
    assert.equal(status, 200);
    socket.end(`${HELLO}over CONNECT`);
    assert.equal(await ended(socket), `${HELLO}over CONNECT`);
    await drop(socket);
  });

  await t.step("the caller's half-close leaves the answer open", async () => {
    const socket = await open("edge-1/count");
    socket.end(hello(noise(100_000)));
    assert.equal(await ended(socket), "got 100003");
    await drop(socket);
  });

  await t.step("the server's half-close leaves the request open", async () => {
    const socket = await open("edge-1/bye");
    socket.allowHalfOpen = true;
    socket.write(`${HELLO}hello`);
    assert.equal(await ended(socket), "bye");
    socket.end(noise(300_000));
    await until("the upstream to get all", () => received.ended && received.bytes === 300_008);
    await drop(socket);
  });

  await t.step("16 MiB each way at once", async () => {
    const socket = await open("edge-1/echo");
    const block = hello(noise(MIB));
    const expected = createHash("sha256");
    for (let i = 0; i < 16; i++) expected.update(block);
    const actual = createHash("sha256");
    let bytes = 0;
    const read = (async () => {
      for await (const chunk of socket) {
        actual.update(chunk);
        bytes += chunk.length;
      }
    })();
    for (let i = 0; i < 16; i++) {
      if (!socket.write(block)) await within("room to write", once(socket, "drain"));
    }
    socket.end();
    await within("the end of the echo", read);
    assert.equal(bytes, 16 * block.length);
    assert.equal(actual.digest("hex"), expected.digest("hex"));
    await drop(socket);
  });

  await t.step("50 connections at once, each with its own bytes", async () => {
    await Promise.all(Array.from({ length: 50 }, async (_, i) => {
      const socket = await open("edge-1/echo");
      socket.end(`${HELLO}connection ${i}`);
      assert.equal(await ended(socket), `${HELLO}connection ${i}`);
      await drop(socket);
    }));
  });

  await t.step("an upstream that has gone", async () => {
    await closed[Symbol.asyncDispose]();
    await until("a refusal", async () => {
      const { socket, answer } = await shakeHands(world.callAddress, { server: "edge-1/closed" });
      await drop(socket);
      return !answer.ok && ["UNAVAILABLE", "NOT_FOUND"].includes(answer.code ?? "");
    });
  });

  await t.step("a caller that goes early, after each byte", async () => {
    const all = '{"version":1,"server":"edge-1/echo"}\nsome bytes';
    for (let n = 0; n <= all.length; n++) {
      const socket = await dialTcp(world.callAddress);
      socket.on("error", () => {}); // It is reset, perhaps by the hub too.
      if (n > 0) await new Promise((resolve) => socket.write(all.slice(0, n), resolve));
      const gone = closing(socket);
      if (n % 2 === 0) socket.resetAndDestroy();
      else socket.destroy();
      await gone;
    }
    const socket = await open("edge-1/echo");
    socket.end(`${HELLO}still here`);
    assert.equal(await ended(socket), `${HELLO}still here`);
    await drop(socket);
  });
});
