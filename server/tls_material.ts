/**
 * What TLS towards the hub needs, from files.
 *
 * @module
 */
import { X509Certificate } from "node:crypto";
import { keyFault } from "../shared/files/modes.ts";
import { UsageError } from "../shared/cli/usage_error.ts";

/** Files and settings, as the flags give them. */
export interface TlsFiles {
  /** PEM file of the authorities to trust in place of the system's. */
  readonly caCertFile?: string | undefined;
  /** PEM file of the client certificate; needs `keyFile`. */
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
  /** The name that the hub's certificate must carry. */
  readonly serverName?: string | undefined;
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
  if ((certFile === undefined) !== (keyFile === undefined)) {
    throw new UsageError("A client certificate needs both --tls-cert-file and --tls-key-file");
  }
  return {
    // A hub that offered h2 could not speak WebSocket on it.
    ALPNProtocols: ["http/1.1"],
    ...(caCertFile !== undefined && { ca: await readCert("--tls-ca-cert-file", caCertFile) }),
    ...(certFile !== undefined && { cert: await readCert("--tls-cert-file", certFile) }),
    ...(keyFile !== undefined && { key: await readKey("--tls-key-file", keyFile) }),
    ...(serverName !== undefined && { servername: serverName }),
    ...(insecureSkipVerify && { rejectUnauthorized: false }),
  };
}

async function readCert(flag: string, path: string): Promise<string> {
  const pem = await read(flag, path);
  try {
    new X509Certificate(pem);
  } catch (error) {
    throw new UsageError(`${flag} ${path} holds no certificate in PEM`, { cause: error });
  }
  return pem;
}

async function readKey(flag: string, path: string): Promise<string> {
  const pem = await read(flag, path, keyFault);
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem)) return pem;
  throw new UsageError(`${flag} ${path} holds no private key in PEM`);
}

async function read(
  flag: string,
  path: string,
  faultOf: typeof keyFault = () => undefined,
): Promise<string> {
  try {
    const fault = faultOf(await Deno.stat(path), path);
    if (fault !== undefined) throw new Error(fault);
    return await Deno.readTextFile(path);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UsageError(`Cannot read ${flag} ${path}: ${why}`, { cause: error });
  }
}
