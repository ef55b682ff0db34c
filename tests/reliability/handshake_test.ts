/**
 * Beginnings that go wrong: rows 6, 16, 17 and 18 of docs/reliability.md.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { once } from "node:events";
import net from "node:net";
import { dial } from "../../server/dial/dial.ts";
import { DialError } from "../../server/dial/dial_error.ts";
import { VERSION } from "../../shared/version.ts";
import { openFiles, reached } from "../support/facts.ts";
import { FaultyLink } from "../support/faulty_link.ts";
import { dialTcp } from "../support/path.ts";
import { commandLine, Process, source } from "../support/process.ts";
import { RawTunnel, upgradeRequest } from "../support/raw_tunnel.ts";
import { until, within } from "../support/until.ts";
import { World } from "../support/world.ts";

/** Connections at a time. */
const AT_ONCE = 16;

/** Does something with each item, a few at a time. */
async function each<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items];
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
  }));
}

/** An HTTP/2 preface, SETTINGS, and the HEADERS of a call, as a client sends them. */
const HTTP2_BEGINNING = Buffer.concat([
  Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
  // HEADERS on stream 1: literal :path and content-type (RFC 7541 §6.2.2).
  Buffer.from([0, 0, 26, 1, 4, 0, 0, 0, 1, 0x83, 0x86, 0x04, 4]),
  Buffer.from("/a/b"),
  Buffer.from([0x0f, 0x10, 16]),
  Buffer.from("application/grpc").subarray(0, 15),
]);

Deno.test("row 17, a peer that is gone at any byte of its handshake harms nobody", async (t) => {
  await using world = await World.start();
  const { host } = new URL(world.tunnelUri);
  const beginnings: [what: string, address: string, bytes: Buffer][] = [
    ["a tunnel's upgrade", host, upgradeRequest(world.tunnelUri, { name: "edge-2" })],
    ["a gRPC call", world.callAddress, HTTP2_BEGINNING],
    ["a JSON handshake", world.callAddress, Buffer.from('{"version":1,"server":"edge-1"}\n')],
    [
      "a CONNECT",
      world.callAddress,
      Buffer.from("CONNECT edge-1:443 HTTP/1.1\r\nHost: edge-1:443\r\n\r\n"),
    ],
  ];
  const before = openFiles(world.hub.pid);
  for (const [what, address, bytes] of beginnings) {
    const cuts = Array.from({ length: bytes.length + 1 }, (_, i) => i);
    await t.step(`${what}, by a reset`, () =>
      each(cuts, async (cut) => {
        const socket = await dialTcp(address);
        socket.on("error", () => {});
        const closed = new Promise((resolve) => socket.once("close", resolve));
        socket.write(bytes.subarray(0, cut), () => socket.resetAndDestroy());
        await within(`the end of ${what} cut at ${cut}`, closed);
      }));
    await t.step(`${what}, by an end`, () =>
      each(cuts, async (cut) => {
        const socket = await dialTcp(address);
        socket.on("error", () => {});
        const closed = new Promise((resolve) => socket.once("close", resolve));
        socket.resume();
        // Complete, it is a good connection that the hub keeps until its peer closes.
        if (cut === bytes.length) socket.destroy();
        else socket.end(bytes.subarray(0, cut));
        await within(`the end of ${what} cut at ${cut}`, closed);
      }));
  }
  await until(`as many open files as before: ${before}`, () => openFiles(world.hub.pid) <= before);
  await reached(world, "edge-1");
});

Deno.test("row 17, a hub that is gone at any byte of its answer is an error, and no more", async () => {
  await using world = await World.start({ servers: [] });
  const { host, protocol, pathname } = new URL(world.tunnelUri);
  using whole = await RawTunnel.open(world.tunnelUri, { name: "whole" });
  const length = whole.answer.indexOf("\r\n\r\n") + 4;
  const cuts = Array.from({ length }, (_, bytes) => bytes);
  await each(cuts, async (bytes) => {
    await using link = await FaultyLink.to(host, { cutAfter: { direction: "down", bytes } });
    const dialling = dial({
      hubUri: new URL(`${protocol}//${link.address}${pathname}`),
      registration: { name: `cut-${bytes}`, labels: {}, instance: "", version: VERSION },
    }, () => assert.fail(`a tunnel opened after ${bytes} bytes`));
    await assert.rejects(dialling, DialError);
  });
});

Deno.test("row 16, a handshake that never ends is ended, on each side", async () => {
  await using world = await World.start({ servers: [] });
  const { host } = new URL(world.tunnelUri);
  const request = upgradeRequest(world.tunnelUri, { name: "slow" });
  const starts: [address: string, bytes: Uint8Array][] = [
    [host, new Uint8Array()],
    [host, request.subarray(0, request.length - 2)],
    [world.callAddress, new Uint8Array()],
    [world.callAddress, Buffer.from("PRI * HT")],
    [world.callAddress, Buffer.from('{"version":1,')],
    [world.callAddress, Buffer.from("CONNECT edge-1:443 HTTP/1.1\r\n")],
  ];
  const silent = net.createServer((socket) => socket.on("error", () => {}).resume());
  silent.listen(0, "127.0.0.1");
  await once(silent, "listening");
  const { port } = silent.address() as net.AddressInfo;
  const server = world.spawnServer({
    name: "waits",
    hubUri: `ws://127.0.0.1:${port}/ws`,
    args: ["--handshake-timeout", "500ms"],
  });
  await Promise.all([
    ...starts.map(async ([address, bytes]) => {
      const socket = await dialTcp(address);
      socket.on("error", () => {});
      socket.resume();
      socket.write(bytes);
      await until("the hub to end an endless handshake", () => socket.readableEnded);
      socket.destroy();
    }),
    until("the server to give up", () => /did not answer within 500 ms/.test(server.stderr)),
  ]);
  await server.stop();
  const closed = once(silent, "close");
  silent.close();
  await closed;
});

Deno.test("row 18, out of file descriptors: the hub waits, and goes on when there are some", async () => {
  const dir = await Deno.makeTempDir({ prefix: "ghub-emfile-" });
  const listen = ["--tunnel-listen", "127.0.0.1:0", "--call-listen", "127.0.0.1:0"];
  const command = [...commandLine(source("hub/main.ts")), ...listen, "--state-dir", dir];
  {
    await using hub = Process.start("ghub", command[0]!, command.slice(1));
    const [, address = ""] = await hub.line(/^ghub ready tunnel=\S+ call=(\S+)/);
    // Only now: a hub that starts with so few shares them, so that there are always some left.
    const limited = await Process.output("prlimit", ["--pid", `${hub.pid}`, "--nofile=64:64"]);
    assert.equal(limited.code, 0, limited.stderr);
    const sockets = await Promise.all(Array.from({ length: 100 }, () => dialTcp(address)));
    for (const socket of sockets) socket.on("error", () => {});
    await until("accept to fail", () => /Cannot accept a connection/.test(hub.stderr));
    for (const socket of sockets) socket.destroy();
    const answer = await fetch(`http://${address}/`);
    assert.equal(answer.status, 426);
    await answer.body?.cancel();
    assert.deepEqual(await hub.stop(), { code: 0, signal: null });
  }
  await Deno.remove(dir, { recursive: true });
});

Deno.test("row 6, a storm of reconnects: so many per second, the others are told when", async () => {
  const perSecond = 20;
  await using world = await World.start({
    servers: [],
    hubArgs: ["--max-handshakes-per-second", `${perSecond}`],
  });
  const names = Array.from({ length: 5 * perSecond }, (_, i) => `storm-${i}`);
  const startedMs = performance.now();
  /** How long the storm took to break: a slow hub lets some more in meanwhile. */
  let stormS = 0;
  const admittedMs: number[] = [];
  const firstAnswers: (number | undefined)[] = [];
  const opened: RawTunnel[] = [];
  await Promise.all(names.map(async (name) => {
    for (let tries = 0;; tries++) {
      const tunnel = await RawTunnel.open(world.tunnelUri, { name });
      if (tries === 0) {
        firstAnswers.push(tunnel.retryAfterS);
        stormS = (performance.now() - startedMs) / 1_000;
      }
      if (tunnel.status === 101) {
        admittedMs.push(performance.now());
        opened.push(tunnel);
        return;
      }
      assert.equal(tunnel.status, 503, tunnel.answer);
      assert.match(tunnel.answer, /"message":"The hub opens at most 20 tunnels per second: come/);
      tunnel[Symbol.dispose]();
      const untilMs = performance.now() + tunnel.retryAfterS! * 1_000;
      await until(`the turn of "${name}"`, () => performance.now() >= untilMs);
    }
  }));
  const told = firstAnswers.filter((seconds) => seconds !== undefined);
  const waits = new Set(told);
  const within = `, within ${stormS} s`;
  assert.ok(
    told.length >= names.length - perSecond * (1 + stormS),
    `${told.length} were told${within}`,
  );
  assert.ok(
    waits.size >= Math.floor(told.length / perSecond - stormS),
    `${told.length} were told one of ${[...waits]} s${within}`,
  );
  for (const wait of waits) {
    const together = told.filter((seconds) => seconds === wait).length;
    assert.ok(
      together <= perSecond * (1 + stormS),
      `${together} were told to come in ${wait} s${within}`,
    );
  }
  // That no second has more is a test of Admission, by a clock of its own.
  assert.equal(admittedMs.length, names.length);
  for (const tunnel of opened) tunnel[Symbol.dispose]();
});
