/**
 * What the hub's options mean, as HubOptions.
 *
 * @module
 */
import type { HostPort } from "../../shared/cli/parse_host_port.ts";
import type { Env } from "../../shared/cli/command.ts";
import { valuesOf } from "../../shared/cli/option.ts";
import { UsageError } from "../../shared/cli/usage_error.ts";
import { isLoopbackHost } from "../../shared/net/loopback.ts";
import type { LoadedCertificate } from "../../shared/tls/load.ts";
import { loopbackTrust } from "../auth/loopback_trust.ts";
import {
  type CertificateFiles,
  type LoadedIdentity,
  loadIdentity,
} from "../net/certificate_watch.ts";
import type { HubProgramOptions } from "../hub_options.ts";
import type { ListenAddress } from "../net/listen_options.ts";
import { type AuthorityFile, authorityFile } from "./authority_file.ts";
import { peerConfig } from "./peer_options.ts";
import { clusterSetup } from "./cluster_options.ts";
import { limitsOptions, type ServeValues, tunnelOptions } from "./serve_options.ts";

/** A certificate in use, and where it comes from. */
export interface Certificate extends LoadedIdentity {
  readonly files: CertificateFiles & Pick<LoadedCertificate, "certFile">;
  /** What peers need to trust it. */
  readonly authority: AuthorityFile;
}

/** What the options mean, and what is to be told about it. */
export interface HubConfig {
  readonly hub: HubProgramOptions;
  /** Threads in which it runs. */
  readonly workers: number;
  /** Where metrics are, if anywhere. */
  readonly metricsListen: ListenAddress | undefined;
  /** The certificate in use. */
  readonly certificate: Certificate | undefined;
  /** Sentences for the log. */
  readonly warnings: readonly string[];
}

/**
 * Makes HubOptions.
 *
 * @param exists Whether a file is there that marks a container.
 * @throws {UsageError} If options contradict each other.
 * @throws {Error} If a certificate or key cannot be used.
 */
export async function toConfig(
  values: ServeValues,
  env: Env,
  exists: (path: string) => boolean = isThere,
): Promise<HubConfig> {
  const { tunnelListen, callListen, pingIntervalMs, deadAfterMs } = values;
  if (deadAfterMs < 2 * pingIntervalMs) {
    throw new UsageError(
      "--dead-after must be at least twice --ping-interval: a tunnel must be able to lose a ping",
    );
  }
  if (tunnelListen.port !== 0 && tunnelListen.port === callListen.port) {
    if (tunnelListen.host === callListen.host) {
      throw new UsageError("--tunnel-listen and --call-listen must differ");
    }
  }
  const certificate = await loadTls(values);
  const warnings: string[] = [];
  const wildcard = wildcardHost();
  const { trusted, warning } = loopbackTrust(values.trustLoopback, {
    env,
    exists,
    isReachable: ![tunnelListen, callListen].every(({ host }) => isLoopbackHost(host)),
  });
  if (warning !== undefined) warnings.push(warning);
  const gets = trusted ? "only loopback gets in" : "nobody gets in";
  const stateDir = values.stateDir ?? usableFolder(defaultStateDir(env), { gets, warnings });
  const { tunnel, call } = usesOfTls(values);
  const { metricsListen } = values;
  const peers = await peerConfig(values, (address) => toListen(address, wildcard));
  const cluster = await clusterSetup(values);
  if (peers !== undefined && cluster === undefined) {
    throw new UsageError("--peer-listen does nothing without --cluster");
  }
  if (cluster !== undefined && values.workers > 1) {
    throw new UsageError(
      "--workers and --cluster cannot go together: workers are a cluster already",
      {
        hint: "Start a hub for each core, with ports and a state folder of its own",
      },
    );
  }
  if (cluster !== undefined && peers === undefined) {
    warnings.push("Without --peer-listen calls reach only servers that have a tunnel to this hub");
  }
  return {
    certificate,
    warnings,
    workers: values.workers,
    metricsListen: metricsListen && toListen(metricsListen, wildcard),
    hub: {
      tunnelListen: toListen(tunnelListen, wildcard),
      callListen: toListen(callListen, wildcard),
      tunnelTls: tunnel ? certificate : undefined,
      callTls: call ? certificate : undefined,
      stateDir,
      peers,
      cluster,
      authFile: values.authFile,
      allowPlaintextCalls: values.allowPlaintextCalls,
      trustLoopback: trusted,
      auditLog: auditTarget(values.auditLog, stateDir),
      audit: { maxBytes: values.auditMaxBytes, maxFiles: values.auditFiles },
      tunnels: valuesOf(tunnelOptions, values),
      limits: valuesOf(limitsOptions, values),
    },
  };
}

type TlsValues = Pick<
  ServeValues,
  "tls" | "tlsCert" | "tlsCertFile" | "tlsKeyFile" | "callTls" | "clientCa"
>;

function usesOfTls({ tls, tlsCert, callTls }: TlsValues): { tunnel: boolean; call: boolean } {
  return { tunnel: tls || tlsCert !== undefined, call: callTls };
}

async function loadTls(values: TlsValues): Promise<HubConfig["certificate"]> {
  const { tls, tlsCert, tlsCertFile, tlsKeyFile, callTls, clientCa } = values;
  if (tlsCert !== undefined && tlsCertFile !== undefined) {
    throw new UsageError("--tls-cert and --tls-cert-file name the same thing: give one of them");
  }
  const certFile = tlsCert ?? tlsCertFile;
  if (certFile === undefined) {
    const given = tls
      ? "--tls"
      : callTls
      ? "--call-tls"
      : clientCa
      ? "--client-ca"
      : tlsKeyFile
      ? "--tls-key-file"
      : "";
    if (given === "") return undefined;
    throw new UsageError(`${given} needs a certificate`, {
      hint: "Give --tls-cert hub.crt (its key is hub.key); ghub cert make makes a pair",
    });
  }
  if (tlsCert === undefined && !tls && !callTls) {
    // Or else it would be thought of as encrypted, and is not.
    throw new UsageError("--tls-cert-file does nothing without --tls or --call-tls");
  }
  const files = { certFile, keyFile: tlsKeyFile, clientCaFile: clientCa };
  const loaded = await loadIdentity(files);
  return { ...loaded, files, authority: await authorityFile(loaded.cert, certFile) };
}

/** An address that was given, with the wildcard of this machine. */
export function toListen({ host, port }: HostPort, wildcard: string): ListenAddress {
  return { hostname: host === "" ? wildcard : host, port };
}

/** All interfaces: IPv6 and IPv4 alike, where the machine has IPv6. */
export function wildcardHost(): string {
  try {
    Deno.listen({ hostname: "::", port: 0 }).close();
    return "::";
  } catch {
    return "0.0.0.0";
  }
}

/** Where state is kept when nobody says: as systemd says, else as the XDG folders say. */
export function defaultStateDir(env: Env): string | undefined {
  const [service] = (env["STATE_DIRECTORY"] ?? "").split(":");
  if (service) return service;
  const { XDG_STATE_HOME: xdg, HOME: home } = env;
  if (xdg?.startsWith("/")) return `${xdg}/ghub`;
  return home ? `${home}/.local/state/ghub` : undefined;
}

/** A default must never keep the hub from starting: without state it serves loopback only. */
function usableFolder(
  folder: string | undefined,
  { gets, warnings }: { readonly gets: string; readonly warnings: string[] },
): string | undefined {
  const consequence = `so that ${gets}; name a folder with --state-dir`;
  if (folder === undefined) {
    warnings.push(`There is no HOME to keep tokens in, ${consequence}`);
    return undefined;
  }
  try {
    Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
    Deno.removeSync(Deno.makeTempFileSync({ dir: folder }));
    return folder;
  } catch (error) {
    warnings.push(`Cannot write to ${folder} (${(error as Error).message}), ${consequence}`);
    return undefined;
  }
}

export function isThere(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Where the audit goes: a file, `stderr`, or nowhere. */
export function auditTarget(
  given: string | undefined,
  stateDir: string | undefined,
): string | undefined {
  if (given === "none") return undefined;
  return given ?? (stateDir === undefined ? undefined : `${stateDir}/audit.jsonl`);
}
