import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
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

  /** The next that dials. */
  async accept(): Promise<PeerConn> {
    const near = await this.#listener.accept();
    this.#conns.push(near);
    return near;
  }

  async open(): Promise<Pair> {
    const accepted = this.accept();
    const tcp = await Deno.connect({ hostname: "127.0.0.1", port: this.port });
    tcp.setNoDelay(true);
    const farPort = (tcp.localAddr as Deno.NetAddr).port;
    const far = await Deno.startTls(tcp, { hostname: "localhost", caCerts: [pair.cert] });
    await far.handshake();
    const near = await accepted;
    this.#conns.push(far);
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
  near.setNoDelay?.();
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

Deno.test("every byte comes through TLS in its place, whatever is written and read at once", async () => {
  await using pairs = new Pairs();
  const { near, far } = await pairs.open();
  // Around the sizes of a small read, a record, a read of several, and what is encrypted at once.
  const sizes = [1, 700, 1 << 10, 16 << 10, (16 << 10) + 1, 33_333, 48 << 10, 64 << 10, 200_000];
  const bytes = Uint8Array.from({ length: 3 << 20 }, (_, i) => (i * 2_654_435_761) >>> 24);
  const send = async (conn: Pick<PeerConn, "write">) => {
    for (let at = 0, i = 0; at < bytes.length; i++) {
      const size = sizes[(i * 7 + 3) % sizes.length]!;
      await writeAll(conn, bytes.subarray(at, at += size));
    }
  };
  const receive = async (conn: Pick<PeerConn, "read">) => {
    for (let at = 0, i = 0; at < bytes.length; i++) {
      const into = new Uint8Array(sizes[(i * 5 + 1) % sizes.length]!);
      const n = await conn.read(into) ?? 0;
      assert.ok(n > 0 && n <= into.length, `${n} of ${into.length} bytes were read`);
      if (Buffer.compare(into.subarray(0, n), bytes.subarray(at, at + n)) !== 0) {
        assert.fail(`Other bytes came at ${at}`);
      }
      at += n;
    }
  };
  await Promise.all([send(near), receive(far), send(far), receive(near)]);
});

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

Deno.test("a peer with TLS may change its keys, and the hub then changes its own", async () => {
  await using pairs = new Pairs();
  const accepted = pairs.accept();
  const client = new Deno.Command("openssl", {
    args: ["s_client", "-connect", `127.0.0.1:${pairs.port}`, "-tls1_3", "-msg"],
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const near = await accepted;
  const writer = client.stdin.getWriter();
  const say = (text: string) => writer.write(new TextEncoder().encode(text));
  const buffer = new Uint8Array(5);
  // "K" alone on a line: new keys, and the peer's new keys too; what follows is said with them.
  await say("K\n");
  let said = "";
  const reader = client.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const hear = async (what: RegExp) => {
    while (!what.test(said)) said += (await reader.read()).value ?? assert.fail(said);
  };
  await hear(/>>> TLS 1\.3, Handshake [^\n]*KeyUpdate/);
  await say("sent\n");
  assert.equal(
    new TextDecoder().decode(buffer.subarray(0, await near.read(buffer) ?? 0)),
    "sent\n",
  );
  await near.write(new TextEncoder().encode("answer"));
  await hear(/<<< TLS 1\.3, Handshake [^\n]*KeyUpdate[^]*answer/);
  await writer.close();
  await reader.cancel();
  client.kill();
  await client.status;
});
