/**
 * A caller that says on HTTP/2 what a test tells it, and a server of ours, in memory.
 *
 * @module
 */
import { turns } from "../../async/turns.ts";
import { release } from "../../bytes/out_buffer.ts";
import { prefixMessage } from "../../grpc/message_prefix.ts";
import { root } from "../../grpc/root.ts";
import { encodeMessage } from "../../grpc/service.ts";
import type { Field, HeaderList } from "../../http2/header_list.ts";
import { encodeHeaderList } from "../../http2/hpack/encoder.ts";
import type { Stream } from "../../http2/stream.ts";
import { Recorder } from "../../http2/testing/recorder.ts";
import type { ServedConnection } from "../served_connection.ts";
import type { GrpcServer } from "../server.ts";

const REQUEST = root.lookupType("echo.v1.EchoRequest");

/** An EchoRequest with its prefix. */
export function message(request: object = {}): Uint8Array {
  return prefixMessage(encodeMessage(REQUEST, request));
}

/** Disposing ends the connection, and waits until nobody waits for a turn of the event loop. */
export class Caller implements AsyncDisposable {
  readonly recorder: Recorder = new Recorder({ role: "client" });
  readonly served: ServedConnection;
  /** Whether it takes what the server sends. */
  reads = true;
  #moving = false;

  constructor(server: GrpcServer) {
    this.served = server.connect({ peer: "memory", onOutput: () => this.#wake() });
    this.recorder.connection.start();
    this.move();
  }

  get log(): string[] {
    return this.recorder.log;
  }

  /** Begins a call of Echo; fields of the same name take the place of the usual ones. */
  call(method: string, more: HeaderList = [], end = false): Stream {
    const usual: Field[] = [
      [":method", "POST"],
      [":scheme", "http"],
      [":path", `/echo.v1.Echo/${method}`],
      [":authority", "test"],
      ["content-type", "application/grpc"],
      ["te", "trailers"],
    ];
    const fields = usual.map((field) => more.find(([name]) => name === field[0]) ?? field)
      .concat(more.filter(([name]) => !usual.some(([known]) => known === name)));
    const stream = this.recorder.request(encodeHeaderList(fields), end);
    this.move();
    return stream;
  }

  send(stream: Stream, bytes: Uint8Array, end = false): void {
    this.recorder.connection.data(stream, bytes, end);
    this.move();
  }

  reset(stream: Stream, code: number): void {
    this.recorder.connection.reset(stream, code);
    this.move();
  }

  /** A call with one request, and the line of the log that ends its answer. */
  async ask(method: string, bytes: Uint8Array, more: HeaderList = []): Promise<string> {
    const stream = this.call(method, more);
    this.send(stream, bytes, true);
    return await this.ended(stream);
  }

  /** The line that ends a stream's answer. */
  ended({ id }: Stream): Promise<string> {
    return this.heard(new RegExp(`^(headers ${id} .* end|reset ${id} .*)$`));
  }

  /** Resolves with the line of the log that matches. */
  async heard(pattern: RegExp): Promise<string> {
    for (;;) {
      const line = this.log.find((line) => pattern.test(line));
      if (line !== undefined) return line;
      await turn();
    }
  }

  /** Moves bytes until both ends are silent. */
  move(): void {
    for (let moved = true; moved;) {
      const bytes = this.recorder.take();
      if (bytes.length > 0) this.served.receive(bytes);
      moved = bytes.length > 0;
      if (!this.reads) continue;
      for (const view of this.served.take()) {
        moved = true;
        this.recorder.connection.receive(view.slice());
        release(view);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.served.close();
    // On a busy machine a call may still wait for one, by a timer: the next test is not to meet it.
    await turns.next();
  }

  #wake(): void {
    if (this.#moving) return;
    this.#moving = true;
    queueMicrotask(() => {
      this.#moving = false;
      this.move();
    });
  }
}

/** Others have their turn. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
