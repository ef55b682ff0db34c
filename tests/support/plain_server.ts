/**
 * A server that knows nothing of hubs but the way in: an ordinary gRPC server with Echo on a
 * WebSocket, as a stranger would write it from docs/protocol.md.
 *
 *     deno run -A tests/support/plain_server.ts serve NAME --hub-uri URI
 *
 * Prints gserver's ready line. It dials once: when the tunnel ends, so does the process.
 *
 * @module
 */
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { parseArgs } from "node:util";
import { createWebSocketStream, WebSocket } from "../../shared/websocket/ws.ts";
import { addEcho } from "./echo.ts";

const { positionals: [, name = ""], values: { "hub-uri": uri = "" } } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  strict: false,
  options: { "hub-uri": { type: "string" }, "state-dir": { type: "string" } },
});

const server = new Server({ "grpc.max_receive_message_length": -1 });
addEcho(server);
const injector = server.createConnectionInjector(ServerCredentials.createInsecure());

const socket = new WebSocket(String(uri), {
  headers: { "x-hub-meta-name": name },
  perMessageDeflate: false,
});
socket.once("upgrade", ({ socket }) => socket.setNoDelay(true));
socket.on("error", (error) => console.error(error));
socket.once("close", () => Deno.exit(0));
socket.once("open", () => console.log(`gserver ready server=${name} hub=${uri}`));
// Before it is open: the hub's first bytes come in the same turn as the upgrade.
injector.injectConnection(createWebSocketStream(socket));
