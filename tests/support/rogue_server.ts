/**
 * A server that is registered like any other, and then sends whatever a test wants: frames written
 * by hand on its tunnel.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { once } from "node:events";
import type { Duplex } from "node:stream";
import { createWebSocketStream, WebSocket } from "../../shared/websocket/ws.ts";
import { ACK, frame, PREFACE, settings, Type } from "../../shared/http2/testing/wire.ts";
import { within } from "./until.ts";

const FRAME_HEAD_BYTES = 9;
/** Stream of the hub's greeting, its first call on each tunnel. */
const WELCOME_STREAM = 1;

/** What a rogue does. */
export interface Misdeed {
  /** When the hub greets it. @default it says nothing */
  onWelcome?(rogue: RogueServer, streamId: number): void;
  /** When a call comes. @default it says nothing */
  onCall?(rogue: RogueServer, streamId: number): void;
}

/** A registered server that sends whatever frames a test wants. */
export class RogueServer implements AsyncDisposable {
  /** Resolves when its tunnel has ended. */
  readonly closed: Promise<void>;
  readonly #socket: WebSocket;
  readonly #stream: Duplex;
  readonly #misdeed: Misdeed;
  #called = false;
  #rest = Buffer.alloc(0);
  #preface = PREFACE.length;

  private constructor(socket: WebSocket, stream: Duplex, misdeed: Misdeed) {
    this.#socket = socket;
    this.#stream = stream;
    this.#misdeed = misdeed;
    this.closed = new Promise((resolve) => socket.once("close", () => resolve()));
    stream.on("data", (chunk: Buffer) => this.#read(chunk));
  }

  static async start(uri: string, name: string, misdeed: Misdeed): Promise<RogueServer> {
    const socket = new WebSocket(uri, {
      headers: { "x-hub-meta-name": name },
      perMessageDeflate: false,
    });
    const stream = createWebSocketStream(socket);
    stream.on("error", () => {}); // The tunnel closes, and that is seen.
    const rogue = new RogueServer(socket, stream, misdeed);
    rogue.send(settings()); // It waits for the upgrade, and comes before any answer.
    await within(`rogue "${name}"`, once(socket, "open"));
    return rogue;
  }

  /** Whether its tunnel is still open. */
  get isOpen(): boolean {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  /** Whether a call has come to it. */
  get wasCalled(): boolean {
    return this.#called;
  }

  send(bytes: Uint8Array): void {
    if (!this.#stream.destroyed) this.#stream.write(bytes);
  }

  /** Reads nothing any more. */
  goDeaf(): void {
    this.#stream.pause();
    this.#socket.pause();
  }

  #read(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    if (this.#rest.length < this.#preface) return;
    this.#rest = this.#rest.subarray(this.#preface);
    this.#preface = 0;
    while (this.#rest.length >= FRAME_HEAD_BYTES) {
      const end = FRAME_HEAD_BYTES + this.#rest.readUIntBE(0, 3);
      if (this.#rest.length < end) return;
      const [type, flags, id] = [this.#rest[3], this.#rest[4]!, this.#rest.readUInt32BE(5)];
      this.#rest = this.#rest.subarray(end);
      if (type === Type.SETTINGS && (flags & ACK) === 0) this.send(frame(Type.SETTINGS, ACK, 0));
      if (type === Type.HEADERS && id === WELCOME_STREAM) this.#misdeed.onWelcome?.(this, id);
      else if (type === Type.HEADERS) {
        this.#called = true;
        this.#misdeed.onCall?.(this, id);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#socket.readyState !== WebSocket.CLOSED) this.#socket.terminate();
    this.#stream.destroy();
    await within("the rogue's end", this.closed);
  }
}
