/**
 * A socket of Node as a stream of bytes. In a file of its own: who makes plain connections alone loads
 * nothing of Node.
 *
 * @module
 */
import type { Duplex } from "node:stream";
import type { ByteStream } from "./byte_stream.ts";

/** Node's stream as one of bytes. */
export function duplexStream(duplex: Duplex): ByteStream {
  // An error between two reads must not end the process.
  duplex.on("error", () => {});
  const chunks = duplex.iterator({ destroyOnReturn: false });
  return {
    async read() {
      if (duplex.destroyed) return undefined;
      const { done, value } = await chunks.next();
      return done ? undefined : value;
    },
    write: (bytes) =>
      new Promise((resolve, reject) => {
        if (duplex.destroyed) return reject(new Error("the connection is closed"));
        duplex.once("close", closed);
        function closed() {
          reject(new Error("the connection was closed"));
        }
        duplex.write(bytes, (error) => {
          duplex.off("close", closed);
          if (error) reject(error);
          else resolve();
        });
      }),
    close: () => void duplex.destroy(),
  };
}
