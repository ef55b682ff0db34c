/**
 * Dials another hub: TCP, TLS, and the first words. An address of the registry is only a hint, so
 * whoever answers there must prove itself.
 *
 * @module
 */
import tls from "node:tls";
import { deadline } from "../../shared/async/deadline.ts";
import { parseHostPort } from "../../shared/cli/parse_host_port.ts";
import { certificateFault } from "../net/certificate_fault.ts";
import { ClientAuthorities } from "../net/client_authorities.ts";
import { TlsConn } from "../net/tls_conn.ts";
import { closeQuietly } from "../net/peer.ts";
import { meetListener, PeerHandshakeError, type PeerHub, refuse } from "./peer_handshake.ts";
import { OpenLink } from "./open_link.ts";
import { certificateHash } from "./peer_proof.ts";

/** TCP, TLS and the first words of a link must be done by then. */
export const LINK_DIAL_TIMEOUT_MS = 5_000;
/** What `--peer-listen` takes where no port is named. */
export const DEFAULT_PEER_PORT = 9091;
/** What TLS agrees on: a peer port speaks nothing that a client of HTTP could take for its own. */
export const PEER_ALPN = "ghub-peer/1";

/** How hubs of a cluster prove themselves. At least one of `secret` and `ca` is there. */
export interface PeerCredentials {
  /** This hub's certificate and key, as PEM. */
  readonly cert: string;
  readonly key: string;
  /** What all hubs hold: 32 characters or more. */
  readonly secret?: string | undefined;
  /** Authorities that sign the certificates of hubs, and of nobody else, as PEM. */
  readonly ca?: string | undefined;
}

/** What dialling needs, made once. */
export class PeerDialler {
  #credentials: PeerCredentials;
  #context: tls.SecureContext;

  constructor(credentials: PeerCredentials) {
    this.#credentials = credentials;
    this.#context = contextOf(credentials);
  }

  /** Dials with others from now on. @throws {Error} If they cannot be used; then those before stay. */
  use(credentials: PeerCredentials): void {
    this.#context = contextOf(credentials);
    this.#credentials = credentials;
  }

  /**
   * Opens a link; the caller runs it.
   *
   * @throws {Error} That says why not, in words for an operator.
   */
  async dial(
    address: string,
    { self, session, signal }: {
      readonly self: PeerHub;
      /** Whom to expect there. */
      readonly session: string;
      readonly signal: AbortSignal;
    },
  ): Promise<{ readonly link: OpenLink; readonly first: Uint8Array }> {
    using stack = new DisposableStack();
    const [credentials, context] = [this.#credentials, this.#context];
    const open = async () => {
      const { host, port } = parseHostPort(address, { usualPort: DEFAULT_PEER_PORT });
      const tcp = await Deno.connect({ hostname: host, port });
      if (stack.disposed) return closeQuietly(tcp);
      stack.defer(() => closeQuietly(tcp));
      const conn = await TlsConn.handshake(tcp, {
        context,
        alpn: [PEER_ALPN],
        isServer: false,
      });
      if (stack.disposed) return conn.close();
      stack.defer(() => conn.close());
      return { conn, met: await meet(conn, { self, session, credentials }) };
    };
    const what = "dial of the other hub";
    const opened = await deadline(open(), LINK_DIAL_TIMEOUT_MS, { signal, what });
    const { conn, met: { hub, link: id, rest } } = opened!;
    stack.move();
    return { link: new OpenLink(conn, { hub: hub.name, id }), first: rest };
  }
}

async function meet(
  conn: TlsConn,
  { credentials, ...who }: {
    readonly self: PeerHub;
    readonly session: string;
    readonly credentials: PeerCredentials;
  },
) {
  const { chain, isVerified } = conn.shown!;
  const { secret, ca } = credentials;
  if (ca !== undefined && !isVerified) {
    const authorities = new ClientAuthorities(ca);
    const fault = await certificateFault(chain, { authorities, as: ["server"] }) ?? "is not good";
    const error = new PeerHandshakeError(
      `The certificate there ${fault} (--peer-ca)`,
      `Your certificate ${fault} (--peer-ca)`,
    );
    await refuse(conn, error);
    throw error;
  }
  return await meetListener(conn, { ...who, secret, certificate: certificateHash(chain[0]!) });
}

function contextOf({ cert, key, ca }: PeerCredentials): tls.SecureContext {
  return tls.createSecureContext({
    cert,
    key,
    minVersion: "TLSv1.3",
    ...(ca !== undefined && { ca }),
  });
}
