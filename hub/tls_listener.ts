/**
 * TLS listeners whose certificate can change while they listen.
 *
 * | | {@linkcode SwiftTlsListener} | {@linkcode AskingTlsListener} |
 * | --- | --- | --- |
 * | TLS by | Deno | Node's stack over Deno's TCP |
 * | asks for client certificates | no | yes |
 * | costs | – | half of the throughput, 0.1 ms more for a handshake |
 * | another certificate | listens anew: who dials in that millisecond has to try again | from the next handshake on |
 *
 * Both speak TLS 1.2 and 1.3, and leave connections that stand alone.
 *
 * @module
 */
import tls from "node:tls";
import type { ListenAddress, TlsIdentity } from "./hub_options.ts";
import { closeQuietly } from "./socket.ts";
import { TlsConn } from "./tls_conn.ts";

/** A client that has not ended its handshake by then is closed. */
const HANDSHAKE_TIMEOUT_MS = 10_000;
/** Handshakes under way; more clients are closed at once. */
const MAX_HANDSHAKES = 1_000;
/** To get one's own port again, waiting a little longer each time: five seconds in all. */
const MAX_TRIES = 100;
/** Pause after a failed accept. */
const PAUSE_MS = 100;

export interface TlsListenOptions extends ListenAddress {
  readonly tls: TlsIdentity;
  readonly alpn: readonly string[];
}

/** A listener of this module. */
export interface TlsListener extends Disposable {
  readonly addr: Deno.Addr;
  accept(): Promise<Deno.Conn>;
  /**
   * From now on handshakes use this certificate.
   *
   * @throws {Error} If it cannot be used; then the one before it stays.
   */
  use(identity: TlsIdentity): Promise<void>;
  close(): void;
}

/** Listens with TLS. Throws as `Deno.listenTls` does. */
export function listenTls(options: TlsListenOptions): TlsListener {
  return options.tls.clientCa === undefined
    ? new SwiftTlsListener(options)
    : new AskingTlsListener(options);
}

/** See the module's head. */
export class SwiftTlsListener implements TlsListener {
  readonly #alpn: readonly string[];
  #listener: Deno.TlsListener;
  #changing: Promise<void> | undefined;
  #closed = false;

  constructor({ hostname, port, tls, alpn }: TlsListenOptions) {
    this.#alpn = alpn;
    this.#listener = listenWith(tls, { hostname, port, alpn });
  }

  get addr(): Deno.NetAddr {
    return this.#listener.addr as Deno.NetAddr;
  }

  async accept(): Promise<Deno.Conn> {
    for (;;) {
      const listener = this.#listener;
      try {
        return await listener.accept();
      } catch (error) {
        // Or another one takes its place.
        if (listener === this.#listener && this.#changing === undefined) throw error;
        await this.#changing;
      }
    }
  }

  async use(tls: TlsIdentity): Promise<void> {
    // A certificate that cannot be used must not cost us the port.
    tlsContext(tls);
    await this.#changing;
    if (this.#closed) return;
    this.#changing = this.#listenAnew(tls);
    try {
      await this.#changing;
    } finally {
      this.#changing = undefined;
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    try {
      this.#listener.close();
    } catch {
      // It was closed to be listened on anew.
    }
  }

  /** The port is free only when the pending accept has let it go. */
  async #listenAnew(tls: TlsIdentity): Promise<void> {
    const { hostname, port } = this.addr;
    this.#listener.close();
    for (let tries = 1; !this.#closed; tries++) {
      try {
        this.#listener = listenWith(tls, { hostname, port, alpn: this.#alpn });
        return;
      } catch (error) {
        if (!(error instanceof Deno.errors.AddrInUse) || tries === MAX_TRIES) throw error;
        await new Promise((resolve) => setTimeout(resolve, tries));
      }
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function listenWith(
  { cert, key }: TlsIdentity,
  { hostname, port, alpn }: Omit<TlsListenOptions, "tls">,
): Deno.TlsListener {
  return Deno.listenTls({ hostname, port, alpnProtocols: [...alpn], cert, key });
}

/** See the module's head. */
export class AskingTlsListener implements TlsListener {
  readonly #listener: Deno.TcpListener;
  readonly #alpn: readonly string[];
  /** Of the next handshake. */
  #context: tls.SecureContext;
  readonly #handshakes = new Set<Deno.TcpConn>();
  readonly #ready: TlsConn[] = [];
  #waiting: PromiseWithResolvers<Deno.Conn> | undefined;
  #ended: Error | undefined;

  constructor({ hostname, port, tls: identity, alpn }: TlsListenOptions) {
    this.#alpn = alpn;
    this.#context = tlsContext(identity);
    this.#listener = Deno.listen({ hostname, port });
    void this.#run();
  }

  get addr(): Deno.NetAddr {
    return this.#listener.addr;
  }

  accept(): Promise<Deno.Conn> {
    const next = this.#ready.shift();
    if (next !== undefined) return Promise.resolve(next as unknown as Deno.Conn);
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    this.#waiting = Promise.withResolvers();
    return this.#waiting.promise;
  }

  // deno-lint-ignore require-await -- as its sibling
  async use(identity: TlsIdentity): Promise<void> {
    this.#context = tlsContext(identity);
  }

  close(): void {
    this.#listener.close();
    for (const conn of this.#handshakes) closeQuietly(conn);
    for (const conn of this.#ready.splice(0)) conn.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #run(): Promise<void> {
    for (;;) {
      try {
        const conn = await this.#listener.accept();
        if (this.#handshakes.size >= MAX_HANDSHAKES) closeQuietly(conn);
        else void this.#shakeHands(conn);
      } catch (error) {
        if (!(error instanceof Deno.errors.BadResource)) {
          // EMFILE, or a connection that was gone before it was taken: the listener lives on.
          await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
          continue;
        }
        this.#ended = error;
        this.#waiting?.reject(error);
        this.#waiting = undefined;
        return;
      }
    }
  }

  async #shakeHands(conn: Deno.TcpConn): Promise<void> {
    this.#handshakes.add(conn);
    const timer = setTimeout(() => closeQuietly(conn), HANDSHAKE_TIMEOUT_MS);
    try {
      const secured = await TlsConn.handshake(conn, { context: this.#context, alpn: this.#alpn });
      if (this.#waiting !== undefined) this.#waiting.resolve(secured as unknown as Deno.Conn);
      else if (this.#ended !== undefined) secured.close();
      else this.#ready.push(secured);
      this.#waiting = undefined;
    } catch {
      // A handshake that failed is that client's own affair.
      closeQuietly(conn);
    } finally {
      clearTimeout(timer);
      this.#handshakes.delete(conn);
    }
  }
}

/** Checks a certificate and its key, and makes them ready. */
function tlsContext({ cert, key, clientCa }: TlsIdentity): tls.SecureContext {
  const ca = clientCa === undefined ? {} : { ca: clientCa };
  return tls.createSecureContext({ cert, key, minVersion: "TLSv1.2", ...ca });
}
