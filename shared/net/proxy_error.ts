/**
 * Why a proxy did not lead to the target, in words that say what to do.
 *
 * | kind          | HTTP                | SOCKS5 (RFC 1928 §6)               | who can change it          |
 * | ------------- | ------------------- | ---------------------------------- | -------------------------- |
 * | `credentials` | 407                 | no method in common, RFC 1929 fails | who starts this program    |
 * | `forbidden`   | 401, 403, 405       | 2, not allowed by the ruleset      | who runs the proxy         |
 * | `target`      | 502, 503, 504       | 1, 3, 4, 5, 6                      | nobody: it may be away     |
 * | `away`        | no connection, no TLS to the proxy itself                | nobody: it may be away     |
 * | `broken`      | any other answer    | any other answer                   | who starts this program    |
 *
 * @module
 */

/** What is wrong at a proxy, by the place where it can be changed. */
export type ProxyFault = "credentials" | "forbidden" | "target" | "away" | "broken";

/** Options of {@linkcode ProxyError}. */
export interface ProxyErrorOptions extends ErrorOptions {
  readonly fault: ProxyFault;
  readonly hint?: string | undefined;
}

/** A dial through a proxy that did not come through. The message holds no credential. */
export class ProxyError extends Error {
  override readonly name = "ProxyError";
  readonly fault: ProxyFault;
  readonly hint: string | undefined;

  constructor(message: string, { fault, hint, ...options }: ProxyErrorOptions) {
    super(message, options);
    this.fault = fault;
    this.hint = hint;
  }

  /** Only a person can change it, and each further try may count against an account. */
  get isLasting(): boolean {
    return this.fault === "credentials" || this.fault === "forbidden";
  }
}
