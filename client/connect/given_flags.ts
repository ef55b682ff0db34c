/**
 * The flags of a command line that lead to its hub, for a line that is there to be copied: without
 * them it would call another hub, or none.
 *
 * @module
 */
import type { Raw } from "../../shared/cli/command.ts";
import type { Option } from "../../shared/cli/program.ts";
import { shellWord } from "../../shared/text/shell_word.ts";
import { connectionOptions } from "./connection_options.ts";

/** Not `--header`: its value may be a secret. */
const LEADING = [
  "context",
  "serverAddr",
  "tls",
  "tlsServerName",
  "tlsInsecureSkipVerify",
  "tlsCaCertFile",
  "tlsCertFile",
  "tlsKeyFile",
  "proxy",
  "tokenFile",
] as const satisfies (keyof typeof connectionOptions)[];

/** ` -s hub.example:9090 --tls`, or nothing if none was given. */
export function givenFlags(given: Raw): string {
  return LEADING.map((key) => {
    const value = given[key];
    if (value === undefined || value === false) return "";
    const { flag, short = flag }: Option = connectionOptions[key];
    return value === true ? ` ${flag}` : ` ${short} ${shellWord(String(value))}`;
  }).join("");
}
