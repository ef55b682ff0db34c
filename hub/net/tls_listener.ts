/**
 * A TLS listener whose certificate can change while it listens, and that can ask clients for theirs:
 * Node's TLS over Deno's TCP (docs/decisions/0015-tls-by-node.md tells why, and what it costs).
 *
 *     Deno.TcpListener ─▶ a place among the handshakes ─▶ handshake ─▶ Arrivals ─▶ accept()
 *
 * - Another certificate is used from the next handshake on. Connections that wait or stand notice
 *   nothing of it.
 * - A handshake that takes too long is closed, and so are those that find no place.
 * - When it is closed, handshakes that are under way go on: their clients may believe already that they
 *   are through, and have sent a call.
 * - It speaks TLS 1.2 and 1.3.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import tls from "node:tls";
import { turns } from "../../shared/async/turns.ts";
import { FairShare } from "../../shared/async/fair_share.ts";
import { ACCEPTED_AT_ONCE, isGone } from "./accept_loop.ts";
import { networkOf } from "./network.ts";
import { ClientAuthorities } from "./client_authorities.ts";
import { HANDSHAKE_TIMEOUT_MS, type ListenAddress, type TlsIdentity } from "./listen_options.ts";
import { closeQuietly, hostOf, type PeerConn, remoteAddressOf } from "./peer.ts";
import { TlsConn } from "./tls_conn.ts";
import { TlsEngine } from "./tls_engine.ts";

/** Handshakes under way at all ports, shared by the addresses that dial; more are closed at once. */
export const MAX_TLS_HANDSHAKES = 1_000;

/** Gives a place to a client that dials from a network; `undefined` if that has its share. */
export type TakePlace = (network: string) => Disposable | undefined;

export interface TlsListenOptions extends ListenAddress {
  readonly tls: TlsIdentity;
  readonly alpn: readonly string[];
  /**
   * Asked for each connection that is accepted; given back when its handshake is over.
   *
   * @default MAX_TLS_HANDSHAKES places of this listener
   */
  readonly takePlace?: TakePlace | undefined;
  /** Asked for each handshake. @default HANDSHAKE_TIMEOUT_MS */
  readonly handshakeTimeoutMs?: () => number;
  /**
   * Lets in a client whose certificate is not good, as one that shows none. Whoever serves it must ask
   * for `certificate`, and can tell it what is wrong (`certificateFault`): a close would not.
   *
   * @default false
   */
  readonly admitsUnproven?: boolean | undefined;
}

/** Connections that a loop accepts, for the one that asks for them. */
class Arrivals {
  readonly #ready: { readonly conn: PeerConn | Error; taken(): void }[] = [];
  #waiting: PromiseWithResolvers<PeerConn> | undefined;
  #end: Error | undefined;

  /** Resolves when it was taken, or closed because nobody will ask any more. */
  put(conn: PeerConn | Error): Promise<void> {
    if (this.#end !== undefined) discard(conn);
    else if (this.#waiting === undefined) {
      return new Promise((taken) => this.#ready.push({ conn, taken }));
    } else if (conn instanceof Error) this.#waiting.reject(conn);
    else this.#waiting.resolve(conn);
    this.#waiting = undefined;
    return Promise.resolve();
  }

  /** The next one, or the error in its place. */
  async take(): Promise<PeerConn> {
    const next = this.#ready.shift();
    next?.taken();
    if (next?.conn instanceof Error) throw next.conn;
    if (next !== undefined) return next.conn;
    if (this.#end !== undefined) throw this.#end;
    this.#waiting = Promise.withResolvers();
    return await this.#waiting.promise;
  }

  /** No more will come; what is here can still be taken. */
  end(error: Error): void {
    this.#end ??= error;
    this.#waiting?.reject(error);
    this.#waiting = undefined;
  }

  /** Nobody will ask for what is here. */
  discard(): void {
    for (const { conn, taken } of this.#ready.splice(0)) {
      discard(conn);
      taken();
    }
  }
}

function discard(conn: PeerConn | Error): void {
  if (!(conn instanceof Error)) closeQuietly(conn);
}

/** Listens with TLS. */
export class TlsListener implements Disposable {
  readonly #listener: Deno.TcpListener;
  readonly #alpn: readonly string[];
  readonly #timeoutMs: () => number;
  readonly #admitsUnproven: boolean;
  /** Of the next handshake. */
  #context: tls.SecureContext;
  #clientCa: string | undefined;
  #authorities: ClientAuthorities | undefined;
  readonly #handshakes = new Map<Deno.TcpConn, Promise<void>>();
  readonly #takePlace: TakePlace;
  readonly #arrivals = new Arrivals();

  /** @throws {Error} As `Deno.listen` does, or if the certificate cannot be used. */
  constructor(options: TlsListenOptions) {
    const { hostname, port, reusePort = false, tls: identity, alpn, takePlace } = options;
    const { handshakeTimeoutMs = () => HANDSHAKE_TIMEOUT_MS } = options;
    this.#alpn = alpn;
    const places = new FairShare(MAX_TLS_HANDSHAKES);
    this.#takePlace = takePlace ?? ((network) => places.take(network));
    this.#timeoutMs = handshakeTimeoutMs;
    this.#admitsUnproven = options.admitsUnproven ?? false;
    this.#context = tlsContext(identity);
    this.#take(identity.clientCa);
    this.#listener = Deno.listen({ hostname, port, reusePort });
    void this.#run();
  }

  get addr(): Deno.NetAddr {
    return this.#listener.addr;
  }

  accept(): Promise<PeerConn> {
    return this.#arrivals.take();
  }

  /**
   * From now on handshakes use this certificate.
   *
   * @throws {Error} If it cannot be used; then the one before it stays.
   */
  use(identity: TlsIdentity): void {
    const context = tlsContext(identity);
    this.#take(identity.clientCa);
    this.#context = context;
  }

  close(): void {
    closeQuietly(this.#listener);
  }

  /** Resolves when no handshake goes on. */
  async settled(): Promise<void> {
    await Promise.all(this.#handshakes.values());
  }

  [Symbol.dispose](): void {
    this.close();
    for (const conn of this.#handshakes.keys()) closeQuietly(conn);
    this.#arrivals.discard();
  }

  #take(clientCa: string | undefined): void {
    // The same file is the same authorities: what stands need not be looked at.
    if (clientCa === this.#clientCa) return;
    this.#authorities = clientCa === undefined ? undefined : new ClientAuthorities(clientCa);
    this.#clientCa = clientCa;
  }

  async #run(): Promise<void> {
    for (let accepted = 1;; accepted++) {
      try {
        // While others dial without a pause, an accept is ready at once.
        if (accepted % ACCEPTED_AT_ONCE === 0 && turns.isOver()) await turns.next();
        const conn = await this.#listener.accept();
        const place = this.#takePlace(networkOf(hostOf(remoteAddressOf(conn))));
        if (place === undefined) closeQuietly(conn);
        else this.#handshakes.set(conn, this.#shakeHands(conn, place));
      } catch (error) {
        if (isGone(error)) continue;
        if (error instanceof Deno.errors.BadResource) {
          await this.settled();
          return this.#arrivals.end(error);
        }
        // EMFILE and the like: the listener itself lives on. `acceptLoop` tells, and pauses.
        await this.#arrivals.put(error as Error);
      }
    }
  }

  async #shakeHands(conn: Deno.TcpConn, place: Disposable): Promise<void> {
    using _ = place;
    const timer = setTimeout(() => closeQuietly(conn), this.#timeoutMs());
    const inHandshake = this.#authorities;
    const admitsUnproven = this.#admitsUnproven;
    try {
      const secured = await TlsConn.handshake(conn, {
        context: this.#context,
        alpn: this.#alpn,
        trust: inHandshake && { inHandshake, now: () => this.#authorities, admitsUnproven },
      });
      void this.#arrivals.put(secured);
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
function logFailure(conn: Deno.TcpConn, error: unknown): void {
  getLogger(["hub", "tls"]).debug("TLS handshake of {remoteAddress} failed: {error}", {
    remoteAddress: remoteAddressOf(conn),
    error,
  });
}

/** Checks a certificate and its key, and makes them ready. */
function tlsContext({ cert, key, clientCa }: TlsIdentity): tls.SecureContext {
  const ca = clientCa === undefined ? {} : { ca: clientCa };
  const context = tls.createSecureContext({ cert, key, minVersion: "TLSv1.2", ...ca });
  // What would make each handshake fail is told here, once.
  const requestCert = clientCa !== undefined;
  new TlsEngine({ context, alpn: [], requestCert, onClear() {} }).destroy();
  return context;
}
