/**
 * A connection without the GOAWAY frames of its peer: they can abort a Deno process that speaks
 * `node:http2` (docs/decisions/0009), and with it a test that has nothing to do with that.
 *
 * @module
 */
import type net from "node:net";
import { FilteredSocket } from "../../shared/http2/testing/filtered_socket.ts";
import { Http2Scan } from "../../shared/http2/scan/http2_scan.ts";

/**
 * The connection as a stream, for a gRPC server's connection injector or for `http2.connect()`.
 *
 * @param peer Who is at the other end.
 */
export function withoutGoaway(
  socket: net.Socket,
  peer: "client" | "server" = "client",
): FilteredSocket {
  const scan = new Http2Scan({ fromClient: peer === "client", dropGoaway: true });
  return new FilteredSocket(socket, { receive: (bytes) => scan.pass(bytes), send: () => [] });
}
