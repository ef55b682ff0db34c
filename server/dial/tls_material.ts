/**
 * What TLS towards the hub needs, from files.
 *
 * @module
 */
import { UsageError } from "../../shared/cli/usage_error.ts";
import { loadAuthorities, loadCertificate } from "../../shared/tls/load.ts";

/** Files and settings, as the flags give them. */
export interface TlsFiles {
  /** PEM file of the authorities to trust in place of the system's. */
  readonly caCertFile?: string | undefined;
  /** PEM file of the client certificate. */
  readonly certFile?: string | undefined;
  /** PEM file of its key; without it, the key is looked for next to the certificate. */
  readonly keyFile?: string | undefined;
  /** The name that the hub's certificate must carry. */
  readonly serverName?: string | undefined;
  /** Takes any certificate: whoever is on the way can read and change everything. @default false */
  readonly insecureSkipVerify?: boolean;
}

/** The same for `node:tls`. */
export interface TlsMaterial {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly servername?: string;
  readonly rejectUnauthorized?: boolean;
  readonly ALPNProtocols: readonly string[];
}

/**
 * Reads the files. Called for each dial, so that a renewed certificate needs no restart.
 *
 * @throws {UsageError} If one cannot be read or holds something else.
 */
export async function loadTls(files: TlsFiles): Promise<TlsMaterial> {
  const { caCertFile, certFile, keyFile, serverName, insecureSkipVerify = false } = files;
  if (certFile === undefined && keyFile !== undefined) {
    throw new UsageError("--tls-key-file needs --tls-cert-file");
  }
  try {
    const pair = certFile === undefined ? undefined : await loadCertificate(certFile, { keyFile });
    const ca = caCertFile === undefined
      ? undefined
      : await loadAuthorities(caCertFile, { flag: "--tls-ca-cert-file" });
    return {
      // A hub that offered h2 could not speak WebSocket on it.
      ALPNProtocols: ["http/1.1"],
      ...(ca !== undefined && { ca }),
      ...(pair !== undefined && { cert: pair.cert, key: pair.key }),
      ...(serverName !== undefined && { servername: serverName }),
      ...(insecureSkipVerify && { rejectUnauthorized: false }),
    };
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

/**
 * What an `https:` proxy is trusted by.
 *
 * @throws {UsageError} If the file cannot be read or holds something else.
 */
export async function readProxyCa(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  try {
    return await loadAuthorities(path, { flag: "--proxy-ca-cert-file" });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}
