/**
 * A process that serves Echo on a port of its own, without any hub.
 *
 * Prints `echo ready address=127.0.0.1:PORT` and serves until SIGTERM.
 *
 * @module
 */
import { Server, ServerCredentials } from "@grpc/grpc-js";
import net from "node:net";
import { addEcho } from "./echo.ts";
import { withoutGoaway } from "./without_goaway.ts";

const server = new Server({ "grpc.max_receive_message_length": -1 });
addEcho(server);
const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
const listener = net.createServer(
  { noDelay: true, allowHalfOpen: true },
  (socket) => injector.injectConnection(withoutGoaway(socket)),
);
listener.listen(0, "127.0.0.1", () => {
  const { port } = listener.address() as net.AddressInfo;
  console.log(`echo ready address=127.0.0.1:${port}`);
});
Deno.addSignalListener("SIGTERM", () => Deno.exit(0));
