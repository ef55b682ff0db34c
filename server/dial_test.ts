import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import net, { type AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { acceptKey } from "../shared/bridge/upgrade.ts";
import { generateCertificate } from "../shared/tls/generate.ts";
import { pinOf } from "../shared/tls/pin.ts";
import { dial, type DialOptions, type OpenSocket } from "./dial.ts";
import { DialError } from "./dial_error.ts";
import { MAX_RETRY_AFTER_MS, messageOf, parseRetryAfter } from "./refusal.ts";
import { TestHub, type TestHubOptions } from "./test_hub.ts";
import { loadTls, type TlsFiles } from "./tls_material.ts";

const registration = { name: "edge-1", labels: {}, instance: crypto.randomUUID(), version: "1" };

/** A TCP server that does what a test says, and its connections. */
class Peer implements AsyncDisposable {
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();
  /** Resolves when the first connection has closed. */
  readonly gone: Promise<void>;

  private constructor(onConnection: (socket: net.Socket) => void) {
    const gone = Promise.withResolvers<void>();
    this.gone = gone.promise;
    this.#server = net.createServer((socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.once("close", () => gone.resolve());
      onConnection(socket);
    });
  }

  static async start(onConnection: (socket: net.Socket) => void): Promise<Peer> {
    const peer = new Peer(onConnection);
    peer.#server.listen(0, "127.0.0.1");
    await once(peer.#server, "listening");
    return peer;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

/** Dials, and closes what was opened. */
async function tryDial(hubUri: URL, options: Partial<DialOptions> = {}): Promise<string> {
  return await dial({ hubUri, registration, ...options }, close);
}

function close({ socket }: OpenSocket): string {
  socket.terminate();
  return "open";
}

async function failure(hubUri: URL, options: Partial<DialOptions> = {}): Promise<DialError> {
  try {
    await tryDial(hubUri, options);
  } catch (error) {
    assert.ok(error instanceof DialError, String(error));
    return error;
  }
  throw new assert.AssertionError({ message: "The dial did not fail" });
}

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
  const peer = await Peer.start(() => {});
  const uri = new URL(`ws://${peer.address}/ws`);
  await peer[Symbol.asyncDispose]();
  const error = await failure(uri);
  assert.match(error.hint ?? "", /Is the hub running/);
});

/** A real HTTP proxy: CONNECT, with or without a password. */
async function startProxy(user?: string): Promise<Peer & { readonly seen: string[] }> {
  const seen: string[] = [];
  const peer = await Peer.start((socket) => {
    socket.once("data", (data) => {
      const head = String(data);
      seen.push(head);
      const wanted = user && `Proxy-Authorization: Basic ${Buffer.from(user).toString("base64")}`;
      if (wanted && !head.includes(wanted)) {
        return socket.end("HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n");
      }
      const [, host = "", port = ""] = /^CONNECT (\S+):(\d+) HTTP/.exec(head) ?? [];
      const far = net.connect(Number(port), host, () => {
        socket.write("HTTP/1.1 200 OK\r\n\r\n");
        far.pipe(socket).pipe(far);
      });
      far.on("error", () => socket.destroy());
      far.on("close", () => socket.destroy());
      socket.on("close", () => far.destroy());
    });
  });
  return Object.assign(peer, { seen });
}

async function withHub(
  options: TestHubOptions,
  run: (hub: TestHub) => Promise<void>,
): Promise<void> {
  await using hub = await TestHub.start(options);
  await run(hub);
}

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
        timeoutMs: 2_000,
      });
      assert.match(error.message, message);
      assert.match(error.hint ?? "", hint);
      assert.doesNotMatch(error.message, /secret/);
      assert.equal(error.status, undefined);
    });
  }
});

Deno.test("dial() checks the hub's certificate as told", async (t) => {
  const dir = await Deno.makeTempDir();
  try {
    const { cert, key } = await generateCertificate(["hub.example"]);
    const files = { cert: `${dir}/a.crt`, key: `${dir}/a.key` };
    await Deno.writeTextFile(files.cert, cert);
    await Deno.writeTextFile(files.key, key);
    const other = await generateCertificate(["127.0.0.1"]);
    await Deno.writeTextFile(`${dir}/other.crt`, other.cert);
    const table: [what: string, tls: TlsFiles, hint?: RegExp][] = [
      ["unknown authority", {}, /--tls-ca-cert-file/],
      ["another authority", { caCertFile: `${dir}/other.crt` }, /--tls-ca-cert-file/],
      ["another name", { caCertFile: files.cert }, /--tls-server-name/],
      ["its authority and name", { caCertFile: files.cert, serverName: "hub.example" }],
      ["no check", { insecureSkipVerify: true }],
    ];
    for (const [what, tls, hint] of table) {
      await t.step(what, async () => {
        await withHub({ tls: { cert, key } }, async (hub) => {
          const options = { tls: await loadTls(tls) };
          if (hint === undefined) assert.equal(await tryDial(hub.uri, options), "open");
          else assert.match((await failure(hub.uri, options)).hint ?? "", hint);
        });
      });
    }
    await t.step("client certificate", async () => {
      let subject: unknown;
      const refuse = (request: IncomingMessage, _socket: Duplex) => {
        const socket = request.socket as unknown as { getPeerCertificate(): { raw?: unknown } };
        subject = socket.getPeerCertificate().raw;
        return false;
      };
      const tls = { cert, key, ca: cert, requestCert: true, rejectUnauthorized: true };
      await withHub({ tls, refuse }, async (hub) => {
        const material = await loadTls({
          insecureSkipVerify: true,
          certFile: files.cert,
          keyFile: files.key,
        });
        assert.equal(await tryDial(hub.uri, { tls: material }), "open");
        assert.ok(subject);
      });
    });
    await t.step("ws:// to a TLS port", async () => {
      await withHub({ tls: { cert, key } }, async (hub) => {
        const error = await failure(new URL(hub.uri.href.replace("wss:", "ws:")));
        assert.match(error.hint ?? "", /wss:\/\//);
      });
    });
    await t.step("wss:// to a plain port", async () => {
      await withHub({}, async (hub) => {
        const error = await failure(new URL(hub.uri.href.replace("ws:", "wss:")));
        assert.match(error.hint ?? "", /ws:\/\//);
      });
    });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("dial() takes only a hub whose key is pinned, and tells no other its token", async (t) => {
  const dir = await Deno.makeTempDir();
  try {
    const { cert, key } = await generateCertificate(["127.0.0.1"]);
    const other = await generateCertificate(["127.0.0.1"]);
    await Deno.writeTextFile(`${dir}/ca.crt`, cert);
    const [pin, next] = [pinOf(cert), pinOf(other.cert)];
    const unverified: TlsFiles = { insecureSkipVerify: true };
    const verified: TlsFiles = { caCertFile: `${dir}/ca.crt` };
    const token = "t".repeat(43);
    const table: [what: string, tls: TlsFiles, pins: string[], says?: string][] = [
      ["the right one, unverified", unverified, [pin]],
      ["the right one, verified", verified, [pin]],
      ["the next one beside it", verified, [next, pin]],
      ["a wrong one, unverified", unverified, [next], `expected ${next}, found ${pin}`],
      ["a wrong one, verified", verified, [next], `expected ${next}, found ${pin}`],
      ["two wrong ones", verified, [next, pinOf(other.cert)], `one of ${next}, ${next}, found`],
    ];
    for (const [what, tls, pins, says] of table) {
      await t.step(what, async () => {
        await withHub({ tls: { cert, key } }, async (hub) => {
          const options = { tls: await loadTls(tls), pins, token };
          if (says === undefined) assert.equal(await tryDial(hub.uri, options), "open");
          else {
            const { message, hint = "" } = await failure(hub.uri, options);
            assert.ok(message.includes(says), message);
            assert.match(hint, /--pin-sha256/);
            assert.deepEqual(hub.requests, []);
          }
        });
      });
    }
    await t.step("the right one of an authority that is not trusted", async () => {
      await withHub({ tls: { cert, key } }, async (hub) => {
        const { hint = "" } = await failure(hub.uri, { pins: [pin] });
        assert.match(hint, /--tls-ca-cert-file/);
      });
    });
    await t.step("through a proxy", async () => {
      await using proxy = await startProxy("user:pass");
      const url = new URL(`http://user:pass@${proxy.address}`);
      await withHub({ tls: { cert, key } }, async (hub) => {
        const options = { tls: await loadTls(unverified), token, proxy: url };
        assert.equal(await tryDial(hub.uri, { ...options, pins: [pin] }), "open");
        const { message } = await failure(hub.uri, { ...options, pins: [next] });
        assert.match(message, /another key than is pinned/);
        assert.equal(hub.requests.length, 1);
      });
    });
    await t.step("a proxy that refuses", async () => {
      await using proxy = await Peer.start((socket) =>
        socket.once("data", () => socket.end("HTTP/1.1 403 X\r\nContent-Length: 0\r\n\r\n"))
      );
      const { message } = await failure(new URL("wss://hub.example/ws"), {
        proxy: new URL(`http://${proxy.address}`),
        pins: [pin],
      });
      assert.match(message, /The proxy answered 403/);
    });
    await t.step("a hub without TLS", async () => {
      await withHub({}, async (hub) => {
        const { message } = await failure(hub.uri, { pins: [pin], token });
        assert.match(message, /has no TLS/);
        assert.deepEqual(hub.requests, []);
      });
    });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("parseRetryAfter() reads seconds and dates", async (t) => {
  const now = Date.UTC(2026, 0, 1);
  const table: [value: string | undefined, ms: number | undefined][] = [
    [undefined, undefined],
    ["0", 0],
    ["120", 120_000],
    ["Thu, 01 Jan 2026 00:00:30 GMT", 30_000],
    ["Wed, 31 Dec 2025 00:00:00 GMT", 0],
    ["999999999999", MAX_RETRY_AFTER_MS],
    ["soon", undefined],
  ];
  for (const [value, ms] of table) {
    await t.step(String(value), () => assert.equal(parseRetryAfter(value, now), ms));
  }
});

Deno.test("messageOf() takes a message out of anything", () => {
  assert.equal(messageOf('{"message":"a\\nb"}'), "a b");
  assert.equal(messageOf('{"message":5}'), '{"message":5}');
  assert.equal(messageOf(" <!doctype html><p>x"), "");
  assert.equal(messageOf("x".repeat(1000)).length, 300);
});
