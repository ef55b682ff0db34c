/**
 * TLS on one connection by Node's stack: Deno's own leaves Nagle's algorithm on, so that small writes
 * wait for the peer's delayed ACK, and cannot ask a client for its certificate.
 *
 *     Deno.TcpConn ─▶ TlsEngine ─▶ read()
 *     Deno.TcpConn ◀─ TlsEngine ◀─ write(), closeWrite()
 *
 * It reads from the network only while somebody reads from it, so that a peer that nobody reads is held
 * up by TCP.
 *
 * @module
 */
import type tls from "node:tls";
import { ByteQueue } from "../../shared/bytes/byte_queue.ts";
import { type ClientCertificate, closeQuietly, type PeerConn } from "./peer.ts";
import { certificateFault } from "./certificate_fault.ts";
import { type ClientAuthorities, MAX_CHAIN } from "./client_authorities.ts";
import { MAX_RECEIVED, TlsEngine } from "./tls_engine.ts";

/** Read buffer of a handshake: a client's first words are 2 KiB at most, but for odd ones. */
const HANDSHAKE_READ = 4 << 10;
/** A TLS record of full size on the wire (RFC 8446 §5.2): this much can wait in the engine for its rest. */
const RECORD_BYTES = (16 << 10) + 256 + 5;

/**
 * Buffers of that size are freed as soon as they are used up. Left to the garbage collector, whose turn
 * comes after tens of megabytes of them, each new one would be fresh pages of the kernel.
 */
const MIN_FREED = 4 << 10;

/** Whose certificates count: in this handshake, and at any moment after it. */
export interface Trust {
  readonly inHandshake: ClientAuthorities;
  now(): ClientAuthorities | undefined;
  /** Lets in a client whose certificate is not good, as one that shows none. @default false */
  readonly admitsUnproven?: boolean | undefined;
}

interface HandshakeOptions {
  readonly context: tls.SecureContext;
  readonly alpn: readonly string[];
  /** Asks for the client's certificate, if there is somebody who could vouch for it. */
  readonly trust?: Trust | undefined;
  /** False for the end that dials. @default true */
  readonly isServer?: boolean;
}

/** The certificate of a listener that was dialled: whoever dials decides what it is worth. */
export interface ShownCertificate {
  /** DER; its own first. */
  readonly chain: readonly Uint8Array[];
  /** An authority of the context vouches for it, and it is of this time. Its names were not looked at. */
  readonly isVerified: boolean;
}

/** One connection with TLS. */
export class TlsConn implements PeerConn {
  readonly encrypted = true;
  readonly remoteAddr: Deno.Addr;
  readonly #conn: Deno.TcpConn;
  readonly #engine: TlsEngine;
  #certificate: ClientCertificate | undefined;
  #certificateFault: string | undefined;
  #shown: ShownCertificate | undefined;
  /** What a reader gets into its hands, how much of it has come, and how much may. */
  #into: Uint8Array | undefined;
  #filled = 0;
  #room = 0;
  /** What became readable beyond that. */
  #rest: ByteQueue | undefined;
  /** The last read from the network filled its buffer. */
  #isBusy = false;
  /** Bytes are on their way to the network. */
  #sending: Promise<void> | undefined;
  #closed = false;

  private constructor(conn: Deno.TcpConn, { context, alpn, trust, isServer }: HandshakeOptions) {
    this.#conn = conn;
    this.remoteAddr = conn.remoteAddr;
    this.#engine = new TlsEngine({
      context,
      alpn,
      requestCert: trust !== undefined,
      isServer: isServer ?? true,
      onClear: (bytes) => this.#onClear(bytes),
    });
  }

  /** @throws {Error} If it fails, or the client shows a certificate that is not good. */
  static async handshake(conn: Deno.TcpConn, options: HandshakeOptions): Promise<TlsConn> {
    conn.setNoDelay();
    const secured = new TlsConn(conn, options);
    try {
      await secured.#shakeHands(options);
      return secured;
    } catch (error) {
      secured.close();
      throw error;
    }
  }

  /** What the client has shown. */
  get certificate(): ClientCertificate | undefined {
    return this.#certificate;
  }

  /** What is wrong with the one that the client has shown, if that was let in nevertheless. */
  get certificateFault(): string | undefined {
    return this.#certificateFault;
  }

  /** What the listener has shown, to the end that dialled it. */
  get shown(): ShownCertificate | undefined {
    return this.#shown;
  }

  async read(into: Uint8Array): Promise<number | null> {
    if (this.#rest !== undefined) return this.#takeRest(into);
    for (let read = 0;;) {
      if (read > 0) return read;
      if (this.#engine.error !== undefined) throw this.#engine.error;
      if (this.#engine.ended) return null;
      const buffer = this.#readBuffer(into);
      const n = await this.#conn.read(buffer);
      // Its own last word may be missing: HTTP/2 and WebSocket know where they end.
      if (n === null) return null;
      this.#isBusy = n === buffer.length;
      read = this.#decrypt(buffer.subarray(0, n), into);
    }
  }

  /** Resolves when the kernel has taken all of it. */
  async write(bytes: Uint8Array): Promise<number> {
    while (this.#sending !== undefined) await this.#sending;
    if (this.#closed) throw new Deno.errors.BadResource("The connection is closed");
    if (this.#engine.error !== undefined) throw this.#engine.error;
    this.#engine.send(bytes);
    await this.#send();
    return bytes.length;
  }

  async closeWrite(): Promise<void> {
    while (this.#sending !== undefined) await this.#sending;
    if (this.#closed) return;
    this.#engine.sendEnd();
    await this.#send();
    await this.#conn.closeWrite();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#rest = undefined;
    this.#engine.destroy();
    closeQuietly(this.#conn);
  }

  setNoDelay(): void {
    this.#conn.setNoDelay();
  }

  async #shakeHands({ trust, isServer = true }: HandshakeOptions): Promise<void> {
    const buffer = new Uint8Array(HANDSHAKE_READ);
    if (!isServer) await this.#send();
    while (!this.#engine.established) {
      const n = await this.#conn.read(buffer);
      if (n === null) throw new Error(isServer ? "The client is gone" : "The listener is gone");
      this.#engine.receive(buffer.subarray(0, n));
      await this.#send();
      if (this.#engine.error !== undefined) throw this.#engine.error;
    }
    if (trust !== undefined) await this.#readCertificate(trust);
    if (!isServer) this.#shown = shownBy(this.#engine);
    this.#engine.forgetCertificate();
  }

  async #readCertificate(trust: Trust): Promise<void> {
    const chain = chainOf(this.#engine.peerCertificate);
    if (chain.length === 0) return;
    if (this.#engine.isPeerVerified) {
      this.#certificate = await certificateOf(chain, trust);
      return;
    }
    const authorities = trust.inHandshake;
    const fault = await certificateFault(chain, { authorities, as: ["client"] }) ?? "is not good";
    if (!trust.admitsUnproven) throw new Error(`The client's certificate ${fault}`);
    this.#certificateFault = fault;
  }

  /**
   * Where encrypted bytes are read to. A pending read keeps it, so it is the reader's own: for many
   * bytes its end, because what is decrypted goes to its start meanwhile.
   */
  #readBuffer(into: Uint8Array): Uint8Array {
    if (into.length > 2 * RECORD_BYTES) return into.subarray(RECORD_BYTES);
    return this.#isBusy ? new Uint8Array(MAX_RECEIVED) : into.subarray(0, MAX_RECEIVED);
  }

  /** @returns How many bytes stand in `into`. */
  #decrypt(encrypted: Uint8Array, into: Uint8Array): number {
    this.#into = into;
    this.#filled = 0;
    for (let at = 0; at < encrypted.length && !this.#closed; at += MAX_RECEIVED) {
      const isAll = encrypted.length <= MAX_RECEIVED;
      const part = isAll ? encrypted : encrypted.subarray(at, at + MAX_RECEIVED);
      const isLast = at + part.length === encrypted.length;
      const end = part.byteOffset + part.length - into.byteOffset;
      // What the engine does not have yet must stay.
      this.#room = isLast || part.buffer !== into.buffer ? into.length : end;
      this.#engine.receive(part);
    }
    this.#into = undefined;
    // What TLS itself has to say, such as an alert. Whoever sends takes it along.
    if (this.#sending === undefined && !this.#closed) this.#send().catch(() => {});
    return this.#filled;
  }

  #onClear(bytes: Uint8Array): void {
    let n = 0;
    if (this.#into !== undefined && this.#rest === undefined) {
      n = Math.min(bytes.length, this.#room - this.#filled);
      this.#into.set(n === bytes.length ? bytes : bytes.subarray(0, n), this.#filled);
      this.#filled += n;
    }
    if (n < bytes.length) (this.#rest ??= new ByteQueue()).push(bytes.subarray(n));
  }

  #takeRest(into: Uint8Array): number {
    const bytes = this.#rest!.peek(into.length);
    into.set(bytes);
    this.#rest!.drop(bytes.length);
    if (this.#rest!.length === 0) this.#rest = undefined;
    return bytes.length;
  }

  /** Sends all that waits in the engine. */
  #send(): Promise<void> {
    const first = this.#engine.take();
    if (first === undefined) return NOTHING_TO_SEND;
    return this.#sending = this.#sendAll(first);
  }

  async #sendAll(first: Uint8Array<ArrayBuffer>): Promise<void> {
    try {
      for (let next: typeof first | undefined = first; next !== undefined;) {
        // As `writeAll()` does, without a promise of its own for each small write.
        for (let at = 0; at < next.length;) {
          at += await this.#conn.write(at === 0 ? next : next.subarray(at));
        }
        free(next);
        next = this.#closed ? undefined : this.#engine.take();
      }
    } finally {
      this.#sending = undefined;
    }
  }
}

const NOTHING_TO_SEND = Promise.resolve();

/** Frees what nobody else has, when it is large. */
function free({ buffer, byteLength }: Uint8Array<ArrayBuffer>): void {
  if (byteLength >= MIN_FREED && byteLength === buffer.byteLength) buffer.transfer(0);
}

/** The prefix of each kind of name, as an auth file has it. */
const KINDS: Readonly<Record<string, string>> = {
  dns: "dns",
  url: "uri",
  email: "email",
  ip: "ip",
};

/**
 * What the client has shown, and TLS has verified. Names are read from its bytes: the text that Node
 * makes of them can be forged by a name with a comma.
 */
async function certificateOf(
  chain: readonly Uint8Array[],
  trust: Trust,
): Promise<ClientCertificate> {
  const x509 = await import("../../shared/tls/x509.ts");
  const certificate = new x509.X509Certificate(new Uint8Array(chain[0]!));
  const names = certificate.getExtension(x509.SubjectAlternativeNameExtension)?.names.toJSON() ??
    [];
  let trusted = trust.inHandshake;
  const isVouchedFor = () => {
    const authorities = trust.now();
    if (authorities !== trusted && authorities?.vouchFor(chain)) trusted = authorities;
    return authorities === trusted;
  };
  return {
    isVouchedFor,
    notAfterMs: certificate.notAfter.getTime(),
    names: names.flatMap(({ type, value }) => {
      const kind = KINDS[type];
      return kind === undefined ? [] : [`${kind}:${value}`];
    }),
  };
}

function shownBy(engine: TlsEngine): ShownCertificate {
  const chain = chainOf(engine.peerCertificate);
  if (chain.length === 0) throw new Error("The listener shows no certificate");
  return { chain, isVerified: engine.isPeerVerified };
}

/** What the other end has shown, its own certificate first. */
function chainOf(shown: tls.DetailedPeerCertificate | undefined): Uint8Array[] {
  const chain: Uint8Array[] = [];
  let link = shown;
  while (link?.raw !== undefined && chain.length < MAX_CHAIN) {
    chain.push(new Uint8Array(link.raw));
    // An authority is its own issuer.
    link = link.issuerCertificate === link ? undefined : link.issuerCertificate;
  }
  return chain;
}
