/**
 * Opens an address in the person's browser. Whether that works shows nowhere: the address is on the
 * terminal too.
 *
 * The address stands in a command line. It has no token in it; whoever reads it cannot finish the login.
 *
 * @module
 */
import type { Env } from "../../shared/cli/command.ts";

/** By operating system; elsewhere `xdg-open`. */
const OPENERS: Partial<Record<typeof Deno.build.os, readonly string[]>> = {
  darwin: ["open"],
  windows: ["rundll32", "url.dll,FileProtocolHandler"],
};

/** @param env `BROWSER` names a program, as for other programs; `BROWSER=none` opens nothing. */
export function openBrowser(url: string, env: Env): void {
  const { BROWSER: browser = "" } = env;
  if (browser === "none") return;
  // A list, or a command with %s, is what xdg-open knows.
  const isPlain = browser !== "" && !/[:%\s]/.test(browser);
  const [program = "", ...args] = isPlain ? [browser] : OPENERS[Deno.build.os] ?? ["xdg-open"];
  try {
    new Deno.Command(program, {
      args: [...args, url],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn().unref();
  } catch {
    // There is none.
  }
}
