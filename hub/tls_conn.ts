/**
 * TLS on one connection by Node's stack, which can ask a client for its certificate: Deno's own
 * cannot.
 *
 *     Deno.TcpConn ◀─▶ Duplex ◀─▶ tls.TLSSocket ◀─▶ TlsConn { read, write, closeWrite, close }
 *
 * @module
 */
import type net from "node:net";
import { Duplex } from "node:stream";
import tls from "node:tls";
import * as x509 from "../shared/tls/x509.ts";
import type { ClientCertificate } from "./auth.ts";
import { type ClientAuthorities, MAX_CHAIN } from "./client_authorities.ts";
import { closeQuietly, writeAll } from "./socket.ts";

const READ_BYTES = 64 << 10;

/** Whose certificates count: in this handshake, and at any moment after it. */
export interface Trust {
  readonly inHandshake: ClientAuthorities;
  now(): ClientAuthorities | undefined;
}

/** One connection with TLS, as far as the hub uses a `Deno.Conn`. */
export class TlsConn {
  readonly encrypted = true;
  readonly certificate: ClientCertificate | undefined;
  readonly remoteAddr: Deno.Addr;
  readonly #conn: Deno.TcpConn;
  readonly #socket: tls.TLSSocket;
  /** What was taken from the socket and did not fit into one read. */
  #rest: Uint8Array | undefined;
  #ended = false;
  #error: Error | undefined;
  #wake: (() => void) | undefined;

  private constructor(
    { conn, duplex, socket, trust }: {
      readonly conn: Deno.TcpConn;
      readonly duplex: Duplex;
      readonly socket: tls.TLSSocket;
      readonly trust: Trust | undefined;
    },
  ) {
    this.#conn = conn;
    this.#socket = socket;
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
    const duplex = duplexOf(conn);
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
    let rest = this.#rest ?? this.#take();
    while (rest === undefined) {
      if (this.#error !== undefined) throw this.#error;
      if (this.#ended) return null;
      await new Promise<void>((resolve) => this.#wake = resolve);
      rest = this.#take();
    }
    const n = Math.min(into.length, rest.length);
    into.set(rest.subarray(0, n));
    this.#rest = n === rest.length ? undefined : rest.subarray(n);
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

  /** All that has come; the socket then reads on, as far as its own buffer goes. */
  #take(): Uint8Array | undefined {
    return this.#socket.read() as Uint8Array | null ?? undefined;
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

/** A connection as the stream that Node's TLS wants; Node's own sockets lose the end after a pause. */
function duplexOf(conn: Deno.TcpConn): Duplex {
  let reading = false;
  return new Duplex({
    allowHalfOpen: true,
    read() {
      if (reading) return;
      reading = true;
      const buffer = new Uint8Array(READ_BYTES);
      conn.read(buffer).then((n) => {
        reading = false;
        this.push(n === null ? null : buffer.subarray(0, n));
      }, (error) => this.destroy(error));
    },
    write(chunk, _encoding, done) {
      writeAll(conn, chunk).then(() => done(), done);
    },
    final(done) {
      // A peer that is gone needs no goodbye.
      conn.closeWrite().then(() => done(), () => done());
    },
    destroy(error, done) {
      closeQuietly(conn);
      done(error);
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
  socket: tls.TLSSocket & { ssl?: { verifyError?(): unknown } },
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
