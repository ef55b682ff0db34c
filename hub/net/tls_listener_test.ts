import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import tls from "node:tls";
import { generateCertificate } from "../../shared/tls/generate.ts";
import { PATIENCE_MS, within } from "../../tests/support/until.ts";
import type { Dial } from "../testing/tls_dialler.ts";
import { MAX_TLS_HANDSHAKES, TlsListener } from "./tls_listener.ts";

const server = await generateCertificate(["localhost", "127.0.0.1"]);
const renewed = await generateCertificate(["localhost"], { commonName: "renewed" });
const known = await generateCertificate(["edge-1.example"]);
const stranger = await generateCertificate(["edge-1.example"]);

const KINDS = [["TlsListener", undefined], ["TlsListener that asks", known.cert]] as const;
/** Of a handshake that is to take too long. */
const SHORT_MS = 50;
const LOOPBACK = { hostname: "127.0.0.1", port: 0, alpn: ["h2"] };

/** Listens, and echoes what comes until it ends. */
function echo(
  clientCa?: string,
  listener = new TlsListener({
    ...LOOPBACK,
    tls: { ...server, clientCa },
    handshakeTimeoutMs: () => PATIENCE_MS,
  }),
) {
  const seen: (readonly string[] | undefined)[] = [];
  const serving = (async () => {
    const all: Promise<void>[] = [];
    for (;;) {
      const conn = await listener.accept().catch(() => undefined);
      if (conn === undefined) break;
      seen.push(conn.certificate?.names);
      all.push((async () => {
        const buffer = new Uint8Array(64 << 10);
        try {
          for (let n; (n = await conn.read(buffer)) !== null;) {
            for (let at = 0; at < n;) at += await conn.write(buffer.subarray(at, n));
          }
          await conn.closeWrite();
        } catch {
          /* The peer was rude. */
        } finally {
          conn.close();
        }
      })());
    }
    await Promise.all(all);
  })();
  return {
    listener,
    seen,
    port: listener.addr.port,
    async [Symbol.asyncDispose]() {
      listener.close();
      await serving;
    },
  };
}

async function dial(port: number, options: tls.ConnectionOptions = {}): Promise<tls.TLSSocket> {
  const socket = tls.connect({
    host: "127.0.0.1",
    port,
    rejectUnauthorized: false,
    ALPNProtocols: ["h2"],
    ...options,
  });
  await Promise.race([
    once(socket, "secureConnect"),
    once(socket, "error").then(([error]) => Promise.reject(error)),
    once(socket, "close").then(() => Promise.reject(new Error("The handshake was cut off"))),
  ]);
  socket.on("error", () => {});
  return socket;
}

/** What comes back for `text`; empty if the connection was closed instead. */
async function said(socket: tls.TLSSocket, text: string): Promise<string> {
  if (socket.closed) return "";
  const end = Promise.race([once(socket, "close"), once(socket, "end")]).then(() => [""]);
  socket.write(text);
  const [answer] = await Promise.race([once(socket, "data"), end]);
  return String(answer);
}

async function hangUp(socket: net.Socket): Promise<void> {
  if (socket.closed) return;
  const closed = once(socket, "close");
  socket.destroy();
  await closed;
}

for (const [kind, ca] of KINDS) {
  Deno.test(`${kind} carries bytes both ways, and half-closed ends`, async () => {
    await using world = echo(ca);
    const socket = await dial(world.port);
    assert.equal(socket.alpnProtocol, "h2");
    const sent = crypto.getRandomValues(new Uint8Array(65_536));
    const rounds = 64;
    let received = 0;
    let hash = 0;
    socket.on("data", (bytes: Uint8Array) => {
      for (const [i, byte] of bytes.entries()) {
        if (byte !== sent[(received + i) % sent.length]) hash++;
      }
      received += bytes.length;
    });
    const ended = once(socket, "end");
    for (let i = 0; i < rounds; i++) if (!socket.write(sent)) await once(socket, "drain");
    socket.end();
    await ended;
    assert.equal(received, rounds * sent.length);
    assert.equal(hash, 0);
    await hangUp(socket);
  });
}

for (const [kind, ca] of KINDS) {
  Deno.test(`${kind} changes its certificate, and no connection notices`, async () => {
    await using world = echo(ca);
    const before = await dial(world.port);
    assert.equal(before.getPeerCertificate().subject.CN, "localhost");
    world.listener.use({ ...renewed, clientCa: ca });
    const after = await dial(world.port);
    assert.equal(after.getPeerCertificate().subject.CN, "renewed");
    assert.equal(await said(before, "still here"), "still here");
    assert.equal(await said(after, "here too"), "here too");
    await hangUp(before);
    await hangUp(after);
  });
}

Deno.test("TlsListener that stood still over a change of its certificate loses nobody who waited", async () => {
  await using world = echo();
  const dialler = new Worker(new URL("../testing/tls_dialler.ts", import.meta.url), {
    type: "module",
  });
  const heard = () =>
    new Promise<unknown>((resolve) => dialler.onmessage = ({ data }) => resolve(data));
  try {
    await heard(); // It runs.
    const gotIn = heard();
    const [count, caCerts] = [40, [server.cert, renewed.cert]];
    const waiting = new Int32Array(new SharedArrayBuffer(4));
    world.listener.use(renewed);
    dialler.postMessage({ port: world.port, count, caCerts, waiting } satisfies Dial);
    // The thread stands still until all of them wait.
    for (let seen = 0; seen < count; seen = Atomics.load(waiting, 0)) {
      assert.notEqual(Atomics.wait(waiting, 0, seen, PATIENCE_MS), "timed-out", `${seen} wait`);
    }
    assert.equal(await gotIn, count);
  } finally {
    dialler.terminate();
  }
});

Deno.test("TlsListener asks for certificates, and takes those of its authority", async (t) => {
  await using world = echo(known.cert);
  const table: [what: string, options: tls.ConnectionOptions, is: string, names?: string[]][] = [
    ["none", {}, "hello"],
    ["a good one", { ...known }, "hello", ["dns:edge-1.example"]],
    ["a stranger's of the same name", { ...stranger }, ""],
  ];
  for (const [what, options, is, names] of table) {
    await t.step(what, async () => {
      world.seen.length = 0;
      const socket = await dial(world.port, options);
      assert.equal(await said(socket, "hello"), is);
      assert.deepEqual(world.seen, is === "" ? [] : [names]);
      await hangUp(socket);
    });
  }
});

Deno.test("TlsListener does not ask for certificates without an authority", async () => {
  await using world = echo();
  const socket = await dial(world.port, { ...stranger });
  assert.equal(await said(socket, "hello"), "hello");
  assert.deepEqual(world.seen, [undefined]);
  await hangUp(socket);
});

Deno.test("TlsListener closes a handshake that takes too long, and nobody else notices", async () => {
  // Short only while nobody shakes hands who is to be served.
  let timeoutMs = PATIENCE_MS;
  const handshakeTimeoutMs = () => timeoutMs;
  await using world = echo(
    undefined,
    new TlsListener({ ...LOOPBACK, tls: server, handshakeTimeoutMs }),
  );
  const before = await dial(world.port);
  timeoutMs = SHORT_MS;
  const silent = net.connect({ host: "127.0.0.1", port: world.port });
  silent.on("error", () => {}).resume();
  await once(silent, "close");
  timeoutMs = PATIENCE_MS;
  assert.equal(await said(before, "still here"), "still here");
  const after = await dial(world.port);
  assert.equal(await said(after, "here too"), "here too");
  await hangUp(before);
  await hangUp(after);
});

Deno.test("TlsListener closes handshakes beyond its bound, and takes others again when some end", async () => {
  await using world = echo();
  const silent: net.Socket[] = [];
  const dialSilent = async () => {
    const socket = net.connect({ host: "127.0.0.1", port: world.port });
    socket.on("error", () => {}).resume();
    await once(socket, "connect");
    silent.push(socket);
  };
  // Shares fall as others come: one address alone gets no more than a part of the places.
  while (!silent.some(({ closed }) => closed)) {
    assert.ok(silent.length <= MAX_TLS_HANDSHAKES);
    await dialSilent();
  }
  for (const socket of silent) await hangUp(socket);
  const socket = await within("somebody to get in", tryUntilIn(world.port));
  assert.equal(await said(socket, "hello"), "hello");
  await hangUp(socket);
});

/** Places are free when the listener has seen that their peers are gone. */
async function tryUntilIn(port: number): Promise<tls.TLSSocket> {
  for (;;) {
    const socket = await dial(port).catch(() => undefined);
    if (socket !== undefined) return socket;
  }
}

for (const [kind, ca] of KINDS) {
  Deno.test(`${kind} speaks TLS 1.2 and 1.3, and nothing older`, async (t) => {
    await using world = echo(ca);
    for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
      await t.step(version, async () => {
        const socket = await dial(world.port, { minVersion: version, maxVersion: version });
        assert.equal(await said(socket, "hello"), "hello");
        await hangUp(socket);
      });
    }
    await t.step("TLS 1.1", async () => {
      // A hello of TLS 1.1, as bytes: the client library would not send one.
      const hello = "160302002f0100002b0302" + "00".repeat(32) + "00" + "0004002f0035" + "0100";
      const socket = net.connect({ host: "127.0.0.1", port: world.port });
      socket.write(Uint8Array.fromHex(hello));
      const [bytes] = await Promise.race([
        once(socket, "data"),
        once(socket, "close").then(() => []),
      ]);
      // Nothing, or an alert (21), but no server hello (22).
      if (bytes !== undefined) assert.equal((bytes as Uint8Array)[0], 21);
      await hangUp(socket);
    });
  });
}

Deno.test("TlsListener goes on, whatever strangers send", async () => {
  await using world = echo(known.cert);
  const hello = await recordedHello();
  for (let i = 0; i < 60; i++) {
    const socket = net.connect({ host: "127.0.0.1", port: world.port });
    socket.on("error", () => {});
    await once(socket, "connect");
    const kind = i % 6;
    if (kind === 0) socket.write(crypto.getRandomValues(new Uint8Array(1 + i * 40)));
    if (kind === 1) socket.write("GET / HTTP/1.1\r\n\r\n");
    if (kind === 2) socket.write(hello.subarray(0, 1 + i * 3));
    if (kind === 3) socket.write(hello.map((byte, at) => at === 5 + i ? byte ^ 0xff : byte));
    if (kind === 4) socket.write(hello);
    // kind 5 says nothing at all.
    if (i % 2 === 0) socket.end();
    else socket.resetAndDestroy();
    socket.destroy();
  }
  const socket = await dial(world.port, { ...known });
  assert.equal(await said(socket, "hello"), "hello");
  await hangUp(socket);
});

/** The first bytes of a TLS client. */
async function recordedHello(): Promise<Uint8Array> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepted = listener.accept();
  const socket = tls.connect({ host: "127.0.0.1", port: listener.addr.port });
  socket.on("error", () => {});
  using conn = await accepted;
  const buffer = new Uint8Array(4096);
  const n = await conn.read(buffer);
  await hangUp(socket);
  listener.close();
  return buffer.slice(0, n ?? 0);
}

Deno.test("TlsListener is not held up by peers that are gone before they are taken", async () => {
  const listen = Deno.listen;
  // With a pause for each, the one behind them would be served after a quarter of an hour.
  let gone = 10_000;
  const goneFirst = (options: Deno.TcpListenOptions) => {
    const listener = listen(options);
    const accept = listener.accept.bind(listener);
    listener.accept = () =>
      gone-- > 0 ? Promise.reject(new Deno.errors.NotConnected("gone")) : accept();
    return listener;
  };
  Deno.listen = goneFirst as typeof Deno.listen;
  await using echoing = await Promise.try(echo, known.cert).finally(() => Deno.listen = listen);
  const socket = await dial(echoing.port);
  assert.equal(await said(socket, "still here"), "still here");
  await hangUp(socket);
});

Deno.test("TlsListener says what is in the way", async () => {
  await using world = echo();
  const again = { ...LOOPBACK, port: world.port, tls: server };
  assert.throws(() => new TlsListener(again), Deno.errors.AddrInUse);
  const foreign = { ...LOOPBACK, hostname: "192.0.2.1", tls: server };
  assert.throws(() => new TlsListener(foreign), Deno.errors.AddrNotAvailable);
});
