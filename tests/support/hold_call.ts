/**
 * Holds a call open at a hub, and tells when the hub begins to drain:
 *
 *     deno run -A hold_call.ts 127.0.0.1:9090 reflect     →  holding ⏎ draining ⏎
 *
 * `reflect` is a call that only its caller can end, `watch` one that the hub ends when it drains.
 * It stays until SIGTERM, also when the hub is gone.
 *
 * @module
 */
import http2 from "node:http2";
import net from "node:net";
import { FilteredSocket } from "../../shared/http2/testing/filtered_socket.ts";
import { GoawayFilter } from "../../shared/http2/testing/goaway_filter.ts";

const PATHS: Record<string, string> = {
  reflect: "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
  watch: "/ghub.v1.Hub/WatchActivity",
};

const [address, kind = ""] = Deno.args;
const { hostname, port } = new URL(`tcp://${address}`);
const filter = new GoawayFilter();
let draining = false;
const socket = new FilteredSocket(net.connect({ host: hostname, port: Number(port) }), {
  receive(bytes) {
    const pieces = filter.receive(bytes);
    if (filter.leaving && !draining) console.log("draining");
    draining = filter.leaving;
    return pieces;
  },
  send: (bytes) => filter.send(bytes),
});
const session = http2.connect("http://hub", { createConnection: () => socket });
session.on("error", () => {});

function call(path: string): http2.ClientHttp2Stream {
  const stream = session.request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    "te": "trailers",
  }, { endStream: false });
  stream.on("error", () => {});
  stream.on("data", () => {});
  return stream;
}

/** A gRPC message without content. */
const EMPTY = new Uint8Array(5);

const held = call(PATHS[kind] ?? "");
if (kind === "watch") held.end(EMPTY);
// Calls are taken in their order: when this one is done, the other one is under way.
const list = call("/ghub.v1.Hub/ListServers");
list.on("end", () => console.log("holding"));
list.end(EMPTY);

const alive = setInterval(() => {}, 1_000_000);
Deno.addSignalListener("SIGTERM", () => {
  clearInterval(alive);
  Deno.exit(0);
});
