/**
 * One raw connection, `ghub.v1.Tunnel/Connect`: chunks on a call ⇄ bytes on a stream.
 *
 *     call's requests ──▶ far.write    fin ──▶ far.end
 *     call's responses ◀── far         end ──▶ fin
 *
 * The far end is a socket of an upstream, or a pair whose other side the gRPC server serves on.
 * Each direction ends by itself, and waits when the other end of it is slow.
 *
 * @module
 */
import type { Duplex } from "node:stream";
import type { ghub_v1_Chunk as Chunk } from "../../shared/gen/types.ts";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import type { TunnelGrpcServer } from "./grpc_server.ts";
import { Http2Scan } from "../../shared/http2/scan/http2_scan.ts";
import { OpenStreams } from "../../shared/http2/scan/open_streams.ts";
import type { Origin } from "./origin.ts";
import { scannedPair } from "./scanned_pair.ts";

/** A chunk is not longer: long ones would keep other calls of the tunnel waiting. */
const MAX_CHUNK_BYTES = 64 * 1024;

/** Carries the bytes until both directions have ended or the call is over. */
export async function* pumpChunks(
  requests: AsyncIterable<Chunk>,
  far: Duplex,
  signal: AbortSignal,
): AsyncGenerator<Chunk> {
  const abort = () => far.destroy();
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  const failure = Promise.withResolvers<never>();
  const toFar = writeChunks(requests, far);
  // A failure of one direction must end the wait of the other.
  toFar.catch((error) => {
    failure.reject(error);
    far.destroy();
  });
  failure.promise.catch(() => {});
  try {
    // An end of one direction must not destroy the other.
    for await (const bytes of far.iterator({ destroyOnReturn: false })) {
      for (let at = 0; at < bytes.length; at += MAX_CHUNK_BYTES) {
        yield { data: bytes.subarray(at, at + MAX_CHUNK_BYTES) };
      }
    }
    yield { fin: true };
    await toFar;
  } catch (error) {
    signal.throwIfAborted();
    const { message } = error instanceof Error ? error : new Error(String(error));
    throw new RpcError(Status.UNAVAILABLE, `The raw connection broke: ${message}`, {
      cause: error,
    });
  } finally {
    signal.removeEventListener("abort", abort);
    far.destroy();
  }
}

async function writeChunks(requests: AsyncIterable<Chunk>, far: Duplex): Promise<void> {
  for await (const { data, fin } of requests) {
    if (data !== undefined && data.length > 0 && !far.write(data)) await drained(far);
    if (fin) break;
  }
  far.end();
}

/** Waits until a stream takes more, or will never. */
function drained(stream: Duplex): Promise<void> {
  if (stream.destroyed || !stream.writableNeedDrain) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      stream.off("drain", done);
      stream.off("close", done);
      resolve();
    };
    stream.on("drain", done);
    stream.on("close", done);
  });
}

/**
 * A connection to this process's own gRPC server, as if its listener had accepted it.
 *
 * When the caller has ended its direction, calls that are in flight still end; then so does the
 * other direction.
 */
export function connectLocal(grpc: TunnelGrpcServer, origin: Origin): Duplex {
  const calls = new OpenStreams();
  const { near, far } = scannedPair({
    toNear: new Http2Scan({
      fromClient: true,
      dropGoaway: true,
      onFrame: (head) => calls.fromClient(head),
    }),
    toFar: new Http2Scan({ fromClient: false, onFrame: (head) => calls.fromServer(head) }),
  });
  far.once("finish", () => void calls.idle().then(() => near.end()));
  near.on("error", () => {});
  grpc.inject(near, origin);
  return far;
}
