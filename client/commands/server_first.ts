/**
 * The server may stand before what is asked of it: `gclient call edge-1 payments.v1.Payments/List`, so
 * that the shell completes the methods of this server.
 *
 * A server's name has no capital letter, and a name with a hyphen is no symbol. Where both words could
 * be either, the symbol stands first.
 *
 * @module
 */
import { isServerName } from "../../shared/registration/server_name.ts";

/** A method or another symbol, as `call` and `describe` take it. */
const SYMBOL = /^\/?(?:[\w.]+\/)?\w+$|^[\w.]+\.\w+$|^\*$/;

/** The arguments with the symbol first, and the server after it. */
export function symbolFirst(args: readonly string[]): readonly string[] {
  const [first, second, ...others] = args;
  if (first === undefined || second === undefined) return args;
  const isSwapped = isServerName(first) && SYMBOL.test(second) &&
    !(SYMBOL.test(first) && isServerName(second));
  return isSwapped ? [second, first, ...others] : args;
}

/** Whether this names a server, and can be no symbol. */
export function isServerOnly(word: string): boolean {
  return isServerName(word) && !SYMBOL.test(word);
}
