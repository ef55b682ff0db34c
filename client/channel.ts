/**
 * A connection to the hub: plain or TLS, routed or raw.
 *
 * @module
 */
import { type ChannelOptions, Client, connectivityState } from "@grpc/grpc-js";
import { Buffer } from "node:buffer";
import { formatHostPort, type HostPort } from "../shared/cli/parse_host_port.ts";
import { UsageError } from "../shared/cli/program.ts";
import { RpcError } from "../shared/grpc/rpc_error.ts";
import { Status } from "../shared/grpc/status.ts";
import { loadAuthorities, loadCertificate } from "../shared/tls/load.ts";
import type { ConnectionValues } from "./connection_options.ts";
import { HubCredentials, type HubCredentialsOptions, type TlsSettings } from "./hub_credentials.ts";

/** The longest message that is accepted; grpc-js's own default of 4 MiB is less than a long log. */
const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;

const CHANNEL_OPTIONS: ChannelOptions = {
  "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
  "grpc.max_send_message_length": MAX_MESSAGE_BYTES,
  // Every command is one call: nothing is gained by sharing connections.
  "grpc.use_local_subchannel_pool": 1,
};

export interface ConnectOptions {
  readonly timeoutMs: number;
  /**
   * `Date.now()` at which the whole call must have ended.
   *
   * @default {Infinity}
   */
  readonly deadline?: number;
  readonly signal: AbortSignal;
}

/** Closed by `using`. */
export class Channel implements Disposable {
  readonly client: Client;
  readonly #address: string;
  readonly #credentials: HubCredentials;

  /** @param options Where `handshake` means raw mode. */
  constructor(address: HostPort, options: HubCredentialsOptions) {
    this.#address = formatHostPort(address);
    this.#credentials = new HubCredentials(options);
    this.client = new Client(this.#address, this.#credentials, CHANNEL_OPTIONS);
  }

  /**
   * Connects, so that a later failure can tell "never connected" from "lost".
   *
   * @returns Whether there is a connection. If not, a call fails at once and says why.
   * @throws {RpcError} UNAVAILABLE when nothing answers in time or TLS fails; DEADLINE_EXCEEDED when
   *     the whole call's time was over before; the hub's refusal in raw mode.
   * @throws `signal.reason`, as soon as the signal fires.
   */
  async connect({ timeoutMs, deadline = Infinity, signal }: ConnectOptions): Promise<boolean> {
    const until = Math.min(Date.now() + timeoutMs, deadline);
    const channel = this.client.getChannel();
    for (
      let state = channel.getConnectivityState(true);;
      state = channel.getConnectivityState(true)
    ) {
      if (state === connectivityState.READY) return true;
      if (state === connectivityState.TRANSIENT_FAILURE) {
        if (this.#credentials.failure !== undefined) throw this.#credentials.failure;
        return false;
      }
      const changed = await this.#change(state, until, signal);
      if (changed) continue;
      if (until === deadline) {
        throw new RpcError(
          Status.DEADLINE_EXCEEDED,
          `Cannot connect to ${this.#address}: the time for the whole call was over before`,
        );
      }
      throw new RpcError(
        Status.UNAVAILABLE,
        `Cannot connect to ${this.#address}: no answer within ${timeoutMs} ms`,
      );
    }
  }

  /** The peer wants no more calls on this connection: it has sent GOAWAY. */
  get leaving(): boolean {
    return this.#credentials.leaving;
  }

  /** The peer certainly did not look at the last call, as HTTP/2 tells. */
  get refused(): boolean {
    return this.#credentials.refused;
  }

  [Symbol.dispose](): void {
    this.client.close();
  }

  #change(state: connectivityState, until: number, signal: AbortSignal): Promise<boolean> {
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    const abort = () => {
      this.client.close();
      reject(signal.reason);
    };
    if (signal.aborted) return Promise.reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    this.client.getChannel().watchConnectivityState(
      state,
      until,
      (error) => resolve(error === undefined || error === null),
    );
    return promise.finally(() => signal.removeEventListener("abort", abort));
  }
}

/**
 * TLS as the flags ask for it; `undefined` for none.
 *
 * @throws {UsageError} If a file cannot be used.
 */
export async function readTlsSettings(values: ConnectionValues): Promise<TlsSettings | undefined> {
  const { tlsServerName, tlsInsecureSkipVerify, tlsCaCertFile, tlsCertFile, tlsKeyFile } = values;
  const wanted = values.tls || tlsInsecureSkipVerify ||
    [tlsServerName, tlsCaCertFile, tlsCertFile, tlsKeyFile].some((value) => value !== undefined);
  if (!wanted) return undefined;
  if (tlsKeyFile !== undefined && tlsCertFile === undefined) {
    throw new UsageError("--tls-key-file needs --tls-cert-file");
  }
  try {
    const pair = tlsCertFile === undefined
      ? undefined
      : await loadCertificate(tlsCertFile, { keyFile: tlsKeyFile });
    const ca = tlsCaCertFile === undefined
      ? undefined
      : await loadAuthorities(tlsCaCertFile, { flag: "--tls-ca-cert-file" });
    return {
      serverName: tlsServerName ?? values.serverAddr.host,
      skipVerify: tlsInsecureSkipVerify,
      ca: ca === undefined ? undefined : Buffer.from(ca),
      cert: pair && Buffer.from(pair.cert),
      key: pair && Buffer.from(pair.key),
    };
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}
