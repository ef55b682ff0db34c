/**
 * Channel credentials that do the JSON handshake before gRPC begins.
 *
 * grpc-js has no public way to give a channel a socket. But credentials make, for each connection, a
 * "secure connector" that may do what it needs with the fresh TCP socket before HTTP/2 starts on it;
 * TLS itself is done so. This is that seam, as grpc-js 1.14.7 has it (channel-credentials.js,
 * transport.js); a test of a whole call through it fails if another version moves it.
 *
 * @module
 */
import { CallCredentials, ChannelCredentials } from "@grpc/grpc-js";
import type { Socket } from "node:net";
import { connect as connectTls, type ConnectionOptions } from "node:tls";
import { RpcError } from "../shared/grpc/rpc_error.ts";
import { type HandshakeRequest, shakeHands } from "./handshake.ts";

type SecureConnector = ReturnType<ChannelCredentials["_createSecureConnector"]>;

/** Credentials of a channel in raw mode. */
export class RawCredentials extends ChannelCredentials {
  readonly #request: HandshakeRequest;
  readonly #tls: ConnectionOptions | undefined;
  #refusal: RpcError | undefined;

  /** @param tls Absent: plain TCP. No ALPN, because the hub takes a connection with `h2` for a routed one. */
  constructor(request: HandshakeRequest, tls?: ConnectionOptions) {
    super();
    this.#request = request;
    this.#tls = tls;
  }

  /** Why the last handshake failed: grpc-js tells only "no connection established". */
  get refusal(): RpcError | undefined {
    return this.#refusal;
  }

  _isSecure(): boolean {
    return this.#tls !== undefined;
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
        const socket = this.#tls === undefined ? tcp : await secure(tcp, this.#tls);
        try {
          await shakeHands(socket, this.#request);
        } catch (error) {
          this.#refusal = RpcError.from(error);
          socket.destroy();
          throw error;
        }
        this.#refusal = undefined;
        return { socket, secure: this.#tls !== undefined };
      },
      waitForReady: () => Promise.resolve(),
      getCallCredentials: () => callCredentials ?? CallCredentials.createEmpty(),
      destroy: () => {},
    };
  }
}

function secure(socket: Socket, options: ConnectionOptions): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const own = connectTls({ ...options, socket }, () => {
    own.off("error", reject);
    resolve(own);
  });
  own.once("error", reject);
  return promise;
}
