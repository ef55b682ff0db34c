/**
 * The checks of the way to a hub, which servers and operators go alike: name, proxy, TCP, TLS, clock.
 *
 * @module
 */
import { lookup } from "node:dns/promises";
import { once } from "node:events";
import { connect, isIP, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { formatHostPort, type HostPort } from "../cli/parse_host_port.ts";
import { addressOf, redactProxy } from "../net/proxy.ts";
import { dialThrough } from "../net/proxy_dial.ts";
import { ProxyError } from "../net/proxy_error.ts";
import { DAY_MS } from "../tls/day.ts";
import { wrongHost } from "../tls/wrong_host.ts";
import type { Check, Finding } from "./check.ts";

export interface NetworkTarget {
  readonly address: HostPort;
  /** Absent: straight to the address. */
  readonly proxy: URL | undefined;
  /** Absent: plain. */
  readonly tls: {
    readonly serverName: string;
    readonly skipVerify: boolean;
    readonly ca?: string | undefined;
    readonly cert?: string | undefined;
    readonly key?: string | undefined;
  } | undefined;
  /** The protocol that TLS offers. */
  readonly alpn: string;
  readonly signal: AbortSignal;
}

/** One check takes no longer. */
const LIMIT_MS = 10_000;
/** A certificate that ends sooner is worth a word. */
const SOON_MS = 30 * DAY_MS;
/** A chain that is longer is not shown whole. */
const MAX_CHAIN = 10;

/** Name, proxy, TCP and TLS, in this order. */
export function networkChecks(target: NetworkTarget): Check[] {
  return [
    { name: "DNS", isVital: true, run: () => resolve(target), remedy: () => DNS_REMEDY },
    { name: "proxy", run: () => Promise.resolve(proxyFinding(target)) },
    {
      name: "TCP",
      isVital: true,
      run: () => reach(target),
      remedy: (error) =>
        error instanceof ProxyError
          ? error.hint
          : `Is the hub at ${
            formatHostPort(target.address)
          }, and does no firewall stand before it?`,
    },
    { name: "TLS", isVital: true, run: () => secure(target), remedy: () => TLS_REMEDY },
  ];
}

const DNS_REMEDY = "Check the hub's name, and the machine's name servers";
const TLS_REMEDY = "Does that port speak TLS? Without TLS there is nothing to set";

async function resolve({ address, proxy }: NetworkTarget): Promise<Finding | undefined> {
  const { host } = proxy === undefined ? address : addressOf(proxy);
  if (isIP(host) !== 0) return undefined;
  const found = await lookup(host, { all: true });
  return { text: `${host} is ${found.map((one) => one.address).join(", ")}` };
}

function proxyFinding({ proxy }: NetworkTarget): Finding | undefined {
  return proxy === undefined ? undefined : { text: `goes through ${redactProxy(proxy)}` };
}

async function reach(target: NetworkTarget): Promise<Finding> {
  const socket = await open(target);
  socket.destroy();
  const { address, proxy } = target;
  return { text: `${formatHostPort(address)} answers${proxy ? " through the proxy" : ""}` };
}

async function open({ address, proxy, signal }: NetworkTarget): Promise<Socket> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(LIMIT_MS)]);
  if (proxy !== undefined) return await dialThrough(proxy, address, { signal: limit });
  const socket = connect({ ...address, noDelay: true, autoSelectFamily: true });
  socket.on("error", () => {});
  try {
    await once(socket, "connect", { signal: limit });
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

async function secure(target: NetworkTarget): Promise<Finding | undefined> {
  const { tls, alpn, signal } = target;
  if (tls === undefined) return undefined;
  const { serverName, skipVerify, ca, cert, key } = tls;
  const socket = await open(target);
  const own = connectTls({
    socket,
    ...(isIP(serverName) !== 0 ? { host: serverName } : { servername: serverName }),
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ALPNProtocols: [alpn],
    // Looked at first, judged below.
    rejectUnauthorized: false,
  });
  own.on("error", () => {});
  try {
    await once(own, "secureConnect", {
      signal: AbortSignal.any([signal, AbortSignal.timeout(LIMIT_MS)]),
    });
    const chain = chainOf(own);
    const text = `${own.getProtocol()}; ${chain.join(" ← ")}`;
    const fault = own.authorizationError as Error | string | null;
    if (fault) {
      const why = fault instanceof Error ? wrongHost(fault) ?? fault.message : String(fault);
      return {
        level: skipVerify ? "warn" : "fail",
        text: `${text}; not trusted: ${why}`,
        remedy: "Name its authority with --tls-ca-cert-file, or its name with --tls-server-name",
      };
    }
    const until = Date.parse(own.getPeerCertificate().valid_to);
    if (until - Date.now() < SOON_MS) {
      return { level: "warn", text, remedy: "Renew the hub's certificate: ghub cert make --force" };
    }
    return { text };
  } finally {
    own.destroy();
    socket.destroy();
  }
}

/** `hub.example (2026-01-01 to 2028-01-01)`, from the hub's own to its authority's. */
function chainOf(socket: TLSSocket): string[] {
  const chain: string[] = [];
  const day = (text: string) => new Date(text).toISOString().slice(0, 10);
  let one = socket.getPeerCertificate(true);
  for (; chain.length < MAX_CHAIN && one?.valid_to !== undefined; one = one.issuerCertificate) {
    const names = one.subjectaltname?.replaceAll(/(?:DNS|IP Address):/g, "") ??
      [one.subject?.CN ?? ""].flat().join(", ");
    chain.push(`${names || "no name"} (${day(one.valid_from)} to ${day(one.valid_to)})`);
    if (one.issuerCertificate === one || one.issuerCertificate === undefined) break;
    if (one.issuerCertificate.fingerprint256 === one.fingerprint256) break;
  }
  return chain;
}

/** How far a clock may be off: tokens and vouchers are valid for times like that. */
const MAX_SKEW_MS = 5000;

/** @param aheadMs How far the hub's clock is ahead of ours; half the round trip is taken off. */
export function skewFinding(aheadMs: number): Finding {
  const seconds = Math.abs(aheadMs / 1000).toFixed(1);
  const text = `the hub's clock is ${seconds} s ${aheadMs < 0 ? "behind" : "ahead of"} this one`;
  if (Math.abs(aheadMs) <= MAX_SKEW_MS) return { text };
  return { level: "warn", text, remedy: "Set both clocks by NTP: tokens and certificates need it" };
}
