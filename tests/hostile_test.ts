/**
 * Peers that speak nonsense, stop in the middle, or never read. After each, the hub still serves
 * others, and nothing of the peer is left.
 *
 * @module
 */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { once } from "node:events";
import { noise, ok, text, texts } from "./call_suite/expect.ts";
import { closing, dialTcp, drop } from "./support/path.ts";
import { until, within } from "./support/until.ts";
import { World } from "./support/world.ts";

const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/** An empty SETTINGS frame. */
const SETTINGS = "\0\0\0\x04\0\0\0\0\0";
/** A TLS 1.2 record with the beginning of a ClientHello. */
const TLS_HELLO = "\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + "r".repeat(32);
const UPGRADE = [
  "GET /ws HTTP/1.1",
  "Host: hub",
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  "Sec-WebSocket-Protocol: ghub.h2.v1",
  "X-Hub-Meta-Name: hostile",
  "",
  "",
].join("\r\n");

const bytes = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0));

/** A binary WebSocket frame as a client sends it, with the key 0. */
function frame(payload: Uint8Array, first = 0x82): Uint8Array {
  const { length } = payload;
  const head = length < 126 ? [first, 0x80 | length] : [first, 0xfe, length >> 8, length & 255];
  return Uint8Array.of(...head, 0, 0, 0, 0, ...payload);
}

function frameHead(type: number, flags: number, stream: number, length: number): Uint8Array {
  const { buffer } = new Uint8Array(9);
  const view = new DataView(buffer);
  view.setUint32(0, length << 8 | type);
  view.setUint8(4, flags);
  view.setUint32(5, stream);
  return new Uint8Array(buffer);
}

function concat(...parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/**
 * Sends bytes and returns all that comes until the hub closes. (A socket of `node:net` would forget
 * what came when it fails to write.)
 */
async function talk(address: string, ...parts: (Uint8Array | string)[]): Promise<string> {
  const { hostname, port } = new URL(`tcp://${address}`);
  using conn = await Deno.connect({ hostname, port: Number(port) });
  let answer = "";
  const read = async () => {
    const chunk = new Uint8Array(64 * 1024);
    for (let n; (n = await conn.read(chunk)) !== null;) {
      answer += String.fromCharCode(...chunk.subarray(0, n));
    }
  };
  const write = async () => {
    for (const part of parts) {
      const whole = typeof part === "string" ? bytes(part) : part;
      for (let at = 0; at < whole.length;) at += await conn.write(whole.subarray(at));
    }
  };
  const closed = () => {}; // Reset is a way to close too.
  await within("the hub to close", Promise.all([read().catch(closed), write().catch(closed)]));
  return answer;
}

/** Sends bytes and goes, without a word or with a reset. */
async function sendAndGo(address: string, part: Uint8Array, reset: boolean): Promise<void> {
  const socket = await dialTcp(address);
  socket.on("error", () => {});
  const closed = closing(socket);
  if (part.length > 0) await new Promise((resolve) => socket.write(part, resolve));
  if (reset) socket.resetAndDestroy();
  else socket.destroy();
  await closed;
}

Deno.test("the hub outlives hostile peers", async (t) => {
  await using world = await World.start();
  const { callAddress } = world;
  const tunnelAddress = new URL(world.tunnelUri).host;
  using client = world.path("edge-1").client();
  // A call that lives through everything.
  const story = client.bidi({ timeoutMs: 600_000 });
  let words = 0;
  const stillServes = async () => {
    const answered = once(story.call, "data");
    story.call.write({ data: text(`word ${words}`) });
    const [response] = await within("an answer on the old call", answered);
    assert.deepEqual(texts([response]), [`word ${words++}`]);
    using fresh = world.path("edge-1").client();
    ok(await fresh.unary({}));
  };
  const openFiles = () => readdirSync(`/proc/${world.hub.pid}/fd`).length;
  await stillServes();
  const filesBefore = openFiles();

  const garbage: [what: string, data: Uint8Array | string][] = [
    ["noise", noise(5000)],
    ["zeros", new Uint8Array(5000)],
    ["line breaks", "\r\n".repeat(2500)],
    ["one long line", "x".repeat(50_000)],
    ["an SSH client", "SSH-2.0-OpenSSH_9.6\r\n"],
  ];
  for (const [port, address] of [["call", callAddress], ["tunnel", tunnelAddress]] as const) {
    for (const [what, data] of garbage) {
      await t.step(`${what} on the ${port} port`, async () => {
        await talk(address, data, "\r\n\r\n");
        await stillServes();
      });
    }
  }

  const helpful: [what: string, port: "call" | "tunnel", data: string, answer: RegExp][] = [
    ["a TLS hello", "call", TLS_HELLO, /plain text, not TLS/],
    ["HTTP/1 GET", "call", "GET / HTTP/1.1\r\nHost: hub\r\n\r\n", /^HTTP\/1\.1 426 .*gRPC/s],
    ["a browser", "tunnel", "GET / HTTP/1.1\r\nHost: hub\r\n\r\n", /^HTTP\/1\.1 4\d\d .*"code"/s],
    ["a gRPC client", "tunnel", PREFACE + SETTINGS, /./s],
    ["a TLS hello", "tunnel", TLS_HELLO + "\r\n\r\n", /./s],
    [
      "a POST",
      "tunnel",
      "POST /ws HTTP/1.1\r\nHost: hub\r\nContent-Length: 0\r\n\r\n",
      /^HTTP\/1\.1 4/,
    ],
  ];
  for (const [what, port, data, answer] of helpful) {
    await t.step(`${what} on the ${port} port gets an answer that helps`, async () => {
      assert.match(await talk(port === "call" ? callAddress : tunnelAddress, data), answer);
      await stillServes();
    });
  }

  const http2: [what: string, parts: Uint8Array[]][] = [
    ["no SETTINGS first", [frameHead(0, 0, 1, 0)]],
    ["a frame that is too large", [bytes(SETTINGS), frameHead(0, 0, 1, 2 ** 24 - 1)]],
    ["HEADERS on stream 0", [bytes(SETTINGS), frameHead(1, 4, 0, 1), bytes("\x82")]],
    ["HEADERS on an even stream", [bytes(SETTINGS), frameHead(1, 4, 2, 1), bytes("\x82")]],
    ["HPACK nonsense", [bytes(SETTINGS), frameHead(1, 4, 1, 3), bytes("\xff\xff\xff")]],
    ["a PING of a wrong size", [bytes(SETTINGS), frameHead(6, 0, 0, 3), bytes("abc")]],
    ["a window that overflows", [
      bytes(SETTINGS),
      ...Array.from({ length: 2 }, () => concat(frameHead(8, 0, 0, 4), bytes("\x7f\xff\xff\xff"))),
    ]],
    ["a flood of SETTINGS", [bytes(SETTINGS.repeat(20_000))]],
    ["a flood of PINGs", [
      bytes(SETTINGS),
      bytes(("\0\0\x08\x06\0\0\0\0\0" + "x".repeat(8)).repeat(20_000)),
    ]],
  ];
  for (const [what, parts] of http2) {
    await t.step(`HTTP/2 with ${what} ends that connection`, async () => {
      await talk(callAddress, PREFACE, ...parts);
      await stillServes();
    });
    await t.step(`a server's HTTP/2 with ${what} ends that tunnel`, async () => {
      const frames = parts.flatMap((part) => {
        const pieces = [];
        for (let at = 0; at < part.length; at += 60_000) {
          pieces.push(frame(part.subarray(at, at + 60_000)));
        }
        return pieces;
      });
      assert.match(await talk(tunnelAddress, UPGRADE, ...frames), /^HTTP\/1\.1 101 /);
      await stillServes();
    });
  }

  const webSocket: [what: string, data: Uint8Array][] = [
    ["a text message", frame(bytes("hello"), 0x81)],
    ["a frame without a mask", Uint8Array.of(0x82, 1, 0)],
    ["reserved bits", frame(bytes("x"), 0xf2)],
    ["a reserved opcode", frame(bytes("x"), 0x8b)],
    ["a fragmented ping", frame(bytes("x"), 0x09)],
    ["a continuation of nothing", frame(bytes("x"), 0x80)],
    [
      "a flood of empty frames",
      concat(...Array.from({ length: 1000 }, () => frame(bytes(""), 0x89))),
    ],
  ];
  for (const [what, data] of webSocket) {
    await t.step(`a WebSocket with ${what} ends that tunnel`, async () => {
      assert.match(await talk(tunnelAddress, UPGRADE, data), /^HTTP\/1\.1 101 /);
      await stillServes();
    });
  }

  await t.step("connections cut at each byte of a handshake", async () => {
    const starts: [address: string, start: Uint8Array][] = [
      [callAddress, bytes('{"version":1,"server":"edge-1"}\n')],
      [callAddress, bytes("CONNECT edge-1:443 HTTP/1.1\r\nHost: edge-1\r\n\r\n")],
      [callAddress, concat(bytes(PREFACE + SETTINGS), frameHead(6, 0, 0, 8), new Uint8Array(8))],
      [tunnelAddress, concat(bytes(UPGRADE), frame(bytes(SETTINGS)))],
    ];
    for (const [address, start] of starts) {
      for (let n = 0; n <= start.length; n++) {
        await sendAndGo(address, start.subarray(0, n), n % 2 === 1);
      }
      await stillServes();
    }
  });

  await t.step("handshakes that trickle in or stop are cut by a time-out", async () => {
    const starts: [address: string, start: string][] = [
      [callAddress, ""],
      [callAddress, "{"],
      [callAddress, "PRI * HT"],
      [callAddress, "CONNECT edge-1:443 HTTP/1.1\r\n"],
      [tunnelAddress, ""],
      [tunnelAddress, "GET /ws HTTP/1.1\r\n"],
    ];
    const all = starts.map(async ([address, start]) => {
      const socket = await dialTcp(address);
      socket.on("error", () => {});
      socket.resume();
      const closed = closing(socket);
      if (start !== "") socket.write(start);
      // A byte now and then must not keep it alive.
      const trickle = setInterval(() => start.length > 1 && socket.write("x"), 1000);
      await within("the hub to cut a slow handshake", closed);
      clearInterval(trickle);
    });
    await Promise.all([...all, stillServes()]);
    await stillServes();
  });

  await t.step("many that connect and say nothing", async () => {
    const silent = await Promise.all(
      Array.from({ length: 200 }, (_, i) => dialTcp(i % 2 === 0 ? callAddress : tunnelAddress)),
    );
    for (const socket of silent) socket.on("error", () => {});
    await stillServes();
    await Promise.all(silent.map(drop));
  });

  await t.step("a caller that asks for much and never reads", async () => {
    const rss = () =>
      Number(/VmRSS:\s+(\d+)/.exec(Deno.readTextFileSync(`/proc/${world.hub.pid}/status`))?.[1]);
    const before = rss();
    const greedy = Array.from(
      { length: 20 },
      () => client.serverStream({ size: 64 * 1024, count: 1000 }, { paused: true }),
    );
    await Promise.all(greedy.map(({ headers }) => headers));
    for (let i = 0; i < 10; i++) await stillServes();
    const grown = (rss() - before) / 1024;
    assert.ok(grown < 300, `the hub grew by ${grown} MiB while 1.2 GiB were asked for`);
    for (const { call } of greedy) call.cancel();
    await Promise.all(greedy.map(({ outcome }) => outcome));
    await stillServes();
  });

  await t.step("nothing of all this is left", async () => {
    await until(
      `no more open files at the hub than the ${filesBefore} before`,
      () => openFiles() <= filesBefore,
    );
    const ended = story.outcome;
    story.call.end();
    ok(await ended);
  });
});
