/**
 * Bounds of links. A hub speaks for all its callers on one connection, and has proven who it is: what
 * would be a flood of one caller is an afternoon of many. Each of them has its bounds at its own hub,
 * and what it makes a server do has its bounds at the hub that has the server.
 *
 * @module
 */
import type { FloodLimits } from "../../shared/http2/flood_guard.ts";

/** Hubs of a cluster that a hub links with; further ones are named in the log. */
export const MAX_HUBS = 16;
/** Links that other hubs may have open to this one: those that end, and their next ones, count too. */
export const MAX_PEER_CONNECTIONS = 4 * MAX_HUBS;
/** Connections to the peer port that have not proven themselves yet, shared by their networks. */
export const MAX_UNPROVEN_PEERS = 64;
/** Calls on one link. */
export const MAX_LINK_STREAMS = 100_000;
/** 40 KiB that a caller and the hub may say, and what hubs tell each other. */
export const MAX_PEER_HEADER_LIST_BYTES = 64 << 10;

/** Callers cancel, and send frames without bytes: none of it may end the calls of all others. */
export const PEER_FLOOD_LIMITS: FloodLimits = {
  rapidReset: Infinity,
  streamError: Infinity,
  emptyData: Infinity,
  ignored: Infinity,
};
