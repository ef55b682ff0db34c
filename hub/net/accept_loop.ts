/**
 * Accepts connections for as long as the listener lives.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { Complaint } from "../../shared/async/complaint.ts";
import { delay } from "../../shared/async/delay.ts";
import type { PeerConn } from "./peer.ts";
import { loopTurn } from "../../shared/async/turns.ts";

/** Pause after a failed accept: with no file descriptors left, trying at once only burns CPU. */
export const PAUSE_MS = 100;

/** Connections that are accepted before others may have their turn. */
export const ACCEPTED_AT_ONCE = 8;

/**
 * Errors of one connection, which was gone before it was taken. A pause for each of them would
 * let anybody who dials and resets keep everybody else out.
 */
const GONE = [
  Deno.errors.NotConnected,
  Deno.errors.ConnectionAborted,
  Deno.errors.ConnectionReset,
];

/** Whether a failed accept is an affair of that one connection. */
export function isGone(error: unknown): boolean {
  return GONE.some((kind) => error instanceof kind);
}

/** Something that accepts. */
export interface Acceptor {
  /** Rejects when it was closed, and nobody is left whose handshake goes on. */
  accept(): Promise<PeerConn>;
  /** Lets nobody else dial. */
  close(): void;
}

/**
 * Calls `serve` for each connection. One peer's failure, in whatever stage, is that peer's alone.
 *
 * @param serve Owns the connection, and ends when it ends.
 * @returns When the listener was closed by `signal`, and the last connection has ended that it gave.
 * @throws {Error} If the listener died by itself.
 */
export async function acceptLoop(
  listener: Acceptor,
  serve: (conn: PeerConn) => Promise<void>,
  { signal }: { readonly signal: AbortSignal },
): Promise<void> {
  const log = getLogger(["hub", "accept"]);
  const complaint = new Complaint();
  const serving = new Set<Promise<void>>();
  signal.addEventListener("abort", () => listener.close(), { once: true });
  for (let accepted = 1;; accepted++) {
    try {
      // While others dial without a pause, an accept is ready at once; who is refused has to be
      // closed before more files are taken.
      if (accepted % ACCEPTED_AT_ONCE === 0) await loopTurn();
      const conn = await listener.accept();
      const served = serve(conn)
        .catch((error) => log.error("A connection hit an unexpected error: {error}", { error }))
        .finally(() => serving.delete(served));
      serving.add(served);
    } catch (error) {
      if (signal.aborted) break;
      if (error instanceof Deno.errors.BadResource) throw error;
      if (isGone(error)) continue;
      // EMFILE and the like: the listener itself lives on.
      if (complaint.isDue(String(error))) {
        log.warn("Cannot accept a connection: {error}", { error });
      }
      await delay(PAUSE_MS, { signal }).catch(() => {});
    }
  }
  await Promise.all(serving);
}
