/**
 * What a hub is started with. `commands/serve_config.ts` makes it from flags, `hub.ts` runs it, tests
 * write it by hand.
 *
 * @module
 */
import type { LogOptions } from "../shared/cli/log.ts";
import type { ReloadPart } from "../shared/cli/reload.ts";
import type { AuditFileOptions } from "./audit/file.ts";
import type { LimitsOptions, Usage } from "./limits/limits.ts";
import type { ClusterUsage } from "./cluster/cluster.ts";
import type { ClusterSetup } from "./cluster/setup.ts";
import type { ClusterView } from "./cluster/view.ts";
import type { PeerCluster, PeerOptions, PeerUsage } from "./links/peer_port.ts";
import type { PortWay } from "./links/port_way.ts";
import type { ListenAddress, TlsIdentity } from "./net/listen_options.ts";
import type { TunnelPortOptions } from "./tunnels/tunnel_port_options.ts";

/** What a hub is started with. */
export interface HubOptions {
  /** Where servers dial in. */
  readonly tunnelListen: ListenAddress;
  /** Where operators call. */
  readonly callListen: ListenAddress;
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
  /** How large its file may grow, and how many older ones are kept. */
  readonly audit?: Partial<AuditFileOptions>;
  /** What tunnels and their port can be told. */
  readonly tunnels?: TunnelPortOptions;
  /** What one server, one operator and all together may use. */
  readonly limits?: LimitsOptions;
  /**
   * Files that may be open at once: connections are shared with that in mind.
   *
   * @default no limit
   */
  readonly openFiles?: number;
}

/** What a worker has in common with the others of its hub. */
export interface WorkerPlace {
  /** Counted from 1. */
  readonly number: number;
  /** How many there are. */
  readonly of: number;
  /** By which servers know the hub. */
  readonly hubId: string;
  /** Its way to the others. */
  readonly way: PortWay;
}

/** Options of `startHub` that only the program has. */
export interface HubProgramOptions extends HubOptions {
  /**
   * It is one of several threads that are one hub: `hub/workers/`.
   *
   * @default it is a hub of its own
   */
  readonly worker?: WorkerPlace | undefined;
  /**
   * Other hubs, for whose servers this one takes calls as well.
   *
   * @default none
   */
  readonly peers?: PeerOptions & Partial<PeerCluster> | undefined;
  /**
   * The cluster that it is to be a member of.
   *
   * @default none: it is alone
   */
  readonly cluster?: ClusterSetup | undefined;
}

/** A hub that listens. Disposing ends everything at once, and waits until that is done. */
export interface EmbeddedHub extends AsyncDisposable {
  /** What servers dial, such as `wss://127.0.0.1:8080/ws`. */
  readonly tunnelAddress: string;
  /** What clients dial, such as `127.0.0.1:9090`. */
  readonly callAddress: string;
  /** What other hubs dial; `undefined` for a hub alone. */
  readonly peerAddress: string | undefined;
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

/** The same, as the program has it. */
export interface RunningHub extends EmbeddedHub {
  /** What it knows of its cluster; `undefined` for a hub that is alone. */
  readonly cluster: (ClusterView & { readonly usage: ClusterUsage }) | undefined;
  /** Has its other threads write the log in this way; for a hub that has some. */
  useLog?(log: Pick<LogOptions, "level" | "format">): Promise<void>;
  /** Resolves when a worker is linked with all others; for any other hub at once. */
  untilLinked(): Promise<void>;
  /** Numbers of its links to other hubs, or of those between its workers; `undefined` without any. */
  readonly links?: PeerUsage | undefined;
  /** How many connections each of its workers has; `undefined` for a hub without workers. */
  readonly workerConnections?: readonly number[];
}
