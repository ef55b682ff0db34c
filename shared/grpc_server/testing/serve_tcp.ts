/**
 * A gRPC server of ours on a free port of the loopback. For tests: the product has no sockets for it.
 *
 * @module
 */
import { release } from "../../bytes/out_buffer.ts";
import { type ByteStream, denoStream } from "../../grpc_client/byte_stream.ts";
import type { GrpcServer } from "../server.ts";

/** Output of one connection, beyond which its caller is not read. */
const MAX_BACKLOG = 2 << 20;
const TICK_MS = 1000;

export interface Served extends AsyncDisposable {
  readonly address: string;
}

/** Serves until it is disposed of, which ends all calls. */
export function serveTcp(server: GrpcServer): Served {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const streams = new Set<ByteStream>();
  const serving = new Set<Promise<void>>();
  const accepting = (async () => {
    for await (const connection of listener) {
      connection.setNoDelay(true);
      const stream = denoStream(connection);
      streams.add(stream);
      const peer = `${connection.remoteAddr.hostname}:${connection.remoteAddr.port}`;
      const done = serve(server, stream, peer);
      serving.add(done);
      done.finally(() => {
        serving.delete(done);
        streams.delete(stream);
      });
    }
  })();
  return {
    address: `127.0.0.1:${listener.addr.port}`,
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
      for (const stream of streams) stream.close();
      await Promise.all(serving);
    },
  };
}

async function serve(server: GrpcServer, stream: ByteStream, peer: string): Promise<void> {
  let writing: Promise<void> | undefined;
  const served = server.connect({ peer, onOutput: () => writing ??= write() });
  const timer = setInterval(() => served.tick(), TICK_MS);
  async function write(): Promise<void> {
    await Promise.resolve();
    try {
      for (let views; (views = served.take()).length > 0;) {
        for (const view of views) {
          await stream.write(view);
          release(view);
        }
      }
    } catch {
      stream.close();
    }
    writing = undefined;
  }
  try {
    for (let bytes; (bytes = await stream.read()) !== undefined;) {
      served.receive(bytes);
      if (served.broken !== undefined) break;
      if (served.outputBytes > MAX_BACKLOG) await writing;
    }
    await writing;
  } catch {
    // The caller is gone.
  } finally {
    clearInterval(timer);
    served.close();
    stream.close();
  }
}
