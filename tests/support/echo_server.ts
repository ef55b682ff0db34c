/**
 * A process that serves Echo on a port of its own, without any hub.
 *
 * Prints `echo ready address=127.0.0.1:PORT` and serves until SIGTERM.
 *
 * @module
 */
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { promisify } from "node:util";
import { addEcho } from "./echo.ts";

const server = new Server({ "grpc.max_receive_message_length": -1 });
addEcho(server);
const bind = promisify(server.bindAsync.bind(server));
const port = await bind("127.0.0.1:0", ServerCredentials.createInsecure());
console.log(`echo ready address=127.0.0.1:${port}`);
Deno.addSignalListener("SIGTERM", () => {
  server.forceShutdown();
  Deno.exit(0);
});
