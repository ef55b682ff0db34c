/**
 * TLS as the flags ask for it.
 *
 * @module
 */
import { UsageError } from "../../shared/cli/program.ts";
import { asciiHost } from "./ascii_host.ts";
import type { ConnectionValues } from "./connection_options.ts";

/** What TLS needs. */
export interface TlsSettings {
  /** What the certificate must be for: a name or an address. */
  readonly serverName: string;
  readonly skipVerify: boolean;
  /** PEM. Absent: the system's. */
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

/**
 * `undefined` for no TLS.
 *
 * @param host What is dialled: the name that a certificate must have, unless a flag gives another.
 * @throws {UsageError} If a file cannot be used.
 */
export async function readTlsSettings(
  values: ConnectionValues,
  host: string,
): Promise<TlsSettings | undefined> {
  const { tlsServerName, tlsInsecureSkipVerify, tlsCaCertFile, tlsCertFile, tlsKeyFile } = values;
  const wanted = values.tls || tlsInsecureSkipVerify ||
    [tlsServerName, tlsCaCertFile, tlsCertFile, tlsKeyFile].some((value) => value !== undefined);
  if (!wanted) return undefined;
  if (tlsKeyFile !== undefined && tlsCertFile === undefined) {
    throw new UsageError("--tls-key-file needs --tls-cert-file", {
      hint: "Add --tls-cert-file FILE",
    });
  }
  // Only now: most of it is for whoever makes and reads certificates.
  const { loadAuthorities, loadCertificate } = await import("../../shared/tls/load.ts");
  try {
    const pair = tlsCertFile === undefined
      ? undefined
      : await loadCertificate(tlsCertFile, { keyFile: tlsKeyFile });
    const ca = tlsCaCertFile === undefined
      ? undefined
      : await loadAuthorities(tlsCaCertFile, { flag: "--tls-ca-cert-file" });
    return {
      serverName: asciiHost(tlsServerName ?? host),
      skipVerify: tlsInsecureSkipVerify,
      ca,
      cert: pair?.cert,
      key: pair?.key,
    };
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}
