/**
 * A process that serves Echo by the gRPC server of this project, on a port of its own.
 *
 * Prints `echo ready address=127.0.0.1:PORT` and serves until SIGTERM.
 *
 * @module
 */
import { GrpcServer } from "../../shared/grpc_server/server.ts";
import { serveTcp } from "../../shared/grpc_server/testing/serve_tcp.ts";
import { addOwnEcho } from "./own_echo.ts";

const server = new GrpcServer({ maxMessageBytes: 64 << 20 });
addOwnEcho(server);
console.log(`echo ready address=${serveTcp(server).address}`);
Deno.addSignalListener("SIGTERM", () => Deno.exit(0));
