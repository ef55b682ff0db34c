/**
 * Whom a program trusts when it is told nothing else: the authorities of the machine's own store, as
 * curl does, and those that Deno brings along.
 *
 * @module
 */

/**
 * By it Deno knows where to look; it reads it at the first TLS connection of a process. That may be its
 * own: half a second after its start it asks for its newest version, unless `DENO_NO_UPDATE_CHECK` is
 * set, as our executables set it.
 */
const VARIABLE = "DENO_TLS_CA_STORE";
const DEFAULT = "mozilla,system";

/**
 * Adds the machine's store to Deno's own list, which alone is Deno's default. For a program's first
 * statement, before it waits for anything: it holds for `fetch` and `node:tls` alike, in whatever form
 * the program runs. A machine without a store is no error, and who sets the variable has chosen.
 */
export function trustDefaultAuthorities(): void {
  if (!Deno.env.has(VARIABLE)) Deno.env.set(VARIABLE, DEFAULT);
}
