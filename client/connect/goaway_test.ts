/**
 * GOAWAY while a call is in flight: the call ends as the other side ended it (docs/decisions/0009).
 *
 * Between gclient and the scripted hub stands a relay that puts GOAWAY frames between two others.
 */
import assert from "node:assert/strict";
import type { Buffer } from "node:buffer";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { Flag, FrameType, MAX_STREAM_ID } from "../../shared/http2/frames.ts";
import { goawayFrame, Http2Scan } from "../../shared/http2/scan/http2_scan.ts";
import { type CertificatePair, generateCertificate } from "../../shared/tls/generate.ts";
import { type FakeHub, runClient, startFakeHub } from "../testing/fake_hub.ts";

/** Enough that what happens to every second one does happen. */
const CALLS = 8;

/** What follows a request: last ids of GOAWAY frames, made of the request's own. */
type Goaways = (streamId: number) => readonly number[];

interface Relay extends AsyncDisposable {
  readonly address: string;
  /** Connections that were made. */
  readonly connections: () => number;
}

interface RelayOptions {
  readonly hub: FakeHub;
  readonly goaways: Goaways;
  /** Called when they are sent. */
  readonly onSent?: () => void;
  readonly certificate?: CertificatePair;
  /** Does the JSON handshake first. @default false */
  readonly raw?: boolean;
}

async function startRelay(options: RelayOptions): Promise<Relay> {
  const { hub, goaways, onSent = () => {}, certificate, raw = false } = options;
  const sockets = new Set<Socket>();
  let connections = 0;
  const serve = (socket: Socket) => {
    connections += 1;
    const upstream = connect(hub.port, "127.0.0.1");
    let due: number[] | undefined;
    const toClient = new Http2Scan({ fromClient: false });
    const sendDue = () => {
      if (due === undefined || !toClient.atBorder) return;
      for (const last of due) socket.write(goawayFrame(last));
      due = undefined;
      onSent();
    };
    const toHub = new Http2Scan({
      fromClient: true,
      onFrame: ({ type, flags, streamId }) => {
        if (type === FrameType.DATA && (flags & Flag.END_STREAM) !== 0) {
          due = [...goaways(streamId)];
        }
      },
    });
    let shaken = !raw;
    // The hub's SETTINGS do not wait for a request, and must not come before the handshake's answer.
    if (raw) upstream.pause();
    for (const each of [socket, upstream]) {
      sockets.add(each);
      each.on("error", () => {});
      each.on("close", () => [socket, upstream].forEach((other) => other.destroy()));
    }
    socket.on("data", (bytes: Buffer) => {
      if (!shaken) {
        shaken = true;
        socket.write('{"ok":true,"server":"edge-1","tunnel":"t1"}\n');
        return void upstream.resume();
      }
      toHub.pass(bytes);
      upstream.write(bytes);
      sendDue();
    });
    upstream.on("data", (bytes: Buffer) => {
      toClient.pass(bytes);
      socket.write(bytes);
      sendDue();
    });
  };
  const server: Server = certificate === undefined
    ? createServer(serve)
    : createTlsServer({ ...certificate, ALPNProtocols: ["h2"] }, serve);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    connections: () => connections,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const ALLOWED: Readonly<Record<string, Goaways>> = {
  "the largest id": () => [MAX_STREAM_ID],
  "the exact id": (id) => [id],
  "first the largest, then the exact id": (id) => [MAX_STREAM_ID, id],
};

Deno.test("a call in flight ends as the server ends it, whatever the hub's GOAWAY says", async (t) => {
  const certificate = await generateCertificate(["127.0.0.1"]);
  const ways: readonly (readonly [name: string, flags: string[], relay: Partial<RelayOptions>])[] =
    [
      ["plain", [], {}],
      ["TLS", ["--tls-insecure-skip-verify"], { certificate }],
      ["raw", ["--raw"], { raw: true }],
    ];
  for (const [way, flags, how] of ways) {
    for (const [name, goaways] of Object.entries(ALLOWED)) {
      await t.step(`${way}, ${name}`, async () => {
        await using hub = await startFakeHub();
        const { promise: sent, resolve: onSent } = Promise.withResolvers<void>();
        hub.script.before = () => sent;
        hub.script.restart = { status: "FAILED_STOPPED", failure: { reason: "EXITED" } };
        await using relay = await startRelay({ hub, goaways, onSent, ...how });
        for (let i = 0; i < CALLS; i++) {
          const args = ["fluentd", "restart", "edge-1", "-n", "-s", relay.address, ...flags];
          const { code, out } = await runClient(args);
          assert.equal(code, 3);
          assert.equal(JSON.parse(out).failure.reason, "EXITED");
        }
      });
    }
  }
});

Deno.test("a stream in flight loses nothing of its end", async (t) => {
  const EVENTS = 3000;
  for (const [name, goaways] of Object.entries(ALLOWED)) {
    await t.step(name, async () => {
      await using hub = await startFakeHub();
      hub.script.activity = async function* () {
        for (let seq = 1; seq <= EVENTS; seq++) yield { seq, reason: "x".repeat(500) };
      };
      await using relay = await startRelay({ hub, goaways });
      const { code, out, err } = await runClient(["hub", "activity", "-n", "-s", relay.address]);
      assert.deepEqual([code, err], [0, ""]);
      assert.equal(out.trimEnd().split("\n").length, EVENTS);
    });
  }
});

Deno.test("a call that the hub did not look at was not delivered, and may be repeated", async (t) => {
  const never: Goaways = () => [0];
  await t.step("without --retry", async () => {
    await using hub = await startFakeHub();
    hub.script.before = (signal) =>
      new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
    await using relay = await startRelay({ hub, goaways: never });
    const args = ["fluentd", "restart", "edge-1", "-n", "-s", relay.address];
    const { code, err } = await runClient(args);
    assert.equal(code, 78);
    assert.equal(
      err,
      `error: fluentd.restart on edge-1: UNAVAILABLE: The hub is shutting down: it did not take the call
  The call was not delivered: nothing was done
hint: --retry 5 tries until it is back
`,
    );
  });
  await t.step("with --retry", async () => {
    await using hub = await startFakeHub();
    let refusals = 0;
    await using relay = await startRelay({
      hub,
      goaways: (id) => refusals++ === 0 ? [0] : [id],
    });
    const args = ["fluentd", "restart", "edge-1", "-n", "-s", relay.address, "--retry", "5"];
    const { code, err } = await runClient(args);
    assert.equal(code, 0);
    assert.match(err, /^warning: The hub is shutting down.*; trying again in \d+ ms\n$/);
    assert.equal(relay.connections(), 2);
  });
});
