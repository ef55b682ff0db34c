/**
 * What a hub reads and writes: certificates, authorities, auth file, state, audit.
 *
 * @module
 */
import { X509Certificate } from "node:crypto";
import { accessSync, constants } from "node:fs";
import { dirname } from "node:path";
import { atOnce } from "../../../shared/async/steps.ts";
import { chainText, SOON_MS } from "../../../shared/doctor/chain.ts";
import type { Check, Finding } from "../../../shared/doctor/check.ts";
import { statOf } from "../../../shared/files/file_info.ts";
import { rulesFault, secretFault } from "../../../shared/files/modes.ts";
import { loadAuthorities, loadCertificate, type LoadOptions } from "../../../shared/tls/load.ts";
import { certificateBlocks } from "../../../shared/tls/pem.ts";
import { STDERR } from "../../audit/mod.ts";
import { loadAuthFile } from "../../auth/watched_auth.ts";
import { certificateFault } from "../../net/certificate_fault.ts";
import { ClientAuthorities } from "../../net/client_authorities.ts";
import { authWarnings } from "../auth.ts";
import { asHubMeans, hubAround } from "../judged_as_hub.ts";
import { auditTarget } from "../serve_config.ts";
import type { ExaminedHub } from "./examined_hub.ts";

const MAKE = "Make one with: ghub cert make";

export function fileChecks(hub: ExaminedHub): Check[] {
  const { values, state } = hub;
  const { tlsCert, tlsCertFile, tlsKeyFile, clientCa, peerCertFile, peerKeyFile, peerCa } = values;
  const { clusterCertFile, clusterKeyFile, clusterCaFile } = values;
  const cluster = { keyFile: clusterKeyFile, keyFlag: "--cluster-key-file" };
  return [
    certificateCheck("certificate", tlsCert ?? tlsCertFile, { keyFile: tlsKeyFile }),
    authoritiesCheck("client CA", clientCa, "--client-ca"),
    {
      name: "auth file",
      run: () => Promise.resolve(accessFinding(hub)),
      remedy: () => "Mend it: ghub auth check FILE lists all faults",
    },
    {
      name: "state",
      run: () => state.finding(),
      remedy: () => "Run this as the user of the hub or as root, and let nobody else change it",
    },
    {
      name: "audit",
      run: () => Promise.resolve(auditFinding(hub)),
      remedy: () => "Give the hub's user a folder to write, or name another with --audit-log",
    },
    ...peerCertFile === undefined ? [] : [{
      name: "peer cert",
      run: () => peerFinding(peerCertFile, { keyFile: peerKeyFile, ca: peerCa }),
      remedy: () => MAKE,
    }],
    ...peerCa === undefined ? [] : [authoritiesCheck("peer CA", peerCa, "--peer-ca")],
    ...clusterCertFile === undefined ? [] : [
      certificateCheck("etcd cert", clusterCertFile, cluster),
    ],
    ...clusterCaFile === undefined ? [] : [
      authoritiesCheck("etcd CA", clusterCaFile, "--cluster-ca-file"),
    ],
  ];
}

function certificateCheck(name: string, file: string | undefined, options: LoadOptions): Check {
  return {
    name,
    run: async () => file === undefined ? undefined : await certificateFinding(file, options),
    remedy: () => MAKE,
  };
}

async function certificateFinding(file: string, options: LoadOptions): Promise<Finding> {
  return chainFinding(file, await loadChain(file, options));
}

async function loadChain(file: string, options: LoadOptions) {
  const { cert, keyFile } = await loadCertificate(file, options);
  return { keyFile, chain: certificateBlocks(cert).map((block) => new X509Certificate(block)) };
}

function chainFinding(
  file: string,
  { keyFile, chain }: Awaited<ReturnType<typeof loadChain>>,
): Finding {
  const text = `${file} fits ${keyFile}: ${chainText(chain)}`;
  const stranger = chain.find((one, i) => i > 0 && !chain[i - 1]!.checkIssued(one));
  if (stranger !== undefined) {
    return {
      level: "warn",
      text: `${text}; the last ones have not signed it`,
      remedy: "Put the certificate first into the file, and behind it those that signed it",
    };
  }
  return datesFinding(chain, text, `Renew it: ghub cert make --force, or as you got ${file}`);
}

/** A hub dials other hubs and is dialled by them, and each of these looks at its certificate. */
async function peerFinding(
  file: string,
  { keyFile, ca }: { readonly keyFile: string | undefined; readonly ca: string | undefined },
): Promise<Finding> {
  const loaded = await loadChain(file, { keyFile, keyFlag: "--peer-key-file" });
  const finding = chainFinding(file, loaded);
  if (ca === undefined || finding.level === "fail") return finding;
  const authorities = new ClientAuthorities(
    await loadAuthorities(ca, { flag: "--peer-ca", faultOf: rulesFault }),
  );
  const chain = loaded.chain.map(({ raw }) => raw);
  const fault = await certificateFault(chain, { authorities, as: ["server", "client"] });
  if (fault === undefined) return finding;
  return {
    level: "fail",
    text: `${finding.text}; it ${fault}`,
    remedy: "Have it signed by an authority of --peer-ca, for TLS servers and for TLS clients",
  };
}

function datesFinding(chain: readonly X509Certificate[], text: string, remedy: string): Finding {
  const now = Date.now();
  if (chain.some(({ validTo }) => Date.parse(validTo) <= now)) {
    return { level: "fail", text: `${text}; it has ended`, remedy };
  }
  if (chain.some(({ validFrom }) => Date.parse(validFrom) > now)) {
    return {
      level: "fail",
      text: `${text}; it is not valid yet`,
      remedy: "Look at the clock of this machine, and at that of the one that made it",
    };
  }
  if (chain.some(({ validTo }) => Date.parse(validTo) - now < SOON_MS)) {
    return { level: "warn", text: `${text}; it ends soon`, remedy };
  }
  return { text };
}

function authoritiesCheck(name: string, file: string | undefined, flag: string): Check {
  return {
    name,
    async run() {
      if (file === undefined) return undefined;
      const pem = await loadAuthorities(file, { flag, faultOf: rulesFault });
      const all = certificateBlocks(pem).map((block) => new X509Certificate(block));
      return datesFinding(all, `${file}: ${chainText(all)}`, "Put one that is still good there");
    },
    remedy: () => `Name a file with the certificates of authorities with ${flag}`,
  };
}

/** Who may come in: whom the auth file names, and servers that have enrolled. */
function accessFinding({ values, env, state }: ExaminedHub): Finding | undefined {
  const { authFile, trustLoopback } = values;
  if (authFile === undefined) return undefined;
  const { file } = atOnce(loadAuthFile(authFile));
  const stateDir = state.exists ? state.path : undefined;
  const around = hubAround({ stateDir, trustLoopback }, env);
  const { servers, operators } = file;
  const text = `${authFile} can be used: ${servers.length} entries of servers, ` +
    `${operators.length} of operators, ${around.enrolled.length} enrolled servers`;
  const warnings = [...around.faults, ...authWarnings(asHubMeans(file, around))];
  if (warnings.length === 0) return { text };
  return { level: "warn", text: [text, ...warnings].join("; ") };
}

function auditFinding({ values, state }: ExaminedHub): Finding | undefined {
  const path = auditTarget(values.auditLog, state.path);
  if (path === undefined) return undefined;
  if (path === STDERR) return { text: "goes to standard error" };
  const folder = dirname(path);
  const info = statOf(path);
  if (info === undefined) {
    const above = nearest(folder);
    mustWrite(above);
    return { text: `${path} is not there: the hub makes it` };
  }
  const fault = info.isFile ? secretFault(info, path) : undefined;
  // It is rotated: the folder gets more files.
  if (info.isFile) mustWrite(folder);
  mustWrite(path);
  if (fault === undefined) return { text: `${path} can be written` };
  return { level: "warn", text: `${path}: ${fault}` };
}

function mustWrite(path: string): void {
  try {
    accessSync(path, constants.W_OK);
  } catch (cause) {
    throw new Error(`${path} cannot be written by user ${Deno.uid()}`, { cause });
  }
}

/** The folder, or the first one above it that is there. */
function nearest(folder: string): string {
  let at = folder;
  while (statOf(at) === undefined && dirname(at) !== at) at = dirname(at);
  return at;
}
