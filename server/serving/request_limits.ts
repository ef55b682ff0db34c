/**
 * How much a caller can make this process hold by requests that it does not end. gRPC keeps a message
 * until it is complete, and grpc-js has one limit for all services; here each has its own.
 *
 *     DATA ─▶ RequestLimits ─▶ grpc-js
 *                 │  a message that is too large for its service      RESOURCE_EXHAUSTED
 *                 └  unfinished messages of all calls together        RESOURCE_EXHAUSTED
 *
 * It reads the prefix of each message, before most of its bytes come.
 *
 * @module
 */
import type { ServerHttp2Stream } from "node:http2";
import { PREFIX_BYTES } from "../../shared/grpc/message_prefix.ts";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";

/** For services whose requests are small: names, a reason. */
export const SMALL_REQUEST_BYTES = 64 << 10;
/** A compressed request may be a thousand times as large when it is unpacked. */
export const SMALL_COMPRESSED_BYTES = 4 << 10;
/** A chunk of a raw connection (docs/protocol.md §8.1), and what stands around its bytes. */
export const CHUNK_REQUEST_BYTES = (1 << 20) + 64;
/** Unfinished requests of all calls of services with small ones. */
export const MAX_UNFINISHED_BYTES = 16 << 20;

/** Limits the bytes of requests that have begun and not ended, by service and in sum. */
export class RequestLimits {
  readonly #byService = new Map<string, number>();
  #unfinished = 0;

  /** Bytes of requests that are not complete. */
  get unfinishedBytes(): number {
    return this.#unfinished;
  }

  /** Sets the largest request of a service. */
  set(service: string, maxBytes: number): void {
    this.#byService.set(service, maxBytes);
  }

  /**
   * Watches what a call sends.
   *
   * @param refuse Called at most once; what the call sends later is thrown away.
   */
  watch(stream: ServerHttp2Stream, path: string, refuse: (error: RpcError) => void): void {
    const maxBytes = this.#byService.get(path.slice(1, path.lastIndexOf("/")));
    if (maxBytes === undefined) return;
    // Raw connections have a bound in number, and the hub alone opens them.
    const isSmall = maxBytes <= SMALL_REQUEST_BYTES;
    const watched = new WatchedRequest(maxBytes, (bytes) => {
      if (isSmall) this.#unfinished += bytes;
      return this.#unfinished <= MAX_UNFINISHED_BYTES || !isSmall;
    });
    const emit = stream.emit.bind(stream);
    let refused = false;
    stream.emit = (event: string | symbol, ...args: unknown[]): boolean => {
      if (event === "data" && args[0] instanceof Uint8Array) {
        if (refused) return true;
        const error = watched.take(args[0]);
        if (error !== undefined) {
          refused = true;
          watched.end();
          refuse(error);
          return true;
        }
      } else if (event === "end" && refused) return true;
      else if (event === "close") watched.end();
      return emit(event, ...args);
    };
  }
}

/** The messages of one call. */
class WatchedRequest {
  readonly #maxBytes: number;
  readonly #book: (bytes: number) => boolean;
  readonly #prefix = new Uint8Array(PREFIX_BYTES);
  #prefixFill = 0;
  /** Bytes of the message that are still to come, and those that have. */
  #left = 0;
  #held = 0;

  /** @param book Changes the sum of all calls; false if that is too much. */
  constructor(maxBytes: number, book: (bytes: number) => boolean) {
    this.#maxBytes = maxBytes;
    this.#book = book;
  }

  take(bytes: Uint8Array): RpcError | undefined {
    for (let at = 0; at < bytes.length;) {
      if (this.#left === 0) {
        const n = Math.min(PREFIX_BYTES - this.#prefixFill, bytes.length - at);
        this.#prefix.set(bytes.subarray(at, at + n), this.#prefixFill);
        this.#prefixFill += n;
        at += n;
        if (this.#prefixFill < PREFIX_BYTES) return undefined;
        this.#prefixFill = 0;
        const error = this.#begin();
        if (error !== undefined) return error;
      }
      const n = Math.min(this.#left, bytes.length - at);
      at += n;
      this.#left -= n;
      if (this.#left === 0) this.end();
      else if (!this.#hold(n)) return exhausted("Too many requests are not complete");
    }
    return undefined;
  }

  /** Nothing is kept any more. */
  end(): void {
    this.#book(-this.#held);
    this.#held = 0;
  }

  #begin(): RpcError | undefined {
    const length = new DataView(this.#prefix.buffer).getUint32(1);
    const isCompressed = this.#prefix[0] !== 0;
    const most = isCompressed ? SMALL_COMPRESSED_BYTES : this.#maxBytes;
    this.#left = length;
    if (length <= most) return undefined;
    const what = isCompressed ? "Compressed request" : "Request";
    return exhausted(
      `${what} of ${length} bytes is larger than the ${most} that this service takes`,
    );
  }

  #hold(bytes: number): boolean {
    this.#held += bytes;
    return this.#book(bytes);
  }
}

function exhausted(message: string): RpcError {
  return new RpcError(Status.RESOURCE_EXHAUSTED, message);
}
