/**
 * A caller's connection without its GOAWAY frames: they can abort a Deno process that serves
 * `node:http2` (docs/decisions/0009), and with it a test that has nothing to do with that.
 *
 * @module
 */
import type net from "node:net";
import { FilteredSocket } from "../../client/filtered_socket.ts";
import { Http2Scan } from "../../shared/http2/http2_scan.ts";

/** The connection as a stream for a gRPC server's connection injector. */
export function withoutGoaway(socket: net.Socket): FilteredSocket {
  const scan = new Http2Scan({ fromClient: true, dropGoaway: true });
  return new FilteredSocket(socket, { receive: (bytes) => scan.pass(bytes), send: () => [] });
}
