import assert from "node:assert/strict";
import { generateCertificate } from "../../shared/tls/generate.ts";
import { hasTool, run } from "../../tests/support/executable.ts";
import { listen } from "./listen.ts";
import { closeQuietly, type PeerConn, writeAll } from "./peer.ts";

const pair = await generateCertificate(["localhost", "127.0.0.1"]);
/** Tells how many segments the kernel has sent. */
const HAS_SS = Deno.build.os === "linux" && await hasTool("ss");
if (!HAS_SS) {
  console.warn("SKIPPED: a test of hub/net/tls_conn_test.ts needs ss (Debian: iproute2)");
}
const PIECE = new Uint8Array(64 << 10);
/** More than all buffers of two machines and two kernels take. */
const FLOOD_BYTES = 128 << 20;
/** What may be under way when one end does not read: kernels take some megabytes on loopback. */
const MAX_UNDER_WAY = 32 << 20;

/** A connection to a listener of the hub. */
interface Pair {
  /** The hub's end. */
  readonly near: PeerConn;
  /** By Deno's own TLS: Node's, as a client, reads on when it is paused (Deno 2.9.6). */
  readonly far: Deno.TlsConn;
  readonly farPort: number;
}

/** A listener of the hub, and connections to it. */
class Pairs implements AsyncDisposable {
  readonly #listener = listen({
    hostname: "127.0.0.1",
    port: 0,
    tls: pair,
    alpn: ["h2"],
    flag: "--call-listen",
  });
  readonly #conns: { close(): void }[] = [];

  get port(): number {
    return (this.#listener.addr as Deno.NetAddr).port;
  }

  async open(): Promise<Pair> {
    const accepted = this.#listener.accept();
    const tcp = await Deno.connect({ hostname: "127.0.0.1", port: this.port });
    tcp.setNoDelay(true);
    const farPort = (tcp.localAddr as Deno.NetAddr).port;
    const far = await Deno.startTls(tcp, { hostname: "localhost", caCerts: [pair.cert] });
    await far.handshake();
    const near = await accepted;
    this.#conns.push(near, far);
    return { near, far, farPort };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const conn of this.#conns) closeQuietly(conn);
    this.#listener.close();
    await this.#listener.accept().catch(() => {});
  }
}

/** Turns of the event loop in which others get something done: whoever does not wait goes far. */
async function turns({ near, far }: Pair, count: number): Promise<void> {
  const buffer = new Uint8Array(16);
  for (let i = 0; i < count; i++) {
    await far.write(buffer.subarray(0, 4));
    await near.read(buffer);
    await near.write(buffer.subarray(0, 4));
    await far.read(buffer);
  }
}

/** Looks until a count stands still. */
async function settled(count: () => number, other: Pair): Promise<number> {
  for (let last = -1; last !== count();) {
    last = count();
    await turns(other, 50);
  }
  return count();
}

async function readBytes(conn: Pick<PeerConn, "read">, bytes: number): Promise<void> {
  const buffer = new Uint8Array(64 << 10);
  for (let left = bytes; left > 0;) left -= await conn.read(buffer) ?? left;
}

Deno.test("A2: small writes with TLS do not wait for the peer to acknowledge those before", {
  ignore: !HAS_SS,
}, async () => {
  await using pairs = new Pairs();
  const { near, far, farPort } = await pairs.open();
  // As the hub's listeners do; what Deno.listenTls gave had no such method.
  near.setNoDelay?.(true);
  const [rounds, pieces] = [30, 3];
  const small = new Uint8Array(20);
  const before = await segmentsFrom(pairs.port, farPort);
  for (let i = 0; i < rounds; i++) {
    for (let piece = 0; piece < pieces; piece++) await near.write(small);
    // The peer has nothing to say in between, and so acknowledges late; then it says something.
    await readBytes(far, pieces * small.length);
    await far.write(small);
    await readBytes(near, small.length);
  }
  const sent = await segmentsFrom(pairs.port, farPort) - before;
  // Held back by Nagle's algorithm, the second and the third piece leave in one segment.
  assert.ok(sent > rounds * (pieces - 0.5), `${sent} segments for ${rounds} × ${pieces} writes`);
});

/** Segments with data that the kernel has sent from a local port to another. */
async function segmentsFrom(port: number, to: number): Promise<number> {
  const { stdout } = await run("ss", ["-tinH", `sport = :${port} and dport = :${to}`]);
  return Number(/data_segs_out:(\d+)/.exec(stdout)?.[1] ?? 0);
}

Deno.test("a write with TLS waits for a peer that does not read", async () => {
  await using pairs = new Pairs();
  const { near, far } = await pairs.open();
  let written = 0;
  const flooding = (async () => {
    while (written < FLOOD_BYTES) written += await near.write(PIECE);
  })();
  const underWay = await settled(() => written, await pairs.open());
  assert.ok(underWay < MAX_UNDER_WAY, `${underWay} bytes are under way`);
  await readBytes(far, FLOOD_BYTES);
  await flooding;
});

Deno.test("a peer with TLS that is not read is held up", async () => {
  await using pairs = new Pairs();
  const { near, far } = await pairs.open();
  let sent = 0;
  const flooding = (async () => {
    while (sent < FLOOD_BYTES) sent += await far.write(PIECE);
  })();
  const underWay = await settled(() => sent, await pairs.open());
  assert.ok(underWay < MAX_UNDER_WAY, `${underWay} bytes are under way`);
  await readBytes(near, FLOOD_BYTES);
  await flooding;
});

Deno.test("the end of a peer with TLS is seen behind all that it sent, also after a pause", async () => {
  await using pairs = new Pairs();
  const { near, far } = await pairs.open();
  const bytes = 1 << 20;
  const sending = writeAll(far, new Uint8Array(bytes)).then(() => far.closeWrite());
  await turns(await pairs.open(), 20);
  await readBytes(near, bytes);
  await sending;
  assert.equal(await near.read(new Uint8Array(1)), null);
  // The other half is still good.
  await near.write(PIECE.subarray(0, 5));
  await readBytes(far, 5);
});
