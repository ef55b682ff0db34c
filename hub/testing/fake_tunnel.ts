/**
 * A tunnel without a network, which reports what was done to it. For tests.
 *
 * @module
 */
import type { CloseReason, ServerInfo, Tunnel, TunnelStats } from "../registry/tunnel.ts";

export class FakeTunnel implements Tunnel {
  readonly id: string;
  readonly info: ServerInfo;
  readonly generation: number;
  readonly connectedAtMs = 1_000;
  owner?: string;
  state: Tunnel["state"] = "open";
  /** Every reason it was closed with. */
  readonly closeReasons: CloseReason[] = [];
  readonly closed: Promise<CloseReason>;
  #resolveClosed!: (reason: CloseReason) => void;

  constructor(name: string, generation: number, info: Partial<ServerInfo> = {}) {
    this.id = `tunnel-${name}-${generation}`;
    this.generation = generation;
    this.info = {
      name,
      labels: {},
      instance: "",
      version: "0.1.0",
      remoteAddress: "192.0.2.7:4711",
      ...info,
    };
    this.closed = new Promise((resolve) => this.#resolveClosed = resolve);
  }

  stats(): TunnelStats {
    return { callsInFlight: 1, callsTotal: 2, rttMs: 1.5, lastSeenMs: 5_000 };
  }

  close(reason: CloseReason): void {
    this.closeReasons.push(reason);
    this.state = "closed";
    this.#resolveClosed(reason);
  }

  drain(): Promise<void> {
    this.state = "draining";
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close({ reason: "Disposed", by: "hub" });
    return Promise.resolve();
  }
}
