/**
 * Accepts connections for as long as the listener lives.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { delay } from "../shared/async/delay.ts";

/** Pause after a failed accept: with no file descriptors left, trying at once only burns CPU. */
const PAUSE_MS = 100;

/** Something that accepts. */
export interface Acceptor {
  accept(): Promise<Deno.Conn>;
  close(): void;
}

/**
 * Calls `serve` for each connection. One peer's failure, in whatever stage, is that peer's alone.
 *
 * @param serve Owns the connection. Must not reject.
 * @returns When the listener was closed.
 */
export async function acceptLoop(
  listener: Acceptor,
  serve: (conn: Deno.Conn) => Promise<void>,
  { signal }: { readonly signal: AbortSignal },
): Promise<void> {
  signal.addEventListener("abort", () => listener.close(), { once: true });
  while (!signal.aborted) {
    try {
      void serve(await listener.accept());
    } catch (error) {
      if (signal.aborted) return;
      // EMFILE, or a connection that was gone before it was taken: the listener itself lives on.
      getLogger(["hub", "accept"]).warn("Cannot accept a connection: {error}", { error });
      await delay(PAUSE_MS, { signal }).catch(() => {});
    }
  }
}
