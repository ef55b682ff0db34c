/**
 * What tunnels and their port can be told.
 *
 * @module
 */
import { USUAL_ADDRESS } from "../../shared/registration/usual_address.ts";

/** What tunnels and their port can be told. */
export interface TunnelPortOptions {
  /** Path that servers dial. @default TUNNEL_PORT.tunnelPath */
  readonly tunnelPath?: string;
  /** How often both ends of a tunnel ping. @default TUNNEL_PORT.pingIntervalMs */
  readonly pingIntervalMs?: number;
  /**
   * Silence of this length closes a tunnel. At least twice the ping interval.
   *
   * @default TUNNEL_PORT.deadAfterMs
   */
  readonly deadAfterMs?: number;
  /**
   * A server that lost its tunnel waits a random part of this before it dials again. Raise it
   * with the number of servers, so that a restarted hub is not overrun.
   *
   * @default TUNNEL_PORT.reconnectSpreadMs
   */
  readonly reconnectSpreadMs?: number;
  /**
   * Tunnels that may be opened in any second; more are told when to come back.
   *
   * @default TUNNEL_PORT.maxHandshakesPerS
   */
  readonly maxHandshakesPerS?: number;
}

/** A tunnel port that was told nothing. */
export const TUNNEL_PORT = {
  tunnelPath: USUAL_ADDRESS.tunnelPath,
  pingIntervalMs: 5_000,
  deadAfterMs: 15_000,
  reconnectSpreadMs: 1_000,
  maxHandshakesPerS: 200,
} as const satisfies Required<TunnelPortOptions>;
