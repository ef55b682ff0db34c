/**
 * Addresses to listen on or to dial.
 *
 *     :8080          → { host: "", port: 8080 }            every interface
 *     0.0.0.0:8080   → { host: "0.0.0.0", port: 8080 }
 *     [::1]:0        → { host: "::1", port: 0 }            any free port
 *     localhost:9090 → { host: "localhost", port: 9090 }
 *
 * @module
 */
import { isIPv6 } from "node:net";
import { UsageError } from "./usage_error.ts";

/** Options of {@linkcode parseHostPort}. */
export interface ParseHostPortOptions {
  /** The port that a hint proposes when the text has none. */
  readonly usualPort: number;
}

export interface HostPort {
  /** Without brackets; empty for every interface. */
  readonly host: string;
  readonly port: number;
}

const GRAMMAR = /^(?:\[([0-9a-fA-F:.%\w]+)\]|([^\s:/[\]@]*)):(\d{1,5})$/;
const MAX_PORT = 65_535;

/**
 * Reads an address.
 *
 * @throws {UsageError} If the text is none.
 */
export function parseHostPort(text: string, { usualPort }: ParseHostPortOptions): HostPort {
  const [, bracketed, plain, digits] = GRAMMAR.exec(text) ?? [];
  const port = Number(digits);
  const badBrackets = bracketed !== undefined && !bracketed.includes(":");
  if (digits === undefined || port > MAX_PORT || badBrackets) {
    throw new UsageError(`"${text}" is not an address`, { hint: hint(text, usualPort) });
  }
  return { host: bracketed ?? plain ?? "", port };
}

/** What options have whose value is an address. */
interface AddressValue {
  readonly value: "ADDRESS";
  parse(text: string): HostPort;
  show(address: HostPort): string;
}

/** An option's value that is an address. */
export function address(options: ParseHostPortOptions): AddressValue {
  return {
    value: "ADDRESS",
    parse: (text: string): HostPort => parseHostPort(text, options),
    show: formatHostPort,
  };
}

/** Writes an address, an IPv6 one with its brackets. */
export function formatHostPort({ host, port }: HostPort): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

function hint(text: string, usualPort: number): string {
  if (/^[a-z]+:\/\//i.test(text)) return "Write host:port, without a scheme";
  if (/^\d+$/.test(text) && Number(text) <= MAX_PORT) return `Write a port alone as :${text}`;
  if (Number(/:(\d+)$/.exec(text)?.[1]) > MAX_PORT) return `A port is 0 to ${MAX_PORT}`;
  if (/^[0-9a-f]*:[0-9a-f:]+$/i.test(text)) {
    return `Write an IPv6 address in brackets: ${bracketed(text, usualPort)}`;
  }
  if (/^[\w.-]+$/.test(text)) return `The port is missing: write ${text}:${usualPort}`;
  return "Write host:port, such as localhost:9090, :8080 or [::1]:0";
}

/** What was probably meant: `::1:9090` has a port, `::1` has none. */
function bracketed(text: string, usualPort: number): string {
  const [, host = "", port = ""] = /^(.*):(\d+)$/.exec(text) ?? [];
  return isIPv6(host) && Number(port) <= MAX_PORT ? `[${host}]:${port}` : `[${text}]:${usualPort}`;
}
