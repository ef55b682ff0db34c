/**
 * TLS on one connection by Node's stack: Deno's own leaves Nagle's algorithm on, so that small writes
 * wait for the peer's delayed ACK, and cannot ask a client for its certificate.
 *
 *     Deno.TcpConn ◀─▶ TcpStream ◀─▶ tls.TLSSocket ◀─▶ TlsConn { read, write, closeWrite, close }
 *
 * @module
 */
import type net from "node:net";
import { Duplex } from "node:stream";
import tls from "node:tls";
import * as x509 from "../../shared/tls/x509.ts";
import { type ClientCertificate, closeQuietly, type PeerConn, writeAll } from "./peer.ts";
import { type ClientAuthorities, MAX_CHAIN } from "./client_authorities.ts";

/** Read buffer of a quiet connection: a pending read keeps it, in thousands of connections. */
const SMALL_READ = 1 << 10;
/**
 * Read buffer of a busy one: one TLS record of full size (RFC 8446 §5.2). With larger ones Deno's TLS
 * moves the rest of the buffer for each record, and takes twice the time (Deno 2.9.6).
 */
const RECORD_READ = (16 << 10) + 256 + 5;

/** Reads in a row that a small buffer would have held, after which a small one is used again. */
const QUIET_READS = 16;
/** Bytes that are decrypted and not taken, with which no more are read; one read can exceed it. */
const MAX_UNREAD = 64 << 10;

/**
 * Buffers of that size are freed as soon as they are used up. Left to the garbage collector, whose turn
 * comes after tens of megabytes of them, each new one would be fresh pages of the kernel.
 */
const MIN_FREED = 4 << 10;

/** Whose certificates count: in this handshake, and at any moment after it. */
export interface Trust {
  readonly inHandshake: ClientAuthorities;
  now(): ClientAuthorities | undefined;
}

/** One connection with TLS. */
export class TlsConn implements PeerConn {
  readonly encrypted = true;
  readonly certificate: ClientCertificate | undefined;
  readonly remoteAddr: Deno.Addr;
  readonly #conn: Deno.TcpConn;
  readonly #duplex: TcpStream;
  readonly #socket: tls.TLSSocket;
  /** What was taken from the socket, and how much of it was read. */
  #taken: Uint8Array | undefined;
  #readBytes = 0;
  #ended = false;
  #error: Error | undefined;
  #wake: (() => void) | undefined;

  private constructor(
    { conn, duplex, socket, trust }: {
      readonly conn: Deno.TcpConn;
      readonly duplex: TcpStream;
      readonly socket: tls.TLSSocket;
      readonly trust: Trust | undefined;
    },
  ) {
    this.#conn = conn;
    this.#duplex = duplex;
    this.#socket = socket;
    duplex.isFull = () => socket.readableLength >= MAX_UNREAD;
    this.remoteAddr = conn.remoteAddr;
    this.certificate = trust && readCertificate(socket, trust);
    socket.on("readable", () => this.#signal());
    socket.on("end", () => this.#end());
    // Deno's TLS socket sometimes misses the end of the stream below it. All that came before has
    // been decrypted by then, and waits in the socket.
    duplex.once("end", () => setImmediate(() => this.#end()));
    socket.on("close", () => this.#end());
    socket.on("error", (error: Error) => {
      this.#error ??= error;
      this.#end();
    });
  }

  /** @throws {Error} If it fails, or the client shows a certificate that is not good. */
  static async handshake(
    conn: Deno.TcpConn,
    { context, alpn, trust }: {
      readonly context: tls.SecureContext;
      readonly alpn: readonly string[];
      /** Asks for the client's certificate, if there is somebody who could vouch for it. */
      readonly trust?: Trust | undefined;
    },
  ): Promise<TlsConn> {
    conn.setNoDelay(true);
    const duplex = new TcpStream(conn);
    const options = {
      isServer: true,
      secureContext: context,
      ALPNProtocols: [...alpn],
      requestCert: trust !== undefined,
      // Those without a certificate may have a token: `readCertificate` refuses bad ones.
      rejectUnauthorized: false,
      allowHalfOpen: true,
    };
    const socket = new tls.TLSSocket(duplex as unknown as net.Socket, options);
    sendUncopied(socket);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    socket.once("secure", resolve);
    socket.on("error", reject);
    socket.once("close", () => reject(new Error("The client is gone")));
    duplex.on("error", reject);
    duplex.once("end", () => reject(new Error("The client is gone")));
    try {
      await promise;
      return new TlsConn({ conn, duplex, socket, trust });
    } catch (error) {
      socket.destroy();
      throw error;
    }
  }

  async read(into: Uint8Array): Promise<number | null> {
    let taken = this.#taken ?? this.#take();
    while (taken === undefined) {
      if (this.#error !== undefined) throw this.#error;
      if (this.#ended) return null;
      await new Promise<void>((resolve) => this.#wake = resolve);
      taken = this.#take();
    }
    const from = this.#readBytes;
    const n = Math.min(into.length, taken.length - from);
    into.set(taken.subarray(from, from + n));
    const isUsedUp = from + n === taken.length;
    this.#taken = isUsedUp ? undefined : taken;
    this.#readBytes = isUsedUp ? 0 : from + n;
    if (isUsedUp) free(taken);
    return n;
  }

  /** Resolves when the socket has taken all of it. */
  write(bytes: Uint8Array): Promise<number> {
    return new Promise((resolve, reject) => {
      if (this.#socket.destroyed) return reject(this.#error ?? new Deno.errors.BadResource());
      this.#socket.write(bytes, (error) => error ? reject(error) : resolve(bytes.length));
    });
  }

  closeWrite(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#socket.destroyed) resolve();
      else this.#socket.end(() => resolve());
    });
  }

  close(): void {
    this.#socket.destroy();
    closeQuietly(this.#conn);
    this.#end();
  }

  setNoDelay(on: boolean): void {
    this.#conn.setNoDelay(on);
  }

  /** All that has come; then there is room for more. */
  #take(): Uint8Array | undefined {
    const bytes = this.#socket.read() as Uint8Array | null ?? undefined;
    this.#duplex.readOn();
    return bytes;
  }

  #end(): void {
    this.#ended = true;
    this.#signal();
  }

  #signal(): void {
    this.#wake?.();
    this.#wake = undefined;
  }
}

/**
 * A connection as the stream that Node's TLS wants: Node's own sockets lose the end after a pause, and
 * Node's own server never accepts again after it once had no file descriptor left (Deno 2.9.6).
 */
class TcpStream extends Duplex {
  readonly #conn: Deno.TcpConn;
  #reading = false;
  /** Somebody would take more. */
  #wanted = false;
  /** Of the next read. */
  #readBytes = SMALL_READ;
  /** Was read, and holds nothing that is still wanted. */
  #spare: Uint8Array | undefined;
  #quietReads = 0;
  /** Whether enough is decrypted that nobody has taken yet: Node's TLS would read on (Deno 2.9.6). */
  isFull: () => boolean = () => false;

  constructor(conn: Deno.TcpConn) {
    super({ allowHalfOpen: true });
    this.#conn = conn;
  }

  override _read(): void {
    this.#wanted = true;
    this.readOn();
  }

  /** Reads, if more is wanted and there is room. */
  readOn(): void {
    if (this.#reading || !this.#wanted || this.isFull()) return;
    this.#reading = true;
    this.#wanted = false;
    const spare = this.#spare;
    const buffer = spare?.length === this.#readBytes ? spare : new Uint8Array(this.#readBytes);
    this.#spare = undefined;
    this.#conn.read(buffer).then((n) => {
      this.#reading = false;
      this.#adapt(n ?? 0);
      // Node's TLS copies what it gets. It has got this, unless it waits here or is asked for already.
      this.push(n === null ? null : buffer.subarray(0, n));
      if (this.readableLength === 0 && !this.#reading) this.#spare = buffer;
    }, (error) => this.destroy(error));
  }

  /** The size of the next read, after one of `n` bytes. */
  #adapt(n: number): void {
    if (n > SMALL_READ || n === this.#readBytes) {
      this.#readBytes = RECORD_READ;
      this.#quietReads = 0;
    } else if (++this.#quietReads >= QUIET_READS) this.#readBytes = SMALL_READ;
  }

  override _write(chunk: Uint8Array, _encoding: string, done: (error?: Error) => void): void {
    writeAll(this.#conn, chunk).then(() => {
      free(chunk);
      done();
    }, done);
  }

  override _final(done: (error?: Error) => void): void {
    // A peer that is gone needs no goodbye.
    this.#conn.closeWrite().then(() => done(), () => done());
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    closeQuietly(this.#conn);
    done(error);
  }
}

/** Frees what nobody else has, when it is large. Small buffers of Node share their memory. */
function free({ buffer, byteLength }: Uint8Array): void {
  if (byteLength < MIN_FREED || byteLength !== buffer.byteLength) return;
  if (buffer instanceof ArrayBuffer) buffer.transfer(0);
}

/** The inner end of Node's TLS in Deno, as far as it is used. */
interface TlsHandle {
  drainEncOut?(): Uint8Array<ArrayBuffer>;
  verifyError?(): unknown;
}
type Inside = tls.TLSSocket & { ssl?: TlsHandle };

/**
 * Lets Node's TLS hand on what it has encrypted. It makes a `new Uint8Array(…)` of that, which copies an
 * array, and not a buffer (Deno 2.9.6). Without such a method nothing changes but the speed.
 */
function sendUncopied({ ssl }: Inside): void {
  const drain = ssl?.drainEncOut;
  if (ssl === undefined || drain === undefined) return;
  Object.assign(ssl, {
    drainEncOut() {
      const bytes = drain.call(ssl);
      return bytes.byteLength === bytes.buffer.byteLength ? bytes.buffer : bytes;
    },
  });
}

/** The prefix of each kind of name, as an auth file has it. */
const KINDS: Readonly<Record<string, string>> = {
  dns: "dns",
  url: "uri",
  email: "email",
  ip: "ip",
};

/**
 * What the client has shown. Names are read from its bytes: the text that Node makes of them can be
 * forged by a name with a comma.
 *
 * @throws {Error} If it is of no authority of ours, or not of this time.
 */
function readCertificate(
  socket: Inside,
  trust: Trust,
): ClientCertificate | undefined {
  const chain = chainOf(socket.getPeerCertificate(true));
  const [raw] = chain;
  if (raw === undefined) return undefined;
  const verifyError = socket.ssl?.verifyError;
  const error = verifyError === undefined ? "unknown" : verifyError.call(socket.ssl);
  // Node says null where nothing is wrong, Deno's Node says "".
  if (error !== null && error !== "") {
    throw new Error("The client's certificate is not good");
  }
  const certificate = new x509.X509Certificate(new Uint8Array(raw));
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

/** What the handshake has verified, the client's own certificate first. */
function chainOf(shown: tls.DetailedPeerCertificate | null): Uint8Array[] {
  const chain: Uint8Array[] = [];
  let link = shown ?? undefined;
  while (link?.raw !== undefined && chain.length < MAX_CHAIN) {
    chain.push(new Uint8Array(link.raw));
    // An authority is its own issuer.
    link = link.issuerCertificate === link ? undefined : link.issuerCertificate;
  }
  return chain;
}
