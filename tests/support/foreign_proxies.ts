/**
 * The proxies of others that stand in the way of a server: squid, and microsocks for SOCKS5.
 *
 * @module
 */
import { type Daemon, startDaemon } from "./daemon.ts";

/** Options of {@linkcode startSquid}. */
export interface SquidOptions {
  /** `user:password`; without it everybody is let in. */
  readonly login?: string;
  /** Ports that CONNECT may lead to. @default all */
  readonly ports?: readonly number[];
  /** Speaks TLS itself with this PEM (certificate and key). */
  readonly tls?: { readonly cert: string; readonly key: string };
}

/** A real squid that allows CONNECT. */
export function startSquid({ login, ports, tls }: SquidOptions = {}): Promise<Daemon> {
  return startDaemon({
    command: "squid",
    args: ({ dir }) => ["-N", "-f", `${dir}/squid.conf`],
    files: ({ dir, port }) => ({
      "squid.conf": [
        tls === undefined
          ? `http_port 127.0.0.1:${port}`
          : `https_port 127.0.0.1:${port} tls-cert=${dir}/cert.pem tls-key=${dir}/key.pem`,
        "pid_filename none",
        "pinger_enable off",
        "cache deny all",
        "access_log none",
        "cache_log /dev/stderr",
        `coredump_dir ${dir}`,
        "visible_hostname squid.test",
        ...(login === undefined ? [] : [
          `auth_param basic program /bin/sh ${dir}/login.sh`,
          "auth_param basic children 1",
          "acl known proxy_auth REQUIRED",
          "http_access deny !known",
        ]),
        ...(ports === undefined
          ? []
          : [`acl good port ${ports.join(" ")}`, "http_access deny !good"]),
        "http_access allow all",
        "",
      ].join("\n"),
      // Squid asks it with a line "user password", and wants a line back.
      "login.sh": `while read -r line; do ` +
        `[ "$line" = '${
          (login ?? "").split(":").map(escape1738).join(" ")
        }' ] && echo OK || echo ERR\n` +
        "done\n",
      ...(tls !== undefined && { "cert.pem": tls.cert, "key.pem": tls.key }),
    }),
  });
}

/** A real SOCKS5 proxy. @param login `user:password` */
export function startMicrosocks(login?: string): Promise<Daemon> {
  const [user = "", password = ""] = login?.split(":") ?? [];
  return startDaemon({
    command: "microsocks",
    args: ({ port }) => [
      ...["-i", "127.0.0.1", "-p", String(port)],
      ...(login === undefined ? [] : ["-u", user, "-P", password]),
    ],
  });
}

/** As squid writes a user or a password to its helper (RFC 1738 §2.2, the unsafe characters). */
function escape1738(text: string): string {
  return text.replace(/[ %"<>#{}|\\^~[\]`']/g, (one) => {
    return `%${one.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
}
