/**
 * What a hub is started with. `commands/serve_config.ts` makes it from flags, `hub.ts` runs it, tests
 * write it by hand.
 *
 * @module
 */

import type { ReloadPart } from "../shared/cli/reload.ts";
import type { Usage } from "./limits/limits.ts";
import { ListenAddress, TlsIdentity } from "./net/listen_options.ts";

export interface HubOptions {
  readonly tunnelListen: ListenAddress;
  readonly callListen: ListenAddress;
  /**
   * Path that servers dial.
   *
   * @default "/ws"
   */
  readonly tunnelPath?: string;
  /** Serves the tunnel listener with TLS; without it servers dial `ws://`. */
  readonly tunnelTls?: TlsIdentity | undefined;
  /** Serves the call listener with TLS; without it clients speak plain text. */
  readonly callTls?: TlsIdentity | undefined;
  /**
   * Folder of the join and the operator token. Without one they live in memory only, so that
   * nobody can show them and only loopback gets in.
   */
  readonly stateDir?: string | undefined;
  /**
   * Who may get in: docs/security.md. Without it the two tokens and loopback.
   */
  readonly authFile?: string | undefined;
  /**
   * Takes calls in plain text from other machines too.
   *
   * @default true
   */
  readonly allowPlaintextCalls?: boolean;
  /**
   * Takes who comes from loopback for somebody on this machine: auth/loopback_trust.ts.
   *
   * @default true
   */
  readonly trustLoopback?: boolean;
  /**
   * Where audit lines go: a file, or `stderr`. Without it no audit is kept.
   */
  readonly auditLog?: string | undefined;
  /**
   * An audit file of this size is renamed, and a new one begun.
   *
   * @default 67108864
   */
  readonly auditMaxBytes?: number;
  /**
   * How many renamed audit files are kept.
   *
   * @default 10
   */
  readonly auditFiles?: number;
  /**
   * How often both ends of a tunnel ping.
   *
   * @default 5000
   */
  readonly pingIntervalMs?: number;
  /**
   * Silence of this length closes a tunnel. At least twice the ping interval.
   *
   * @default 15000
   */
  readonly deadAfterMs?: number;
  /**
   * A server that lost its tunnel waits a random part of this before it dials again. Raise it
   * with the number of servers, so that a restarted hub is not overrun.
   *
   * @default 1000
   */
  readonly reconnectSpreadMs?: number;
  /**
   * Files that may be open at once: connections are shared with that in mind.
   *
   * @default no limit
   */
  readonly openFiles?: number;
  /**
   * Tunnels that may be opened in any second; more are told when to come back.
   *
   * @default 200
   */
  readonly maxHandshakesPerS?: number;
  /**
   * Calls of one operator at a time, over all of its connections.
   *
   * @default 5000
   */
  readonly maxCallsPerOperator?: number;
  /**
   * Calls at one server at a time.
   *
   * @default 5000
   */
  readonly maxCallsPerServer?: number;
  /**
   * What all tunnels, connections, calls and buffers together may take; calls beyond are refused.
   *
   * @default 2 GiB
   */
  readonly maxMemoryBytes?: number;
  /**
   * Bytes that the calls of one operator may move in a second, both ways together. Faster calls
   * are slowed by HTTP/2's windows.
   *
   * @default no limit
   */
  readonly maxBytesPerSPerOperator?: number | undefined;
  /**
   * The same for the calls at one server.
   *
   * @default no limit
   */
  readonly maxBytesPerSPerServer?: number | undefined;
  /**
   * Bytes that the hub may keep for the calls of one operator, because a reader is slow.
   *
   * @default no limit
   */
  readonly maxBufferedBytesPerOperator?: number | undefined;
  /**
   * Calls that one connection to the call port may have open at a time.
   *
   * @default 1000
   */
  readonly maxStreamsPerConnection?: number;
}

/** A hub that listens. */
export interface RunningHub {
  /** What servers dial, such as `wss://127.0.0.1:8080/ws`. */
  readonly tunnelAddress: string;
  /** What clients dial, such as `127.0.0.1:9090`. */
  readonly callAddress: string;
  /** The true addresses of listeners that listen on all addresses, such as `[::]:8080`. */
  readonly wildcards: { readonly tunnel?: string; readonly call?: string };
  /** Resolves when everything has ended; rejects if a listener died by itself. */
  readonly closed: Promise<void>;
  /**
   * Uses another certificate from now on; connections that stand are not concerned.
   *
   * @throws {Error} If it cannot be used; then the one before it stays.
   */
  useCertificate(identity: TlsIdentity): Promise<void>;
  /** What is in use now, against its limits. */
  usage(): Usage;
  /** Whether it takes new tunnels and calls: it does not drain. */
  readonly isReady: boolean;
  /** What can be reloaded while it runs. */
  readonly reloadParts: readonly ReloadPart[];
  /** Takes nothing new and lets the calls in flight end, until `signal` fires. */
  drain(signal?: AbortSignal): Promise<void>;
  /** Ends everything at once. */
  close(): void;
}
