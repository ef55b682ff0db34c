/**
 * A caller's connection without its GOAWAY frames: they can abort a Deno process that serves
 * `node:http2` (docs/decisions/0009), and with it a test that has nothing to do with that.
 *
 * @module
 */
import type net from "node:net";
import { Duplex } from "node:stream";
import { Http2Scan } from "../../shared/http2/http2_scan.ts";

/** The connection as a stream for a gRPC server's connection injector. */
export function withoutGoaway(socket: net.Socket): Duplex {
  const scan = new Http2Scan({ fromClient: true, dropGoaway: true });
  const stream = new Duplex({
    read: () => void socket.resume(),
    write: (chunk, _encoding, done) => void socket.write(chunk, () => done()),
    final: (done) => void socket.end(() => done()),
    destroy(error, done) {
      socket.destroy();
      done(error);
    },
  });
  socket.on("data", (chunk) => {
    for (const part of scan.pass(chunk as Uint8Array)) {
      if (!stream.push(part)) socket.pause();
    }
  });
  socket.once("end", () => stream.push(null));
  socket.once("close", () => stream.destroy());
  socket.on("error", () => {}); // It closes.
  return stream;
}
