/**
 * A gRPC client on one HTTP/2 connection.
 *
 *     stream ──read──▶ Connection ─▶ calls
 *     stream ◀─write── Connection ◀─ calls
 *
 * Guarantees:
 * - A call that was not sent says so: it is `refused`, as are those that a GOAWAY or REFUSED_STREAM
 *   names. Such a call may be made again.
 * - What a peer sends is bounded: header lists, messages, and what waits for a reader of each call.
 * - A peer that floods keeps neither timers nor signals waiting.
 * - It sends no GOAWAY: Deno's own HTTP/2 server can be killed by one (docs/decisions/0009).
 *
 * @module
 */
import { turns } from "../async/turns.ts";
import { release } from "../bytes/out_buffer.ts";
import { Connection, type ConnectionEvents } from "../http2/connection.ts";
import { ErrorCode, type Http2Error } from "../http2/frames.ts";
import { SILENT } from "../http2/stream.ts";
import type { ByteStream } from "./byte_stream.ts";
import { ClientCall, type ClientCallOptions } from "./client_call.ts";
import { goawayText } from "./failures.ts";

export interface ChannelOptions {
  /** `:authority` of its calls, such as `hub.example:9090`. */
  readonly authority: string;
  /** Whether TLS is below: calls say `https` then. @default false */
  readonly secure?: boolean;
  /** @default none */
  readonly userAgent?: string;
  /** The longest message that is accepted. @default 64 MiB */
  readonly maxMessageBytes?: number;
  /**
   * Asks the peer for a sign of life after this long without one. Many servers end connections that
   * ask more often than every five minutes.
   *
   * @default Infinity, never
   */
  readonly keepaliveMs?: number;
  /** How long the sign may take. @default 20 s */
  readonly keepaliveTimeoutMs?: number;
}

const DEFAULTS = {
  secure: false,
  userAgent: "",
  maxMessageBytes: 64 << 20,
  keepaliveMs: Infinity,
  keepaliveTimeoutMs: 20_000,
};

const TICK_MS = 1000;
/** A peer that does not take our last frames is not waited for any longer. */
const CLOSE_MS = 1000;
/** Enough of what is no HTTP/2 to recognize it. */
const SHOWN_BYTES = 80;

/** What the peer said when it left. */
export interface Goaway {
  readonly code: number;
  readonly debug: string;
}

/** A gRPC client on one HTTP/2 connection, which makes any number of calls. */
export class Channel implements AsyncDisposable {
  readonly #stream: ByteStream;
  readonly #options: ChannelOptions & typeof DEFAULTS;
  readonly #connection: Connection;
  readonly #calls = new Set<ClientCall>();
  readonly #ready = Promise.withResolvers<void>();
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #running: Promise<void>;
  /** Resolves when all output has been written. */
  #writing: Promise<void> = Promise.resolve();
  #isWriting = false;
  #hasOutput = false;
  /** Calls that wait until the peer takes one more. */
  #waiting: (() => void)[] = [];
  #goaway: Goaway | undefined;
  #lost: string | undefined;
  #closed = false;
  #first = "";
  #heardMs = performance.now();
  #askedMs: number | undefined;

  constructor(stream: ByteStream, options: ChannelOptions) {
    this.#stream = stream;
    this.#options = { ...DEFAULTS, ...options };
    const events: ConnectionEvents = {
      onOutput: () => this.#flush(),
      // A client role hears of none.
      onRequest: () => SILENT,
      onGoaway: (_lastId, code, debug) => {
        this.#goaway = { code, debug };
        this.#wake();
      },
      onPong: () => this.#askedMs = undefined,
      onError: (error) => this.#fail(error),
      onFault: (error) => this.#end(`Cannot go on: ${error}`),
    };
    this.#connection = new Connection(events, { role: "client" });
    this.#ready.promise.catch(() => {}); // Not everybody waits for it.
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    Deno.unrefTimer(this.#timer);
    this.#connection.start();
    this.#running = this.#run();
  }

  /**
   * Resolves when the peer has shown that it speaks HTTP/2: a call that goes out then has somebody to
   * take it.
   *
   * @throws {Error} If the connection ends before, with the reason.
   */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** The peer wants no more calls on this connection. */
  get goaway(): Goaway | undefined {
    return this.#goaway;
  }

  /** Will a call that is started now be taken to the peer? Not when either of them has ended it. */
  get takesCalls(): boolean {
    return this.#lost === undefined && this.#goaway === undefined;
  }

  /** Resolves when the connection has ended, for whatever reason. */
  get closed(): Promise<void> {
    return this.#running;
  }

  /** Starts a call. It may wait until the peer takes one more. */
  call(options: ClientCallOptions): ClientCall {
    const { authority, secure, userAgent, maxMessageBytes } = this.#options;
    const head = { authority, scheme: secure ? "https" : "http", userAgent };
    const call = new ClientCall(options, { head, maxMessageBytes, connection: this.#connection });
    this.#calls.add(call);
    call.ended.finally(() => {
      this.#calls.delete(call);
      this.#wake();
    });
    this.#open(call);
    return call;
  }

  /** Ends all calls, and closes when what they had to say has left. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return await this.#running;
    for (const call of this.#calls) call.cancel();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const limit = new Promise<void>((resolve) => timer = setTimeout(resolve, CLOSE_MS));
    await Promise.race([this.#writing, limit]);
    clearTimeout(timer);
    this.#end("The connection was closed here");
    await this.#running;
  }

  #open(call: ClientCall): void {
    if (call.isOver) return;
    if (this.#lost !== undefined) return call.refuse(this.#lost);
    if (this.#goaway !== undefined) return call.refuse(this.#leftText(this.#goaway));
    if (this.#connection.canRequest) call.start();
    else this.#waiting.push(() => this.#open(call));
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const open of waiting) open();
  }

  async #run(): Promise<void> {
    let reason = "The connection was closed by the other side";
    try {
      for (;;) {
        const bytes = await this.#stream.read();
        if (bytes === undefined) break;
        this.#heardMs = performance.now();
        if (!this.#connection.settingsReceived) this.#note(bytes);
        this.#connection.receive(bytes);
        if (this.#connection.settingsReceived) this.#ready.resolve();
        this.#wake();
        if (turns.isOver()) await turns.next();
      }
    } catch (error) {
      reason = `The connection broke: ${error instanceof Error ? error.message : error}`;
    }
    this.#end(reason);
    await this.#writing;
  }

  /** Keeps the beginning of what comes, for an error that says who answered. */
  #note(bytes: Uint8Array): void {
    const room = SHOWN_BYTES - this.#first.length;
    this.#first += String.fromCharCode(...bytes.subarray(0, Math.max(0, room)));
  }

  #flush(): void {
    this.#hasOutput = true;
    if (!this.#isWriting) this.#writing = this.#writeAll();
  }

  async #writeAll(): Promise<void> {
    this.#isWriting = true;
    // At the end of this turn: what belongs together leaves together.
    await Promise.resolve();
    try {
      while (this.#hasOutput) {
        this.#hasOutput = false;
        for (const view of this.#connection.take()) {
          this.#hasOutput = true;
          await this.#stream.write(view);
          release(view);
        }
      }
    } catch {
      // The reader hears why: it may still get the peer's last words.
    } finally {
      this.#isWriting = false;
    }
  }

  #tick(): void {
    this.#connection.tick();
    const { keepaliveMs, keepaliveTimeoutMs } = this.#options;
    const now = performance.now();
    if (this.#askedMs !== undefined) {
      if (now - this.#askedMs < keepaliveTimeoutMs) return;
      return this.#end(`The other side gave no sign of life for ${keepaliveTimeoutMs} ms`);
    }
    if (now - this.#heardMs < keepaliveMs) return;
    this.#askedMs = now;
    this.#connection.ping();
  }

  #fail({ message }: Http2Error): void {
    const http1 = /^HTTP\/1\.[01] [^\r\n]*/.exec(this.#first)?.[0];
    const isForeign = !this.#connection.settingsReceived;
    // Our GOAWAY is not sent: see the module's head.
    this.#end(
      http1 !== undefined
        ? `What answers there speaks HTTP/1, not HTTP/2: it sent "${http1}"`
        : isForeign
        ? `What answers there does not speak HTTP/2: it sent ${JSON.stringify(this.#first)}`
        : `The other side broke a rule of HTTP/2: ${message}`,
    );
  }

  /** Nothing more comes or goes. */
  #end(reason: string): void {
    if (this.#lost !== undefined) return;
    const left = this.#goaway;
    this.#lost = left === undefined ? reason : this.#leftText(left);
    this.#ready.reject(new Error(this.#lost));
    for (const call of this.#calls) call.lose(this.#lost);
    this.#connection.abort(ErrorCode.CONNECT_ERROR);
    this.#wake();
    this.#closed = true;
    clearInterval(this.#timer);
    this.#stream.close();
  }

  #leftText({ code, debug }: Goaway): string {
    return `The other side ended the connection with ${goawayText(code, debug)}`;
  }
}
