/**
 * The lines to paste on other machines, for the log at start. They name the files of the
 * tokens, never the tokens.
 *
 * @module
 */
import { isLoopbackHost } from "../../shared/net/loopback.ts";
import { tokenFiles } from "../auth/hub_tokens.ts";
import type { AuthorityFile } from "./authority_file.ts";

export interface QuickStartOptions {
  /** `wss://127.0.0.1:8080/ws` and the address that it listens on. */
  readonly tunnelAddress: string;
  readonly tunnelHost: string;
  /** `127.0.0.1:9090`, the address that it listens on, and whether it speaks TLS. */
  readonly callAddress: string;
  readonly callHost: string;
  readonly callTls: boolean;
  /** Calls from elsewhere are taken without TLS too. */
  readonly allowPlaintextCalls: boolean;
  readonly stateDir: string;
  /** What other machines may call this one. */
  readonly machine: string;
  /** By whom peers trust the hub's certificate, if they do not do so anyway. */
  readonly authority?: AuthorityFile;
}

/** None if nobody from elsewhere can reach the hub. */
export function quickStart(options: QuickStartOptions): string[] {
  const { tunnelAddress, tunnelHost, callAddress, callHost, callTls, stateDir } = options;
  const { authority } = options;
  const caFile = authority && ("file" in authority ? authority.file : "CA.crt");
  // Nobody can find it but whoever made the certificate.
  const note = authority !== undefined && "unknown" in authority
    ? ` (CA.crt: the certificate of its authority, ${authority.unknown})`
    : "";
  const files = tokenFiles(stateDir);
  const lines: string[] = [];
  const reachable = (address: string, host: string) =>
    isWildcard(host) ? address.replace("127.0.0.1", options.machine) : address;
  const trust = (tls: boolean) =>
    tls && caFile !== undefined ? ` --tls-ca-cert-file ${baseName(caFile)}` : "";
  const copies = (file: string, tls: boolean) =>
    tls && caFile !== undefined ? `${file} and ${caFile}` : file;
  if (!isLoopbackHost(tunnelHost)) {
    const uri = reachable(tunnelAddress, tunnelHost).replace(/^(wss:.*):443\//, "$1/");
    const ca = uri.startsWith("wss:") && caFile !== undefined ? ` --ca ${caFile}` : "";
    lines.push(
      "To add a server, run here what gives it a token of its own: " +
        `ghub enroll NAME --state-dir ${stateDir} --hub-uri ${uri}${ca}${ca === "" ? "" : note}`,
    );
  }
  if (!isLoopbackHost(callHost) && !callTls && !options.allowPlaintextCalls) {
    lines.push(
      "Calls from other machines are refused without TLS: start with --call-tls and --tls-cert " +
        "(ghub cert make makes a certificate), or with --allow-plaintext-calls",
    );
  } else if (!isLoopbackHost(callHost)) {
    const address = reachable(callAddress, callHost);
    lines.push(
      `To call from elsewhere, copy ${copies(files.operator, callTls)} there and run: ` +
        `gclient hub servers -s ${address} --token-file ${baseName(files.operator)}` +
        `${callTls ? " --tls" : ""}${trust(callTls)}${trust(callTls) === "" ? "" : note}`,
    );
  }
  return lines;
}

function isWildcard(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
