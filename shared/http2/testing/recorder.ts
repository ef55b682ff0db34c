/**
 * One end of a connection that writes down what it hears. For tests.
 *
 *     open 1 :method=POST … end     data 1 "abc"     reset 1 CANCEL peer     error PROTOCOL_ERROR
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { release } from "../../bytes/out_buffer.ts";
import { Connection, type ConnectionEvents, type ConnectionOptions } from "../connection.ts";
import { errorName, type Http2Error } from "../frames.ts";
import type { HeaderList } from "../header_list.ts";
import type { Stream, StreamEvents } from "../stream.ts";

/** A connection, its streams by id, and its log. */
export class Recorder implements ConnectionEvents, StreamEvents {
  readonly connection: Connection;
  readonly log: string[] = [];
  /** Every stream that was ever opened. */
  readonly streams: Map<number, Stream> = new Map();
  readonly faults: unknown[] = [];
  error: Http2Error | undefined;
  /** How often `onOutput` was called. */
  outputs = 0;
  /** Says `consumed()` and grants at once, as an application that is never slow. */
  consumes = true;
  /** Called when a stream's event has been written down; may throw. */
  onEvent: (stream: Stream, event: string) => void = () => {};

  constructor(options: ConnectionOptions) {
    this.connection = new Connection(this, options);
  }

  /** Everything that it wants to send. */
  take(): Uint8Array<ArrayBuffer> {
    const all: Uint8Array[] = [];
    for (let views = this.connection.take(); views.length > 0; views = this.connection.take()) {
      for (const view of views) {
        all.push(view.slice());
        release(view);
      }
    }
    return new Uint8Array(Buffer.concat(all));
  }

  /** Takes the log, and leaves it empty. */
  events(): string[] {
    return this.log.splice(0);
  }

  /** Opens a stream (client role). */
  request(block: Uint8Array, endStream = false): Stream {
    const stream = this.connection.request(block, endStream, this);
    this.streams.set(stream.id, stream);
    return stream;
  }

  onOutput(): void {
    this.outputs++;
  }

  onRequest(stream: Stream, fields: HeaderList | undefined, endStream: boolean): StreamEvents {
    this.streams.set(stream.id, stream);
    this.#write("open", stream, shown(fields), endStream);
    this.onEvent(stream, "request");
    return this;
  }

  onHeaders(stream: Stream, fields: HeaderList, endStream: boolean): void {
    this.#write("headers", stream, shown(fields), endStream);
    this.onEvent(stream, "headers");
  }

  onData(stream: Stream, piece: Uint8Array, endStream: boolean): void {
    this.#write("data", stream, JSON.stringify(Buffer.from(piece).toString("latin1")), endStream);
    if (this.consumes) {
      this.connection.consumed(piece.length);
      this.connection.grant(stream, piece.length);
    }
    this.onEvent(stream, "data");
  }

  onReset(stream: Stream, code: number, by: "peer" | "us"): void {
    this.log.push(`reset ${stream.id} ${errorName(code)} ${by}`);
    this.onEvent(stream, "reset");
  }

  onCredit(stream: Stream, bytes: number): void {
    this.log.push(`credit ${stream.id} ${bytes}`);
    this.onEvent(stream, "credit");
  }

  onDrained(stream: Stream): void {
    this.log.push(`drained ${stream.id}`);
  }

  onGoaway(lastId: number, code: number, debug: string): void {
    this.log.push(`goaway ${lastId} ${errorName(code)} ${debug}`.trimEnd());
  }

  onPong(): void {
    this.log.push("pong");
  }

  onError(error: Http2Error): void {
    this.error = error;
    this.log.push(`error ${errorName(error.code)}`);
  }

  onFault(error: unknown): void {
    this.faults.push(error);
    this.log.push("fault");
  }

  #write(what: string, { id }: Stream, content: string, endStream: boolean): void {
    this.log.push(`${what} ${id} ${content}${endStream ? " end" : ""}`);
  }
}

/** Moves bytes between two ends until both are silent; `cut` says how long the next piece is. */
export function pump(left: Recorder, right: Recorder, cut: () => number = () => Infinity): void {
  for (;;) {
    const [toRight, toLeft] = [left.take(), right.take()];
    if (toRight.length === 0 && toLeft.length === 0) return;
    for (const [bytes, to] of [[toRight, right], [toLeft, left]] as const) {
      feed(to.connection, bytes, cut);
    }
  }
}

/** Gives bytes to a connection in pieces. */
export function feed(
  connection: Connection,
  bytes: Uint8Array,
  cut: () => number = () => Infinity,
): void {
  for (let at = 0; at < bytes.length;) {
    const end = Math.min(bytes.length, at + cut());
    connection.receive(bytes.slice(at, end));
    at = end;
  }
}

/** A client and a server that have exchanged their settings. */
export function pair(
  options: { client?: Partial<ConnectionOptions>; server?: Partial<ConnectionOptions> } = {},
): { client: Recorder; server: Recorder } {
  const client = new Recorder({ ...options.client, role: "client" });
  const server = new Recorder({ ...options.server, role: "server" });
  client.connection.start();
  server.connection.start();
  pump(client, server);
  return { client, server };
}

/** A log in which adjacent pieces of DATA are one: where they were cut means nothing. */
export function merged(log: readonly string[]): string[] {
  const DATA = /^(data \d+) "((?:[^"\\]|\\.)*)"( end)?$/;
  const out: string[] = [];
  let open: { readonly head: string; readonly parts: string[] } | undefined;
  const close = (end = "") => {
    if (open !== undefined) out.push(`${open.head} "${open.parts.join("")}"${end}`);
    open = undefined;
  };
  for (const line of log) {
    const [, head, content, end] = DATA.exec(line) ?? [];
    if (open?.head !== head) close();
    if (head === undefined) out.push(line);
    else {
      open ??= { head, parts: [] };
      open.parts.push(content!);
      if (end !== undefined) close(end);
    }
  }
  close();
  return out;
}

function shown(fields: HeaderList | undefined): string {
  return fields === undefined ? "?" : fields.map(([name, value]) => `${name}=${value}`).join(" ");
}
