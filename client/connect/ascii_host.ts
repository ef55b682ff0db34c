/**
 * Host names as people write them → as DNS, TLS and HTTP want them.
 *
 *     hüb.example → xn--hb-xka.example
 *
 * @see https://www.rfc-editor.org/rfc/rfc5890
 * @module
 */
import { UsageError } from "../../shared/cli/program.ts";

/**
 * The host in ASCII; one that is so already is not changed, addresses included.
 *
 * @throws {UsageError} If there is no such name.
 */
export function asciiHost(host: string): string {
  if (/^[\x21-\x7e]*$/.test(host)) return host;
  const url = URL.parse(`http://${host}`);
  if (url !== null && url.port === "" && url.pathname === "/" && url.username === "") {
    return url.hostname;
  }
  throw new UsageError(`"${host}" is not a host name`, {
    hint: "Write a name such as hub.example, or an IP address",
  });
}
