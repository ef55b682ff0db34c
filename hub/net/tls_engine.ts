/**
 * TLS of one connection, without any I/O; the server's part, or that of a hub that dials another one:
 *
 *     receive(encrypted) ─▶ onClear(bytes)     what became readable
 *     send(clear) ─▶ take() → encrypted        until there is no more
 *
 * It is the inner end of Node's TLS in Deno, taken out of the streams around it: these cost more than
 * the encryption, for each record (docs/decisions/0015-tls-by-node.md). What it needs of it is looked
 * for when a listener starts; tls_engine_test.ts says so when another Deno has it no more.
 *
 * @module
 */
import type net from "node:net";
import { Duplex } from "node:stream";
import tls from "node:tls";

/**
 * Encrypted bytes that are given at once: the inner end keeps as much room for them as was ever needed.
 * With fewer, each costs more; with more, no less.
 */
export const MAX_RECEIVED = 16 << 10;

/** Of the inner end, as far as it is used (Deno 2.9.6). */
interface Inner {
  start(): number;
  readStart(): number;
  /** Whose memory gets what is decrypted. */
  useUserBuffer(buffer: Uint8Array): void;
  readBuffer(encrypted: Uint8Array): void;
  /** Bytes decrypted since the handshake. */
  getBytesRead(): number;
  /** Calls `oncomplete` when all is encrypted, and was drained. */
  writeBuffer(request: { oncomplete(): void }, clear: Uint8Array): number;
  drainEncOut(): Uint8Array<ArrayBuffer>;
  shutdown(request: object): number;
  destroySsl(): void;
  /** "" where nothing is wrong. */
  verifyError(): string;
  // Called by it.
  onread: () => void;
  onerror: (error: Error) => void;
  onhandshakedone: () => void;
}

const NEEDED = [
  ...["start", "readStart", "useUserBuffer", "readBuffer", "getBytesRead"],
  ...["writeBuffer", "drainEncOut", "shutdown", "destroySsl", "verifyError"],
] as const;

/**
 * Gets what is decrypted of every connection, which takes it out at once. Never given away: the inner end
 * writes into its memory.
 */
const CLEAR = new Uint8Array(32 << 10);
const NOTHING = new Uint8Array();

export interface EngineOptions {
  readonly context: tls.SecureContext;
  readonly alpn: readonly string[];
  /** Asks for the client's certificate; one without any, or with a bad one, is let in. */
  readonly requestCert: boolean;
  /** The part of the one that was dialled; the other part lets in whoever answers. @default true */
  readonly isServer?: boolean;
  /** Takes what became readable: a view that is good during the call only. It must not throw. */
  onClear(bytes: Uint8Array): void;
}

/** One end of TLS on one connection: encrypted bytes on one side, plain ones on the other. */
export class TlsEngine {
  /** The handshake is done. */
  established = false;
  /** The peer has said its last word. */
  ended = false;
  /** What broke it. */
  error: Error | undefined;
  readonly #inner: Inner;
  readonly #onClear: (bytes: Uint8Array) => void;
  /** Made the inner end, and reads certificates. */
  #socket: tls.TLSSocket | undefined;
  /** Of `getBytesRead()`, how much was handed on. */
  #handedOn = 0;
  /** Something that was sent is not encrypted. */
  #sending = false;
  /** Something may wait for `take()`. To ask costs an op and a buffer, for each small record. */
  #mayHave = true;

  /** @throws {Error} If this Deno has another TLS, or the certificate cannot be used. */
  constructor({ context, alpn, requestCert, isServer = true, onClear }: EngineOptions) {
    this.#onClear = onClear;
    const options = {
      isServer,
      secureContext: context,
      ALPNProtocols: [...alpn],
      requestCert,
      rejectUnauthorized: false,
    };
    // Nothing ever goes through this stream.
    const stream = new Duplex({ read() {}, write() {} }) as unknown as net.Socket;
    this.#socket = new tls.TLSSocket(stream, options);
    this.#socket.on("error", (error) => this.error ??= error);
    this.#inner = innerOf(this.#socket);
    this.#inner.onread = () => this.#onRead();
    this.#inner.onerror = (error) => this.error ??= error;
    this.#inner.onhandshakedone = () => this.established = true;
    this.#inner.useUserBuffer(CLEAR);
    if (this.#inner.start() !== 0) throw new Error("Cannot start TLS");
    this.#inner.readStart();
  }

  /** Nothing more can be received. */
  get isOver(): boolean {
    return this.ended || this.error !== undefined;
  }

  /**
   * Decrypts. What is to be said to it waits for `take()`.
   *
   * @param encrypted At most `MAX_RECEIVED` bytes.
   */
  receive(encrypted: Uint8Array): void {
    // Behind the end it would be kept, without bound.
    if (this.isOver) return;
    const { established } = this;
    const before = this.#handedOn;
    this.#inner.readBuffer(encrypted);
    // What brought data brings no handshake and no alert; an answer to a change of keys among it goes with
    // what is sent next, as it may (RFC 8446 §4.6.3).
    this.#mayHave ||= !established || this.isOver || this.#handedOn === before;
  }

  /** Encrypts. Not before `take()` gave the last of what was sent before. */
  send(clear: Uint8Array): void {
    this.#sending = this.#mayHave = true;
    this.#inner.writeBuffer({ oncomplete: () => this.#sending = false }, clear);
  }

  /** Tells the peer that nothing more will come; waits for `take()` too. */
  sendEnd(): void {
    this.#mayHave = true;
    this.#inner.shutdown({});
  }

  /** The next bytes for the peer; `undefined`: there are none. */
  take(): Uint8Array<ArrayBuffer> | undefined {
    if (!this.#mayHave) return undefined;
    let encrypted = this.#inner.drainEncOut();
    if (this.#sending) {
      // It encrypts a part at a time, and the next one when it is asked for anything; or it says that this
      // was the last one.
      this.#inner.readBuffer(NOTHING);
      if (encrypted.length === 0) encrypted = this.#inner.drainEncOut();
    }
    this.#mayHave = this.#sending;
    return encrypted.length === 0 ? undefined : encrypted;
  }

  /** What the other end has shown, until `forgetCertificate()`. */
  get peerCertificate(): tls.DetailedPeerCertificate | undefined {
    return this.#socket?.getPeerCertificate(true) ?? undefined;
  }

  /** Whether authorities of ours vouch for it, and it is of this time. */
  get isPeerVerified(): boolean {
    return this.#inner.verifyError() === "";
  }

  /** Frees what only certificates need: there may be thousands of connections. */
  forgetCertificate(): void {
    this.#socket = undefined;
  }

  /** Frees all of it. Nothing else may be called then. */
  destroy(): void {
    this.#inner.destroySsl();
  }

  /** It was given something to read, a part at a time, or the end. */
  #onRead(): void {
    const unread = this.#inner.getBytesRead() - this.#handedOn;
    if (unread === 0) this.ended = true;
    const part = Math.min(unread, CLEAR.length);
    this.#handedOn += part;
    if (part > 0) this.#onClear(CLEAR.subarray(0, part));
  }
}

/** The inner end alone: whatever leads from it to the streams around it is taken away. */
function innerOf(socket: tls.TLSSocket): Inner {
  const inner = (socket as tls.TLSSocket & { readonly ssl?: Inner }).ssl;
  const missing = NEEDED.filter((name) => {
    return typeof Object.getPrototypeOf(inner ?? {})[name] !== "function";
  });
  if (inner === undefined || missing.length > 0) {
    const version = `Deno ${Deno.version.deno}`;
    throw new Error(
      `${version} has another TLS than Deno 2.9.6, with which TLS listeners work: ${
        ["there is no", ...missing].join(" ")
      }`,
    );
  }
  for (const key of Reflect.ownKeys(inner)) Reflect.deleteProperty(inner, key);
  return inner;
}
