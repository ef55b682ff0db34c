/**
 * Channel credentials of grpc-js, as tests and benches call a hub with it: the foreign client.
 *
 * grpc-js has no public way to give a channel a socket. But credentials make, for each connection, a
 * "secure connector" that may do what it needs with the fresh TCP socket before HTTP/2 starts on it;
 * its own TLS is done so. This is that seam, as grpc-js 1.14.7 has it (channel-credentials.js,
 * transport.js); tests of whole calls through it fail if another version moves it.
 *
 * TLS is done here and not by grpc-js, because that always sends a server name, which an address of
 * digits must not be (RFC 6066 §3), and which Deno therefore refuses.
 *
 * Here too GOAWAY is taken out of the bytes before Deno's HTTP/2 sees it (docs/decisions/0009).
 *
 * @module
 */
import { CallCredentials, ChannelCredentials } from "@grpc/grpc-js";
import type { Buffer } from "node:buffer";
import { isIP, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { connect as connectTls, type ConnectionOptions } from "node:tls";
import { GoawayFilter } from "./goaway_filter.ts";
import { FilteredSocket } from "./filtered_socket.ts";

type SecureConnector = ReturnType<ChannelCredentials["_createSecureConnector"]>;

/** What TLS needs. */
export interface TlsSettings {
  /** What the certificate must be for: a name or an address. */
  readonly serverName: string;
  readonly skipVerify: boolean;
  /** Absent: the system's. */
  readonly ca?: Buffer | undefined;
  readonly cert?: Buffer | undefined;
  readonly key?: Buffer | undefined;
}

export interface HubCredentialsOptions {
  /** Absent: plain TCP. */
  readonly tls?: TlsSettings | undefined;
}

/** Credentials of a channel to the hub. */
export class HubCredentials extends ChannelCredentials {
  readonly #options: HubCredentialsOptions;
  #filter: GoawayFilter | undefined;

  constructor(options: HubCredentialsOptions) {
    super();
    this.#options = options;
  }

  /** The peer of the last connection wants no more calls on it. */
  get leaving(): boolean {
    return this.#filter?.leaving ?? false;
  }

  /** The peer of the last connection certainly did not look at the last call. */
  get refused(): boolean {
    return this.#filter?.refused ?? false;
  }

  _isSecure(): boolean {
    return this.#options.tls !== undefined;
  }

  _equals(other: ChannelCredentials): boolean {
    return this === other;
  }

  _createSecureConnector(
    _target: unknown,
    _options: unknown,
    callCredentials?: CallCredentials,
  ): SecureConnector {
    return {
      connect: async (tcp: Socket) => {
        try {
          const socket = await this.#prepare(tcp);
          this.#filter = new GoawayFilter();
          const filtered = new FilteredSocket(socket, this.#filter);
          // The type asks for a socket; grpc-js and node:http2 use nothing but what this has.
          return { socket: filtered as Duplex as Socket, secure: this._isSecure() };
        } catch (error) {
          tcp.destroy();
          throw error;
        }
      },
      waitForReady: () => Promise.resolve(),
      getCallCredentials: () => callCredentials ?? CallCredentials.createEmpty(),
      destroy: () => {},
    };
  }

  async #prepare(tcp: Socket): Promise<Socket> {
    const { tls } = this.#options;
    tcp.setNoDelay(true);
    return tls === undefined ? tcp : await secure(tcp, tlsOptions(tls));
  }
}

function tlsOptions(tls: TlsSettings): ConnectionOptions {
  const { serverName, skipVerify, ca, cert, key } = tls;
  return {
    // An address is compared with the certificate as `host`, a name also travels as `servername`.
    ...(isIP(serverName) !== 0 ? { host: serverName } : { servername: serverName }),
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ALPNProtocols: ["h2"],
    rejectUnauthorized: !skipVerify,
  };
}

function secure(socket: Socket, options: ConnectionOptions): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const closed = () => reject(new Error("the connection was closed during the TLS handshake"));
  const own = connectTls({ ...options, socket }, () => {
    own.off("error", reject).off("close", closed);
    resolve(own);
  });
  own.once("error", reject).once("close", closed);
  return promise;
}
