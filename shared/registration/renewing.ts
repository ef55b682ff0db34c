/**
 * What a server says in the debug data of a GOAWAY (`NO_ERROR`) when a new tunnel of it comes at once:
 * docs/protocol.md §7.
 *
 * @module
 */

/** Compared byte by byte. */
export const RENEWING = "renewing";

/** How long the hub lets calls wait for the new tunnel. */
export const RENEWAL_WAIT_MS = 5_000;
