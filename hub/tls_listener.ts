/**
 * TLS listeners whose certificate can change while they listen.
 *
 * | | {@linkcode SwiftTlsListener} | {@linkcode AskingTlsListener} |
 * | --- | --- | --- |
 * | TLS by | Deno | Node's stack over Deno's TCP |
 * | asks for client certificates | no | yes |
 * | costs | – | half of the throughput, 0.1 ms more for a handshake |
 * | another certificate | a second listener takes the port over, see `#run` | from the next handshake on |
 * | a handshake that never ends | holds its socket until the peer closes it | is closed |
 *
 * Both speak TLS 1.2 and 1.3, and leave connections that stand alone. Where too many peers let their
 * handshakes linger, a swift listener hands its port to an asking one, which then asks nobody.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import tls from "node:tls";
import { SharedPlaces } from "../shared/shared_places.ts";
import { isGone, PAUSE_MS } from "./accept_loop.ts";
import { networkOf } from "./auth/throttle.ts";
import { ClientAuthorities } from "./client_authorities.ts";
import type { ListenAddress, TlsIdentity } from "./hub_options.ts";
import { closeQuietly, hostOf, remoteAddressOf } from "./socket.ts";
import { TlsConn } from "./tls_conn.ts";

/** A client that has not ended its handshake by then is closed, or lingers. */
const HANDSHAKE_TIMEOUT_MS = 10_000;
const defaultTimeoutMs = () => HANDSHAKE_TIMEOUT_MS;
/**
 * Clients that may linger at a swift listener. Deno goes on with a handshake whose connection was
 * closed until the peer has gone, and with it holds a file descriptor.
 */
export const MAX_LINGERING = 256;
/** Handshakes that a swift listener has under way, those that linger included. */
export const MAX_SWIFT_HANDSHAKES = 4_096;
/** Handshakes under way, shared by the addresses that dial; more clients are closed at once. */
const MAX_HANDSHAKES = 1_000;
/** A listener that was succeeded closes in a moment when nobody waits in it, or after so long a time. */
const RETIRE_MS = 50;
/** A look that is later than this may not have seen who waits: then there is another one. */
const LATE_MS = 10;
const MAX_RETIRE_LOOKS = 100;
/** So many turns behind an accept, it is known whether somebody waited; Deno's own needs two. */
const MICROTASKS = 4;

export interface TlsListenOptions extends ListenAddress {
  readonly tls: TlsIdentity;
  readonly alpn: readonly string[];
  /** Takes a port that another listener of ours still has. @default false */
  readonly reusePort?: boolean;
  /** Asked for each handshake. @default HANDSHAKE_TIMEOUT_MS */
  readonly handshakeTimeoutMs?: () => number;
}

/** What a swift listener bears with. */
export interface SwiftOptions extends TlsListenOptions {
  /** @default MAX_LINGERING */
  readonly maxLingering?: number;
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
  readonly #options: SwiftOptions;
  readonly #arrivals = new Arrivals();
  readonly #handshakes = new Set<Deno.TlsConn>();
  /** Those of them that have taken too long. */
  readonly #lingering = new Set<Deno.TlsConn>();
  /** An asking one since this one has given way. */
  #listener: Deno.TlsListener | AskingTlsListener;
  #identity: TlsIdentity;
  #running: Promise<void>;
  #gaveWay = false;
  #closed = false;

  constructor(options: SwiftOptions) {
    const { hostname, port, tls } = options;
    // Alone first: a port that can be shared would be shared with a second hub, in silence.
    if (port !== 0) Deno.listen({ hostname, port }).close();
    this.#options = options;
    this.#identity = tls;
    this.#listener = listenWith(options);
    this.addr = this.#listener.addr as Deno.NetAddr;
    this.#running = this.#run(this.#listener);
  }

  /** Handshakes that have taken too long, and still have their sockets. */
  get lingering(): number {
    return this.#lingering.size;
  }

  /** An asking listener has the port for itself. */
  get gaveWay(): boolean {
    return this.#gaveWay;
  }

  accept(): Promise<Deno.Conn> {
    return this.#arrivals.take();
  }

  async use(tls: TlsIdentity): Promise<void> {
    tlsContext(tls);
    if (this.#closed) return;
    this.#identity = tls;
    if (this.#listener instanceof AskingTlsListener) return await this.#listener.use(tls);
    await this.#succeed(listenWith({ ...this.#options, ...this.addr, tls }));
  }

  close(): void {
    this.#closed = true;
    closeQuietly(this.#listener);
    for (const conn of this.#handshakes) closeQuietly(conn);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #succeed(next: Deno.TlsListener | AskingTlsListener): Promise<void> {
    const [last, ended] = [this.#listener, this.#running];
    this.#listener = next;
    this.#running = this.#run(next);
    let timer: ReturnType<typeof setTimeout>;
    const retire = (look: number) => {
      const dueMs = performance.now() + RETIRE_MS;
      timer = setTimeout(() => {
        // Who stood still meanwhile has not seen yet who came.
        const isLate = performance.now() > dueMs + LATE_MS;
        if (isLate && look < MAX_RETIRE_LOOKS) retire(look + 1);
        else closeQuietly(last);
      }, RETIRE_MS);
    };
    retire(1);
    await ended;
    clearTimeout(timer!);
  }

  /** From now on handshakes can be closed, at the cost that the module's head tells. */
  #giveWay(): void {
    if (this.#closed || this.#listener instanceof AskingTlsListener) return;
    const { hostname, port } = this.addr;
    getLogger(["hub", "tls"]).warn(
      "{count} clients do not end their TLS handshakes at {address}: connections that come now have " +
        "half of the throughput, until the hub is started again",
      { count: this.#handshakes.size, address: `${hostname}:${port}` },
    );
    const options = { ...this.#options, ...this.addr, tls: this.#identity, reusePort: true };
    void this.#succeed(new AskingTlsListener(options)).then(() => this.#gaveWay = true);
  }

  async #shakeHands(conn: Deno.TlsConn): Promise<void> {
    const { handshakeTimeoutMs = defaultTimeoutMs, maxLingering = MAX_LINGERING } = this.#options;
    this.#handshakes.add(conn);
    if (this.#handshakes.size > MAX_SWIFT_HANDSHAKES) this.#giveWay();
    const timer = setTimeout(() => {
      this.#lingering.add(conn);
      if (this.#lingering.size > maxLingering) this.#giveWay();
    }, handshakeTimeoutMs());
    let failed = false;
    try {
      await conn.handshake();
    } catch (error) {
      failed = true;
      logFailure(conn, error);
    }
    clearTimeout(timer);
    this.#handshakes.delete(conn);
    const late = this.#lingering.delete(conn);
    // Now it can be closed.
    if (failed || late || this.#closed) closeQuietly(conn);
    else await this.#arrivals.put(conn);
  }

  /**
   * Accepts until the listener is closed; one that has a successor closes itself.
   *
   * The two share the port for that moment, so that nobody finds it closed. The older one ends when
   * nobody waits in it: right behind somebody who came, or after a while in which nobody did. Who
   * is just then in the middle of TCP's own handshake with it is reset by the kernel, unless
   * `net.ipv4.tcp_migrate_req` is 1: then the kernel hands him over to the other one.
   */
  async #run(listener: Deno.TlsListener | AskingTlsListener): Promise<void> {
    for (;;) {
      const accepted = listener.accept();
      if (this.#listener !== listener && !(await isSettled(accepted))) closeQuietly(listener);
      try {
        const conn = await accepted;
        if (listener instanceof AskingTlsListener) await this.#arrivals.put(conn);
        else void this.#shakeHands(conn as Deno.TlsConn);
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
  { hostname, port, alpn, tls: { cert, key } }: TlsListenOptions,
): Deno.TlsListener {
  const alpnProtocols = [...alpn];
  return Deno.listenTls({ hostname, port, alpnProtocols, cert, key, reusePort: true });
}

/** See the module's head. */
export class AskingTlsListener implements TlsListener {
  readonly #listener: Deno.TcpListener;
  readonly #alpn: readonly string[];
  readonly #timeoutMs: () => number;
  /** Of the next handshake. */
  #context: tls.SecureContext;
  #clientCa: string | undefined;
  #authorities: ClientAuthorities | undefined;
  readonly #handshakes = new Set<Deno.TcpConn>();
  readonly #places = new SharedPlaces(MAX_HANDSHAKES);
  readonly #arrivals = new Arrivals();

  constructor(options: TlsListenOptions) {
    const { hostname, port, tls: identity, alpn, reusePort = false } = options;
    const { handshakeTimeoutMs = defaultTimeoutMs } = options;
    this.#alpn = alpn;
    this.#timeoutMs = handshakeTimeoutMs;
    this.#context = tlsContext(identity);
    this.#take(identity.clientCa);
    this.#listener = Deno.listen({ hostname, port, reusePort });
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
    const context = tlsContext(identity);
    this.#take(identity.clientCa);
    this.#context = context;
  }

  close(): void {
    this.#listener.close();
    for (const conn of this.#handshakes) closeQuietly(conn);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #take(clientCa: string | undefined): void {
    // The same file is the same authorities: what stands need not be looked at.
    if (clientCa === this.#clientCa) return;
    this.#authorities = clientCa === undefined ? undefined : new ClientAuthorities(clientCa);
    this.#clientCa = clientCa;
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
    const timer = setTimeout(() => closeQuietly(conn), this.#timeoutMs());
    const inHandshake = this.#authorities;
    try {
      const secured = await TlsConn.handshake(conn, {
        context: this.#context,
        alpn: this.#alpn,
        trust: inHandshake && { inHandshake, now: () => this.#authorities },
      });
      void this.#arrivals.put(secured as unknown as Deno.Conn);
    } catch (error) {
      logFailure(conn, error);
      closeQuietly(conn);
    } finally {
      clearTimeout(timer);
      this.#handshakes.delete(conn);
    }
  }
}

/** A handshake that failed is that client's own affair. */
function logFailure(conn: Deno.Conn, error: unknown): void {
  getLogger(["hub", "tls"]).debug("TLS handshake of {remoteAddress} failed: {error}", {
    remoteAddress: remoteAddressOf(conn),
    error,
  });
}

/** Checks a certificate and its key, and makes them ready. */
function tlsContext({ cert, key, clientCa }: TlsIdentity): tls.SecureContext {
  const ca = clientCa === undefined ? {} : { ca: clientCa };
  return tls.createSecureContext({ cert, key, minVersion: "TLSv1.2", ...ca });
}
