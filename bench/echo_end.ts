/**
 * The server of a bench: a lean Echo that listens for direct connections and dials hubs.
 *
 *     deno run -A bench/echo_end.ts NAME=URI …
 *
 * Prints `echo ready address=127.0.0.1:PORT` when it is registered everywhere.
 *
 * @module
 */
import { serveEcho } from "./lean/echo.ts";
import { tcpWire } from "./lean/wire.ts";
import { dialTunnel } from "./lean/tunnel.ts";

const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
for (const hub of Deno.args) {
  const at = hub.indexOf("=");
  const peer = serveEcho(await dialTunnel(hub.slice(at + 1), hub.slice(0, at)));
  peer.ended.then(() => Deno.exit(0), (error) => {
    console.error(error);
    Deno.exit(1);
  });
}
console.log(`echo ready address=127.0.0.1:${listener.addr.port}`);
for await (const connection of listener) {
  serveEcho(tcpWire(connection)).ended.catch((error) => console.error(error));
}
