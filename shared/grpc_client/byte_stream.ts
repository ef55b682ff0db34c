/**
 * Bytes both ways: what a channel needs of a socket, whoever made it.
 *
 * @module
 */

/** Bytes both ways, as a channel needs them of a socket. One reader and one writer at a time. */
export interface ByteStream {
  /** The next bytes, good until the next read; `undefined` at the end. */
  read(): Promise<Uint8Array | undefined>;
  /** Resolves when they are on their way. */
  write(bytes: Uint8Array): Promise<void>;
  /** Closes both ways at once; what waits rejects or ends. */
  close(): void;
}

const READ_BYTES = 64 << 10;

/** A connection of Deno as a stream. */
export function denoStream(connection: Deno.Conn): ByteStream {
  const buffer = new Uint8Array(READ_BYTES);
  return {
    async read() {
      const count = await connection.read(buffer);
      return count === null ? undefined : buffer.subarray(0, count);
    },
    async write(bytes) {
      for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
    },
    close() {
      try {
        connection.close();
      } catch {
        // It was closed already.
      }
    },
  };
}
