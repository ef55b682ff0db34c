/**
 * One end of an HTTP/2 connection with as little around it as can be, so that a bench measures
 * what lies between two of them.
 *
 * @module
 */
import { Connection, type ConnectionEvents } from "../../shared/http2/connection.ts";
import type { Http2Error } from "../../shared/http2/frames.ts";
import type { HeaderList } from "../../shared/http2/header_list.ts";
import type { Stream, StreamEvents } from "../../shared/http2/stream.ts";
import type { Wire } from "./wire.ts";

/** Large, so that the peer and what is between decide how much is under way. */
const CONNECTION_WINDOW = 64 << 20;
const MAX_STREAMS = 10_000;

export interface PeerOptions {
  readonly role: "client" | "server";
  /** The largest header list that it takes. @default what Connection has */
  readonly maxHeaderListBytes?: number | undefined;
  /** Server role: who answers a request. */
  onRequest?(peer: Peer, stream: Stream, fields: HeaderList): StreamEvents;
  /** All that was made has been handed to the wire: room for more. */
  onRoom?(): void;
}

/** A connection that runs. */
export class Peer implements ConnectionEvents {
  readonly connection: Connection;
  /** Resolves when the wire has ended; rejects with what broke it. */
  readonly ended: Promise<void>;
  readonly #options: PeerOptions;
  readonly #wire: Wire;
  #error: Http2Error | undefined;
  #woken = false;
  #writing = false;

  constructor(wire: Wire, options: PeerOptions) {
    this.#wire = wire;
    this.#options = options;
    const { role, maxHeaderListBytes } = options;
    this.connection = new Connection(this, {
      role,
      ...(maxHeaderListBytes !== undefined && { maxHeaderListBytes }),
      connectionWindow: CONNECTION_WINDOW,
      maxConcurrentStreams: MAX_STREAMS,
    });
    this.connection.start();
    this.ended = wire.run((bytes) => this.connection.receive(bytes)).then(() => {
      if (this.#error !== undefined) throw this.#error;
    });
  }

  /** Nothing that was made waits for the wire. */
  get idle(): boolean {
    return !this.#writing && !this.#woken;
  }

  close(): void {
    this.#wire.close();
  }

  onOutput(): void {
    if (this.#woken) return;
    this.#woken = true;
    if (!this.#writing) queueMicrotask(() => void this.#write());
  }

  onRequest(stream: Stream, fields: HeaderList | undefined): StreamEvents {
    if (this.#options.onRequest === undefined || fields === undefined) {
      throw new Error("Cannot answer a request: this peer is a client");
    }
    return this.#options.onRequest(this, stream, fields);
  }

  onGoaway(): void {}

  onPong(): void {}

  onError(error: Http2Error): void {
    this.#error = error;
  }

  onFault(error: unknown): never {
    throw error;
  }

  async #write(): Promise<void> {
    this.#writing = true;
    try {
      while (this.#woken) {
        this.#woken = false;
        await this.#wire.write(this.connection.take());
        if (!this.#woken) this.#options.onRoom?.();
      }
    } catch {
      this.#wire.close(); // `ended` tells.
    }
    this.#writing = false;
  }
}
