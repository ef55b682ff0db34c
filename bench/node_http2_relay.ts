/**
 * A baseline for benches: the plainest hub that `node:http2` allows, over the same wire.
 *
 *     caller ── HTTP/2 ──▶ http2.createServer ─▶ http2.connect over the server's WebSocket
 *
 * It knows names and headers, copies each stream through two full HTTP/2 stacks, and has none
 * of a hub's care: no auth, no bounds, no liveness. Not part of the product.
 *
 * @module
 */
import http from "node:http";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { createWebSocketStream, type WebSocket, WebSocketServer } from "../shared/websocket/ws.ts";

/** Bytes that a bridge holds before it stops reading or writing. */
const BRIDGE_BYTES = 1 << 20;
/** Stream and connection windows, as large as the hub's. */
const WINDOW = 4 << 20;
const HOST = "127.0.0.1";
/** Fields that belong to one connection, or that `node:http2` sets by itself. */
const HOP_FIELDS = [":scheme", ":authority", "date"];

const tunnels = new Map<string, http2.ClientHttp2Session>();

const tunnelServer = http.createServer();
tunnelServer.on("connection", (socket) => socket.setNoDelay(true));
const webSockets = new WebSocketServer({ server: tunnelServer, perMessageDeflate: false });
webSockets.on("connection", (socket: WebSocket, request: http.IncomingMessage) => {
  const duplex = createWebSocketStream(socket, { highWaterMark: BRIDGE_BYTES });
  const session = http2.connect("http://server", {
    createConnection: () => duplex,
    settings: { initialWindowSize: WINDOW },
  });
  session.on("connect", () => session.setLocalWindowSize(WINDOW * 4));
  session.on("error", () => {});
  tunnels.set(String(request.headers["x-hub-meta-name"]), session);
});

const callServer = http2.createServer({ settings: { initialWindowSize: WINDOW } });
callServer.on("connection", (socket) => socket.setNoDelay(true));
callServer.on("session", (session) => session.setLocalWindowSize(WINDOW * 4));
callServer.on("stream", (stream, fields) => {
  const down = stream as http2.ServerHttp2Stream;
  const tunnel = tunnels.get(String(fields["x-hub-server"]));
  if (tunnel === undefined) {
    down.respond({ "content-type": "application/grpc", "grpc-status": "5" }, { endStream: true });
    return;
  }
  const up = tunnel.request(without(fields), { endStream: false });
  down.pipe(up);
  let trailers: http2.OutgoingHttpHeaders = {};
  up.on("response", (head, flags) => {
    if (flags & http2.constants.NGHTTP2_FLAG_END_STREAM) {
      down.respond(without(head), { endStream: true });
      return;
    }
    down.respond(without(head), { waitForTrailers: true });
    down.on("wantTrailers", () => down.sendTrailers(trailers));
    up.pipe(down);
  });
  up.on("trailers", (fields) => trailers = without(fields));
  up.on("error", () => down.close(http2.constants.NGHTTP2_INTERNAL_ERROR));
  down.on("error", () => up.close(http2.constants.NGHTTP2_CANCEL));
  down.on("close", () => up.close(http2.constants.NGHTTP2_CANCEL));
});

function without(fields: http2.IncomingHttpHeaders): http2.OutgoingHttpHeaders {
  const kept = Object.entries(fields).filter(([name]) => !HOP_FIELDS.includes(name));
  return Object.fromEntries(kept);
}

tunnelServer.listen(0, HOST, () => {
  callServer.listen(0, HOST, () => {
    const [tunnel, call] = [tunnelServer, callServer].map((server) =>
      `${HOST}:${(server.address() as AddressInfo).port}`
    );
    console.log(`relay ready tunnel=ws://${tunnel}/ws call=${call}`);
  });
});
