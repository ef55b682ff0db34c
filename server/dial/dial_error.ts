/**
 * Why no tunnel could be opened, in words that say what to do.
 *
 * @module
 */

import { ProxyError } from "../../shared/net/proxy_error.ts";
import { wrongHost } from "../../shared/tls/wrong_host.ts";

/** Options of {@linkcode DialError}. */
export interface DialErrorOptions extends ErrorOptions {
  /** The HTTP status of a refusal. */
  readonly status?: number;
  /** The hub's `Retry-After`. */
  readonly retryAfterMs?: number | undefined;
  /** What the operator can do about it. */
  readonly hint?: string | undefined;
  /** Only a person can change it, whatever the status says. @default false */
  readonly lasting?: boolean;
  /** What the answer's clock says, in milliseconds since 1970. @default it does not tell */
  readonly dateMs?: number | undefined;
  /** The hub has a tunnel of this server and name already: nothing is missing there. @default false */
  readonly isHere?: boolean;
}

/** A dial that failed. */
export class DialError extends Error {
  override readonly name = "DialError";
  readonly status: number | undefined;
  readonly retryAfterMs: number | undefined;
  readonly hint: string | undefined;
  readonly lasting: boolean;
  readonly dateMs: number | undefined;
  readonly isHere: boolean;

  constructor(message: string, options: DialErrorOptions = {}) {
    super(message, options);
    this.status = options.status;
    this.retryAfterMs = options.retryAfterMs;
    this.hint = options.hint;
    this.lasting = options.lasting ?? false;
    this.dateMs = options.dateMs;
    this.isHere = options.isHere ?? false;
  }
}

/** HTTP status of a hub's refusal → what to do. */
const STATUS_HINTS: Readonly<Record<number, string>> = {
  400: "Check the name, --labels and the version of the hub",
  401:
    "Give the token that the hub knows this server by with --token-file; who runs the hub has it",
  403: "This credential may not use this name: ask who runs the hub",
  404: "Check the path of --hub-uri: a hub listens at /ws",
  405: "Check --hub-uri: that is not a hub's tunnel port",
  409: "Another living server uses this name: give this one a name of its own",
  426: "Check --hub-uri: a proxy in between may not pass WebSockets on",
};

export function statusHint(status: number): string | undefined {
  return STATUS_HINTS[status];
}

const TRUST =
  "Trust the hub's certificate with --tls-ca-cert-file, or for a trial use --tls-insecure-skip-verify";

/** Words in an error's code or message → what to do. The first that fits counts. */
const ERROR_HINTS: readonly (readonly [pattern: RegExp, hint: string])[] = [
  [/ECONNREFUSED/, "Is the hub running, and is the port of --hub-uri its tunnel port?"],
  [/ENOTFOUND|EAI_AGAIN|failed to lookup/i, "The host of --hub-uri cannot be resolved"],
  [/EHOSTUNREACH|ENETUNREACH/, "No route to the host of --hub-uri"],
  [
    /NotValidForName|ALTNAME|CERT_COMMON_NAME/i,
    "The hub's certificate is for another host: dial that, or name it with --tls-server-name",
  ],
  [/Expired/i, "The hub's certificate has expired: renew it, and check both clocks"],
  [/NotValidYet|NOT_YET_VALID/i, "The hub's certificate is not valid yet: check both clocks"],
  // Deno has this one word for three faults.
  [
    /UNABLE_TO_VERIFY_LEAF/,
    "The hub's certificate has expired, is not valid yet, or is of an unknown authority: check its " +
    "dates and both clocks, or name its authority with --tls-ca-cert-file",
  ],
  [/UnknownIssuer|SELF_SIGNED|UNABLE_TO_(GET|VERIFY)|CaUsedAsEndEntity|CERT_/i, TRUST],
  [
    /CertificateRequired|BadCertificate|ALERT_.{0,40}CERTIFICATE/i,
    "The hub wants a client certificate: give --tls-cert-file and --tls-key-file",
  ],
  [
    /NoApplicationProtocol|NO_APPLICATION_PROTOCOL/,
    "Is this the hub's call port? Servers dial its tunnel port, such as wss://hub.example/ws",
  ],
  [
    /InvalidContentType|WRONG_VERSION|EPROTO|corrupt message/i,
    "That port speaks no TLS: start the hub with --tls-cert and --tls-key, and check that this is its " +
    "tunnel port; without TLS others on the way could read the token",
  ],
  [
    /Parse Error|HPE_|socket hang up|ECONNRESET|UnexpectedEof|unexpected end/i,
    "The connection was cut: does the hub's tunnel port want wss://, or a proxy?",
  ],
];

/** Any error of a dial that is no refusal of the hub. */
export function fromNetwork(error: unknown): DialError {
  if (error instanceof DialError) return error;
  if (error instanceof ProxyError) {
    const { message, hint, isLasting: lasting } = error;
    return new DialError(message, { cause: error, hint, lasting });
  }
  const { code = "", message } = error instanceof Error
    ? error as Error & { code?: string }
    : { message: String(error) };
  const text = wrongHost(error) ?? (message === "" ? code : message);
  const words = `${code} ${message}`;
  const hint = ERROR_HINTS.find(([pattern]) => pattern.test(words))?.[1];
  return new DialError(text, { cause: error, hint });
}
