/**
 * The options by which a hub listens for other hubs, and proves itself to them.
 *
 * @module
 */
import type { Options, OptionValues } from "../../shared/cli/option.ts";
import { address, formatHostPort } from "../../shared/cli/parse_host_port.ts";
import { UsageError } from "../../shared/cli/usage_error.ts";
import { rulesFault } from "../../shared/files/modes.ts";
import { readSecretFile } from "../../shared/files/secret_file.ts";
import { loadAuthorities, loadCertificate } from "../../shared/tls/load.ts";
import { isToken, TOKEN_RULE } from "../auth/token_file.ts";
import { DEFAULT_PEER_PORT } from "../links/peer_dial.ts";
import type { PeerOptions } from "../links/peer_port.ts";
import type { ListenAddress } from "../net/listen_options.ts";
import { CLUSTER_GROUP } from "./cluster_options.ts";

const MAX_SECRET_BYTES = 1024;

/** What other hubs need of this one. */
export const peerOptions = {
  peerListen: {
    flag: "--peer-listen",
    ...address({ usualPort: DEFAULT_PEER_PORT }),
    defaultText: "nowhere",
    help:
      "The address on which other hubs dial in, over TLS; needs --peer-secret-file or --peer-ca",
    group: CLUSTER_GROUP,
  },
  peerAddress: {
    flag: "--peer-address",
    ...address({ usualPort: DEFAULT_PEER_PORT }),
    defaultText: "that of --peer-listen, or the machine's name",
    help: "The address that other hubs dial, if it is not that of --peer-listen",
    group: CLUSTER_GROUP,
  },
  peerSecretFile: {
    flag: "--peer-secret-file",
    value: "FILE",
    help: "The secret that all hubs of the cluster hold: 32 characters or more, mode 0600",
    group: CLUSTER_GROUP,
    complete: "file",
  },
  peerCa: {
    flag: "--peer-ca",
    value: "FILE",
    help:
      "Accepts only hubs with a certificate of these authorities, which must sign for hubs alone",
    group: CLUSTER_GROUP,
    complete: "file",
  },
  peerCertFile: {
    flag: "--peer-cert-file",
    value: "FILE",
    defaultText: "one that the hub makes, with --peer-secret-file",
    help: "The certificate that it shows to other hubs, as PEM",
    group: CLUSTER_GROUP,
    complete: "file",
  },
  peerKeyFile: {
    flag: "--peer-key-file",
    value: "FILE",
    help: "The private key of --peer-cert-file, as PEM",
    group: CLUSTER_GROUP,
    complete: "file",
  },
} as const satisfies Options;

type PeerValues = OptionValues<typeof peerOptions>;

/**
 * What they mean; `undefined` without `--peer-listen`.
 *
 * @param listen Where it listens, with the wildcard of this machine.
 * @throws {UsageError} If options contradict each other, or one is missing.
 * @throws {Error} If a file cannot be used.
 */
export async function peerConfig(
  values: PeerValues,
  toListen: (address: NonNullable<PeerValues["peerListen"]>) => ListenAddress,
): Promise<PeerOptions | undefined> {
  const { peerListen, peerAddress, peerSecretFile, peerCa, peerCertFile, peerKeyFile } = values;
  if (peerListen === undefined) {
    const given = Object.entries(peerOptions).find(([key]) =>
      values[key as keyof PeerValues] !== undefined
    );
    if (given === undefined) return undefined;
    throw new UsageError(`${given[1].flag} does nothing without --peer-listen`);
  }
  if (peerSecretFile === undefined && peerCa === undefined) {
    throw new UsageError("--peer-listen needs --peer-secret-file or --peer-ca", {
      hint: "Write 32 random characters to a file of mode 0600, and give the same file to each hub",
    });
  }
  if (peerCa !== undefined && peerCertFile === undefined) {
    throw new UsageError("--peer-ca needs --peer-cert-file: other hubs look at it too");
  }
  if (peerKeyFile !== undefined && peerCertFile === undefined) {
    throw new UsageError("--peer-key-file does nothing without --peer-cert-file");
  }
  const read = async () => ({
    secret: peerSecretFile === undefined ? undefined : readSecret(peerSecretFile),
    ca: peerCa === undefined
      ? undefined
      : await loadAuthorities(peerCa, { flag: "--peer-ca", faultOf: rulesFault }),
    identity: peerCertFile === undefined
      ? undefined
      : await loadCertificate(peerCertFile, { keyFile: peerKeyFile, keyFlag: "--peer-key-file" }),
  });
  return {
    listen: toListen(peerListen),
    address: peerAddress && formatHostPort(peerAddress),
    ...await read(),
    reread: read,
  };
}

function readSecret(path: string): string {
  try {
    const secret = readSecretFile(path, MAX_SECRET_BYTES).trim();
    if (isToken(secret)) return secret;
    throw new Error(`it must hold ${TOKEN_RULE}`);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`Cannot use --peer-secret-file ${path}: ${why}`, { cause });
  }
}
