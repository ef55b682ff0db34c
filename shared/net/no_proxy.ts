/**
 * `NO_PROXY`: the hosts that are reached without a proxy.
 *
 *     NO_PROXY=internal.example,.corp,10.0.0.0/8,fd00::/8,hub.example:8443,*
 *
 * | entry                            | exempts                                  |
 * | -------------------------------- | ---------------------------------------- |
 * | `internal.example`               | that host and all below it               |
 * | `.corp`, `*.corp`                | all below `corp`                         |
 * | `10.1.2.3`, `::1`, `[::1]`       | that address, however it is written      |
 * | `10.0.0.0/8`, `fd00::/8`         | addresses in that range                  |
 * | any of them with `:PORT`         | the same, at that port alone             |
 * | `*`                              | everything                               |
 *
 * Ranges match addresses that are written as such: names are not resolved for it, because the names
 * of other networks cannot always be resolved on this side of a proxy.
 *
 * @module
 */
import { BlockList, isIP, isIPv6 } from "node:net";
import { bareHost } from "./bare_host.ts";

/** Entries beyond it are not looked at: a list is short, and each dial reads it. */
const MAX_ENTRIES = 10_000;

/** A host and its port. */
export interface HostAndPort {
  readonly host: string;
  readonly port: number;
}

/** Whether a list names the target. */
export function isExempt({ host, port }: HostAndPort, list: string): boolean {
  const target = { host: plainHost(host), port };
  return list.split(/[\s,;]+/, MAX_ENTRIES).some((entry) => matches(entry, target));
}

function matches(entry: string, { host, port }: HostAndPort): boolean {
  if (entry === "") return false;
  if (entry === "*") return true;
  const { name, port: onlyPort } = splitPort(entry);
  if (name === "" || (onlyPort !== undefined && onlyPort !== port)) return false;
  if (isIP(host) !== 0) return isInRange(host, name);
  const suffix = name.replace(/^\*?\./, "");
  return (name === suffix && host === suffix) || host.endsWith(`.${suffix}`);
}

/** `[::1]:80` and `host:80` have a port, `::1` has none. */
function splitPort(entry: string): { readonly name: string; readonly port: number | undefined } {
  const [, host, port] = /^(\[[^\]]*\](?:\/\d+)?|[^:]*):(\d+)$/.exec(entry) ?? [];
  const name = (host ?? entry).replace(/^\[(.*)\](\/\d+)?$/, "$1$2");
  return { name: plainHost(name), port: port === undefined ? undefined : Number(port) };
}

/** Whether an address lies in `10.0.0.0/8`, or is the one that stands there alone. */
function isInRange(address: string, range: string): boolean {
  const [base = "", bits] = range.split("/");
  const family = isIP(base);
  if (family === 0) return false;
  const most = family === 4 ? 32 : 128;
  const prefix = bits === undefined ? most : Number(bits);
  if (!/^\d{1,3}$/.test(bits ?? "0") || prefix > most) return false;
  const list = new BlockList();
  list.addSubnet(base, prefix, family === 4 ? "ipv4" : "ipv6");
  return list.check(address, isIPv6(address) ? "ipv6" : "ipv4");
}

/** A host without brackets, without the dot that ends a full name, in lower case. */
function plainHost(host: string): string {
  return bareHost(host).toLowerCase().replace(/\.$/, "");
}
