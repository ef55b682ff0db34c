/**
 * What carries the bytes of a lean HTTP/2 connection: a TCP connection here, a WebSocket in
 * `tunnel.ts`.
 *
 *     wire ──run(onBytes)──▶ Connection.receive()
 *     wire ◀──write(views)── Connection.take()      all that one turn made, at once
 *
 * @module
 */
import { release } from "../../shared/bytes/out_buffer.ts";
import { dial } from "./dial.ts";

const READ_BYTES = 256 * 1024;

export interface Wire {
  /** Reads until the peer ends or the wire is closed. */
  run(onBytes: (bytes: Uint8Array) => void): Promise<void>;
  /** Writes all views and gives them back to their pool. */
  write(views: readonly Uint8Array[]): Promise<void>;
  /** Asks for a sign of life, where the wire has a way to. */
  ping?(): void;
  close(): void;
}

/** Dials `host:port`, with TLS if there is a `ca`. */
export async function dialTcp(address: string, ca?: string): Promise<Wire> {
  const { hostname, port } = new URL(`tcp://${address}`);
  const alpn = ca === undefined ? undefined : "h2";
  return connWire(await dial({ hostname, port: Number(port), alpn, ca }));
}

/** A wire over a TCP connection. */
export function tcpWire(connection: Deno.TcpConn): Wire {
  connection.setNoDelay(true);
  return connWire(connection);
}

function connWire(connection: Deno.Conn): Wire {
  let closed = false;
  return {
    async run(onBytes) {
      const buffer = new Uint8Array(READ_BYTES);
      try {
        while (true) {
          const n = await connection.read(buffer);
          if (n === null) return;
          onBytes(buffer.subarray(0, n));
        }
      } catch (error) {
        if (!closed) throw error;
      }
    },
    async write(views) {
      for (const view of views) {
        for (let at = 0; at < view.length;) {
          at += await connection.write(at === 0 ? view : view.subarray(at));
        }
        release(view);
      }
    },
    close() {
      if (closed) return;
      closed = true;
      connection.close();
    },
  };
}
