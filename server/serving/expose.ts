/**
 * Makes a local gRPC server reachable as `server/upstream`: a tunnel of its own, whose bytes
 * are piped to that server. The hub speaks HTTP/2 with it directly.
 *
 *     hub ══ WebSocket ══ gserver ── TCP, unix socket, TLS ── upstream
 *
 * The upstream is connected first, and its name registered then: a name that is at the hub has
 * somebody behind it. When the upstream ends the connection in good order (gRPC servers do so by age
 * or idleness), the next one is made before this one goes:
 *
 *     upstream ──GOAWAY──▶ gserver ──GOAWAY "renewing"──▶ hub: calls wait for the new tunnel
 *                          a new connection, a new tunnel ──▶ hub: they go there
 *     upstream ──PING────▶ held until all that the hub had sent is here, then answered: only now the
 *                          upstream draws the line that says which calls it takes (RFC 9113 §6.8)
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { Transform } from "node:stream";
import { CloseCode } from "../../shared/websocket/close_codes.ts";
import { ErrorCode, FrameType, MAX_STREAM_ID } from "../../shared/http2/frames.ts";
import { goawayFrame, Http2Scan, pingFrame } from "../../shared/http2/scan/http2_scan.ts";
import type { OpenSocket } from "../dial/dial.ts";
import type { HeartbeatNumbers } from "../tunnel/heartbeat.ts";
import type { Guarded } from "../policy/guard.ts";
import { type CallJudge, policyJudge, trustingJudge, withToken } from "../policy/call_judge.ts";
import { PrefaceCheck } from "../policy/preface_check.ts";
import { numberFrame, UpstreamGate } from "../policy/upstream_gate.ts";
import { ServerTunnel } from "../tunnel/tunnel.ts";
import type { ExposedUpstream } from "../upstream/upstream.ts";
import type { UpstreamConnection } from "../upstream/upstream_dial.ts";

/** A tunnel whose upstream has gone in good order stays this long, for the one that takes its place. */
const SUCCESSION_MS = 5_000;

/** Options of {@linkcode attachUpstream}. */
export interface AttachUpstreamOptions {
  readonly upstream: ExposedUpstream;
  readonly connection: UpstreamConnection;
  readonly numbers: HeartbeatNumbers;
  /** The server's own policy, if it has one. */
  readonly guarded?: Guarded | undefined;
}

/** Pipes a tunnel to its upstream. */
export function attachUpstream(
  open: OpenSocket,
  { upstream, connection: { socket, token }, numbers, guarded }: AttachUpstreamOptions,
): ServerTunnel {
  const judge = withToken(
    guarded === undefined ? trustingJudge : policyJudge(guarded, upstream.name),
    token,
  );
  const gate = judge === trustingJudge ? undefined : gateOf(judge, () => tunnel);
  let isGone = false;
  const tunnel: ServerTunnel = new ServerTunnel(open, {
    numbers,
    dropGoaway: false,
    inbound: gate ?? new PrefaceCheck((why) => breakOff(tunnel, why)),
    onOutbound: (head) => gate?.fromUpstream(head),
    onInbound: ({ type, streamId }) => {
      // It crossed our word that no more calls come here: certainly nobody has looked at it.
      if (!isGone || type !== FrameType.HEADERS) return;
      tunnel.send(numberFrame(FrameType.RST_STREAM, streamId, ErrorCode.REFUSED_STREAM));
    },
  });
  if (gate !== undefined) void tunnel.closed.then(() => gate[Symbol.dispose]());
  void tunnel.closed.then(() => socket.destroy());
  const goodbye = new Goodbye(tunnel);
  socket.pipe(goodbye).pipe(tunnel.stream);
  tunnel.stream.pipe(socket);
  const name = `Upstream "${upstream.name}"`;
  const ended = () => {
    isGone = true;
    if (!goodbye.isOrderly || tunnel.calls.count > 0) return tunnel.close(`${name} closed`);
    tunnel.stream.unpipe(socket).resume();
    // Calls that are not here yet: they find the next tunnel, as long as this one is seen to renew.
    const timer = setTimeout(() => tunnel.close(`${name} closed`), SUCCESSION_MS);
    void tunnel.closed.then(() => clearTimeout(timer));
  };
  // All that the upstream sent is on its way when the stream has finished.
  tunnel.stream.once("finish", ended);
  socket.once("close", (hadError: boolean) => {
    if (hadError) tunnel.close(`${name} closed`);
    else if (!goodbye.writableEnded) goodbye.end();
  });
  return tunnel;
}

function gateOf(judge: CallJudge, tunnel: () => ServerTunnel): UpstreamGate {
  return new UpstreamGate({
    judge,
    toHub: (frame) => tunnel().send(frame),
    toUpstream: (frame) => tunnel().stream.push(frame),
    onBroken: (why) => breakOff(tunnel(), why),
  });
}

function breakOff(tunnel: ServerTunnel, why: string): void {
  tunnel.close(`The hub broke HTTP/2: ${why}`, CloseCode.PROTOCOL_ERROR);
}

/** Bytes of the upstream on their way to the hub, but for its goodbye: see the module's head. */
class Goodbye extends Transform {
  readonly #tunnel: ServerTunnel;
  readonly #scan: Http2Scan;
  /** The upstream said that it leaves, and nothing was wrong. */
  isOrderly = false;
  #gaveWay = false;
  #heldPing: Uint8Array | undefined;

  constructor(tunnel: ServerTunnel) {
    super();
    this.#tunnel = tunnel;
    this.#scan = new Http2Scan({
      fromClient: false,
      dropGoaway: true,
      onGoaway: (lastId, code) => this.#leave(lastId, code),
      takesPing: () => this.isOrderly && !this.#gaveWay,
      onPing: (payload) => this.#heldPing = payload,
    });
  }

  #leave(lastId: number, code: number): void {
    const first = !this.isOrderly;
    // grpc-core ends an idle connection by INTERNAL_ERROR ("enter idle").
    const isIdle = code === ErrorCode.INTERNAL_ERROR && this.#tunnel.calls.count === 0;
    if (!first || (code !== ErrorCode.NO_ERROR && !isIdle)) {
      // The line is drawn, or something is wrong: the hub says so to whom it concerns.
      return this.#tunnel.send(goawayFrame(lastId, { code }));
    }
    this.isOrderly = true;
    void this.#tunnel.giveWay().then(() => {
      this.#gaveWay = true;
      // An upstream that draws the line in its first word.
      if (lastId < MAX_STREAM_ID) this.#tunnel.send(goawayFrame(lastId));
      if (this.#heldPing !== undefined) this.#tunnel.send(pingFrame(this.#heldPing));
    });
  }

  override _transform(chunk: Buffer, _encoding: string, done: () => void): void {
    for (const piece of this.#scan.pass(chunk)) this.push(piece);
    done();
  }
}
