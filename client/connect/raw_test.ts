import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { connect as connectTcp, createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { generateCertificate } from "../../shared/tls/generate.ts";
import { type FakeHub, runClient, startFakeHub } from "../testing/fake_hub.ts";

/** An HTTP/2 frame SETTINGS without settings: what a server may send before it was asked. */
const SETTINGS = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);

interface Peer extends AsyncDisposable {
  readonly address: string;
  /** First lines that came in. */
  readonly lines: string[];
}

interface PeerOptions {
  /** Sent after the first line. */
  readonly answer: string | Buffer;
  /** Where the connection leads then. */
  readonly hub: FakeHub;
  /** Sends the answer in pieces of this size. */
  readonly pieces?: number;
  readonly certificate?: { readonly cert: string; readonly key: string };
}

/** A scripted handshake, and a byte pipe behind it. */
async function startPeer({ answer, hub, pieces, certificate }: PeerOptions): Promise<Peer> {
  const lines: string[] = [];
  const sockets = new Set<Socket>();
  const serve = (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    let read = Buffer.alloc(0);
    const onData = async (chunk: Buffer) => {
      read = Buffer.concat([read, chunk]);
      const end = read.indexOf("\n");
      if (end < 0) return;
      socket.off("data", onData);
      lines.push(read.toString("utf8", 0, end));
      const bytes = Buffer.from(answer);
      const size = pieces ?? bytes.length;
      for (let i = 0; i < bytes.length; i += size) {
        await new Promise((resolve) => socket.write(bytes.subarray(i, i + size), resolve));
      }
      const upstream = connectTcp(hub.port, "127.0.0.1");
      sockets.add(upstream);
      upstream.on("error", () => socket.destroy());
      upstream.pipe(socket).pipe(upstream);
    };
    socket.on("data", onData);
  };
  const server: Server = certificate === undefined
    ? createServer(serve)
    : createTlsServer({ ...certificate, ALPNProtocols: ["h2"] }, (socket) => {
      // With ALPN h2 a hub would take the connection for a routed one.
      assert.equal(socket.alpnProtocol, false);
      serve(socket);
    });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  return {
    address: `127.0.0.1:${port}`,
    lines,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const OK = '{"ok":true,"server":"edge-1","tunnel":"t1"}\n';

Deno.test("--raw shakes hands and then speaks gRPC end to end", async (t) => {
  await using hub = await startFakeHub();
  const table: [name: string, options: Omit<PeerOptions, "hub">][] = [
    ["one piece", { answer: OK }],
    ["byte by byte", { answer: OK, pieces: 1 }],
    ["HTTP/2 behind the answer", { answer: Buffer.concat([Buffer.from(OK), SETTINGS]) }],
  ];
  for (const [name, options] of table) {
    await t.step(name, async () => {
      await using peer = await startPeer({ ...options, hub });
      const args = ["fluentd", "start", "edge-1", "--raw", "-n", "-s", peer.address];
      const { code, out, err } = await runClient(args, { env: { GCLIENT_TOKEN: "s3cret" } });
      assert.deepEqual([code, err], [0, ""]);
      assert.deepEqual(JSON.parse(out), { status: "SUCCESS" });
      assert.deepEqual(peer.lines, ['{"version":1,"server":"edge-1","token":"s3cret"}']);
      const { metadata } = hub.calls.pop()!;
      // The server must not see what was for the hub.
      assert.equal(metadata["authorization"], undefined);
      assert.equal(metadata["x-hub-server"], undefined);
    });
  }
  await t.step("over TLS, without ALPN", async () => {
    const certificate = await generateCertificate(["127.0.0.1", "localhost"]);
    await using peer = await startPeer({ answer: OK, hub, certificate });
    const ca = await Deno.makeTempFile({ suffix: ".pem" });
    try {
      await Deno.writeTextFile(ca, certificate.cert);
      const args = [
        "fluentd",
        "status",
        "-n",
        "--raw",
        "--tls-ca-cert-file",
        ca,
        "-s",
        peer.address,
      ];
      const { code, err } = await runClient(args);
      assert.deepEqual([code, err], [0, ""]);
      assert.deepEqual(peer.lines, ['{"version":1}']);
    } finally {
      await Deno.remove(ca);
    }
  });
});
