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

const PATHS: Record<string, string> = {
  reflect: "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
  watch: "/ghub.v1.Hub/WatchActivity",
};

const [address, kind = ""] = Deno.args;
const session = http2.connect(`http://${address}`);
session.on("error", () => {});
session.on("goaway", () => console.log("draining"));

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
