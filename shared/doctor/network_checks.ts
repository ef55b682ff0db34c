/**
 * The checks of the way to a hub, which is the same for servers and operators: name, proxy, TCP, TLS, clock.
 *
 * @module
 */
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { delay } from "../async/delay.ts";
import { formatDuration } from "../cli/parse_duration.ts";
import { formatHostPort } from "../cli/parse_host_port.ts";
import { addressOf, redactProxy } from "../net/proxy.ts";
import { ProxyError } from "../net/proxy_error.ts";
import { wrongHost } from "../tls/wrong_host.ts";
import { shownChain, SOON_MS } from "./chain.ts";
import type { Check, Finding } from "./check.ts";
import { type NetworkTarget, openTcp, openTls } from "./open.ts";

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
  const socket = await openTcp(target);
  socket.destroy();
  const { address, proxy } = target;
  return { text: `${formatHostPort(address)} answers${proxy ? " through the proxy" : ""}` };
}

async function secure(target: NetworkTarget): Promise<Finding | undefined> {
  const socket = await openTls(target);
  if (socket === undefined) return undefined;
  try {
    const text = `${socket.getProtocol()}; ${shownChain(socket)}`;
    const fault = socket.authorizationError as Error | string | null;
    if (fault) {
      const why = fault instanceof Error ? wrongHost(fault) ?? fault.message : String(fault);
      return {
        level: target.tls?.skipVerify ? "warn" : "fail",
        text: `${text}; not trusted: ${why}`,
        remedy: "Name its authority with --tls-ca-cert-file, or its name with --tls-server-name",
      };
    }
    const until = Date.parse(socket.getPeerCertificate().valid_to);
    if (until - Date.now() < SOON_MS) {
      return { level: "warn", text, remedy: "Renew the hub's certificate: ghub cert make --force" };
    }
    return { text };
  } finally {
    socket.destroy();
  }
}

/**
 * Does a connection outlive silence? NAT, firewalls and proxies forget those that say nothing.
 *
 * @param idleMs For how long it is silent; `undefined`: it is not tried.
 */
export function idleCheck(idleMs: number | undefined, { open, signal, remedy }: {
  /** Opens it, and asks something over it. @returns What asks over the same one again. */
  open(): Promise<() => Promise<void>>;
  readonly signal: AbortSignal;
  readonly remedy: string;
}): Check {
  return {
    name: "idle",
    async run() {
      if (idleMs === undefined) {
        return { level: "-", text: "not tried: --idle 60s keeps a connection silent for 60 s" };
      }
      const askAgain = await open();
      await delay(idleMs, { signal });
      await askAgain();
      return { text: `a connection survives silence of ${formatDuration(idleMs)}` };
    },
    remedy: () => remedy,
  };
}

/** How far a clock may be off: tokens and vouchers are valid for times like that. */
const MAX_SKEW_MS = 5000;

/** How two clocks differ, as far as a question over the network can tell. */
export interface Skew {
  /** How far the hub's clock is ahead of the middle of the question and the answer here. */
  readonly aheadMs: number;
  /** The hub has looked at its clock at some time in it. */
  readonly roundTripMs: number;
}

export function skewFinding({ aheadMs, roundTripMs }: Skew): Finding {
  const seconds = Math.abs(aheadMs / 1000).toFixed(1);
  const text = `the hub's clock is ${seconds} s ${aheadMs < 0 ? "behind" : "ahead of"} this one`;
  if (Math.abs(aheadMs) <= MAX_SKEW_MS + roundTripMs / 2) return { text };
  return { level: "warn", text, remedy: "Set both clocks by NTP: tokens and certificates need it" };
}
