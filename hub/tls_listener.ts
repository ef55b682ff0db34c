/**
 * TLS listeners whose certificate can change while they listen.
 *
 * | | {@linkcode SwiftTlsListener} | {@linkcode AskingTlsListener} |
 * | --- | --- | --- |
 * | TLS by | Deno | Node's stack over Deno's TCP |
 * | asks for client certificates | no | yes |
 * | costs | – | half of the throughput, 0.1 ms more for a handshake |
 * | another certificate | a second listener takes the port over, see `#run` | from the next handshake on |
 *
 * Both speak TLS 1.2 and 1.3, and leave connections that stand alone.
 *
 * @module
 */
import tls from "node:tls";
import { SharedPlaces } from "../shared/shared_places.ts";
import { isGone, PAUSE_MS } from "./accept_loop.ts";
import { networkOf } from "./auth/throttle.ts";
import type { ListenAddress, TlsIdentity } from "./hub_options.ts";
import { closeQuietly, hostOf, remoteAddressOf } from "./socket.ts";
import { TlsConn } from "./tls_conn.ts";

/** A client that has not ended its handshake by then is closed. */
const HANDSHAKE_TIMEOUT_MS = 10_000;
/** Handshakes under way, shared by the addresses that dial; more clients are closed at once. */
const MAX_HANDSHAKES = 1_000;
/** A listener that was succeeded closes in a moment when nobody waits in it; at the latest then. */
const RETIRE_MS = 50;
/** So many turns behind an accept, it is known whether somebody waited; Deno's own needs two. */
const MICROTASKS = 4;

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

/** Connections that loops accept, for the one that asks for them. */
class Arrivals {
  readonly #ready: { readonly conn: Deno.Conn | Error; taken(): void }[] = [];
  #waiting: PromiseWithResolvers<Deno.Conn> | undefined;
  #end: Error | undefined;

  /** Resolves when it was taken, or closed because nobody will ask any more. */
  put(conn: Deno.Conn | Error): Promise<void> {
    if (this.#end !== undefined) discard(conn);
    else if (this.#waiting === undefined) {
      return new Promise((taken) => this.#ready.push({ conn, taken }));
    } else if (conn instanceof Error) this.#waiting.reject(conn);
    else this.#waiting.resolve(conn);
    this.#waiting = undefined;
    return Promise.resolve();
  }

  /** The next one, or the error in its place. */
  async take(): Promise<Deno.Conn> {
    const next = this.#ready.shift();
    next?.taken();
    if (next?.conn instanceof Error) throw next.conn;
    if (next !== undefined) return next.conn;
    if (this.#end !== undefined) throw this.#end;
    this.#waiting = Promise.withResolvers();
    return await this.#waiting.promise;
  }

  /** No more will come, and nobody will ask for what is here. */
  end(error: Error): void {
    this.#end = error;
    this.#waiting?.reject(error);
    for (const { conn, taken } of this.#ready.splice(0)) {
      discard(conn);
      taken();
    }
  }
}

function discard(conn: Deno.Conn | Error): void {
  if (!(conn instanceof Error)) closeQuietly(conn);
}

/** See the module's head. */
export class SwiftTlsListener implements TlsListener {
  readonly addr: Deno.NetAddr;
  readonly #alpn: readonly string[];
  readonly #arrivals = new Arrivals();
  #listener: Deno.TlsListener;
  #running: Promise<void>;
  #closed = false;

  constructor({ hostname, port, tls, alpn }: TlsListenOptions) {
    // Alone first: a port that can be shared would be shared with a second hub, in silence.
    if (port !== 0) Deno.listen({ hostname, port }).close();
    this.#alpn = alpn;
    this.#listener = listenWith(tls, { hostname, port, alpn });
    this.addr = this.#listener.addr as Deno.NetAddr;
    this.#running = this.#run(this.#listener);
  }

  accept(): Promise<Deno.Conn> {
    return this.#arrivals.take();
  }

  async use(tls: TlsIdentity): Promise<void> {
    tlsContext(tls);
    if (this.#closed) return;
    const [last, ended] = [this.#listener, this.#running];
    const { hostname, port } = this.addr;
    this.#listener = listenWith(tls, { hostname, port, alpn: this.#alpn });
    this.#running = this.#run(this.#listener);
    const timer = setTimeout(() => closeQuietly(last), RETIRE_MS);
    await ended;
    clearTimeout(timer);
  }

  close(): void {
    this.#closed = true;
    closeQuietly(this.#listener);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * Accepts until the listener is closed; one that has a successor closes itself.
   *
   * The two share the port for that moment, so that nobody finds it closed. The older one ends when
   * nobody waits in it: right behind somebody who came, or after a while in which nobody did. Who
   * is just then in the middle of TCP's own handshake with it is reset by the kernel, unless
   * `net.ipv4.tcp_migrate_req` is 1: then the kernel hands him over to the other one.
   */
  async #run(listener: Deno.TlsListener): Promise<void> {
    for (;;) {
      const accepted = listener.accept();
      if (this.#listener !== listener && !(await isSettled(accepted))) closeQuietly(listener);
      try {
        await this.#arrivals.put(await accepted);
      } catch (error) {
        if (!(error instanceof Deno.errors.BadResource)) {
          await this.#arrivals.put(error as Error);
        } else if (this.#listener === listener) return this.#arrivals.end(error);
        else return;
      }
    }
  }
}

/** Whether a promise had its outcome already; an accept has, if somebody waited. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const settle = () => settled = true;
  promise.then(settle, settle);
  for (let i = 0; i < MICROTASKS; i++) await undefined;
  return settled;
}

function listenWith(
  { cert, key }: TlsIdentity,
  { hostname, port, alpn }: Omit<TlsListenOptions, "tls">,
): Deno.TlsListener {
  const alpnProtocols = [...alpn];
  return Deno.listenTls({ hostname, port, alpnProtocols, cert, key, reusePort: true });
}

/** See the module's head. */
export class AskingTlsListener implements TlsListener {
  readonly #listener: Deno.TcpListener;
  readonly #alpn: readonly string[];
  /** Of the next handshake. */
  #context: tls.SecureContext;
  readonly #handshakes = new Set<Deno.TcpConn>();
  readonly #places = new SharedPlaces(MAX_HANDSHAKES);
  readonly #arrivals = new Arrivals();

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
    return this.#arrivals.take();
  }

  // deno-lint-ignore require-await -- as its sibling
  async use(identity: TlsIdentity): Promise<void> {
    this.#context = tlsContext(identity);
  }

  close(): void {
    this.#listener.close();
    for (const conn of this.#handshakes) closeQuietly(conn);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #run(): Promise<void> {
    for (;;) {
      try {
        const conn = await this.#listener.accept();
        const place = this.#places.take(networkOf(hostOf(remoteAddressOf(conn))));
        if (place === undefined) closeQuietly(conn);
        else void this.#shakeHands(conn, place);
      } catch (error) {
        if (isGone(error)) continue;
        if (!(error instanceof Deno.errors.BadResource)) {
          // EMFILE and the like: the listener itself lives on.
          await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
          continue;
        }
        return this.#arrivals.end(error);
      }
    }
  }

  async #shakeHands(conn: Deno.TcpConn, place: Disposable): Promise<void> {
    using _ = place;
    this.#handshakes.add(conn);
    const timer = setTimeout(() => closeQuietly(conn), HANDSHAKE_TIMEOUT_MS);
    try {
      const secured = await TlsConn.handshake(conn, { context: this.#context, alpn: this.#alpn });
      void this.#arrivals.put(secured as unknown as Deno.Conn);
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
