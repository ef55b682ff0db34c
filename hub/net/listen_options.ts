/**
 * What a listener is started with.
 *
 * @module
 */

/** Where a listener listens. */
export interface ListenAddress {
  /** A host name or address; `0.0.0.0` and `::` mean all interfaces. */
  readonly hostname: string;
  /** 0 takes any free port. */
  readonly port: number;
  /**
   * Other listeners of the same user that say so too may have the same port: the kernel spreads
   * connections over them.
   *
   * @default false
   */
  readonly reusePort?: boolean;
}

/** A certificate and its private key, as PEM text. */
export interface TlsIdentity {
  /** The certificate, followed by those that lead to its authority. */
  readonly cert: string;
  /** The certificate's private key. */
  readonly key: string;
  /** Authorities whose certificates clients may show, as PEM text. */
  readonly clientCa?: string | undefined;
}

/** A connection whose handshake, of whatever kind, has not ended by then is closed. */
export const HANDSHAKE_TIMEOUT_MS = 10_000;
