/**
 * `ghub cert`: makes the hub's certificate and an authority that signs it, and shows what is in a
 * certificate's file. The hub's machine needs nothing else for it, not even a network.
 *
 * @module
 */
import { type Io, UsageError } from "../../shared/cli/program.ts";
import { defineCommand } from "../../shared/cli/command.ts";
import { DEFAULT_DAYS, MAX_DAYS } from "../../shared/tls/generate.ts";
import {
  type MadeFiles,
  makeAuthority,
  makeCertificate,
  MakeError,
  parseDays,
  parseHosts,
} from "../../shared/tls/make.ts";
import { summary, summaryOfFile } from "../../shared/tls/summary.ts";

const days = {
  flag: "--days",
  value: "NUMBER",
  parse: (text: string) => usage(() => parseDays(text)),
  perRun: true,
} as const;
const force = {
  flag: "--force",
  perRun: true,
  help: "Replaces files that are there already",
} as const;

const make = defineCommand({
  name: "make",
  summary: "Makes a certificate for the hub, and its key",
  description:
    "Makes a key and a certificate for it, signed by an authority of your own (--ca, see " +
    "ghub cert ca), or self-signed. Machines that trust the authority accept each certificate that it " +
    "signs. A self-signed certificate must be copied to all of them at each renewal.",
  examples: [
    "ghub cert make --ca ca.crt --hosts hub.example",
    "ghub cert make --ca ca.crt --out hub.crt --force",
    "ghub cert make --out test.crt --hosts localhost,127.0.0.1",
  ],
  notes:
    "The key goes next to the certificate: hub.crt and hub.key, hub.pem and hub-key.pem. It is " +
    "readable by you alone. A running hub uses a new certificate within seconds, and no " +
    "connection ends because of it.",
  options: {
    out: {
      flag: "--out",
      value: "FILE",
      default: "hub.crt",
      perRun: true,
      help: "The certificate's file",
      complete: "file",
    },
    hosts: {
      flag: "--hosts",
      value: "NAMES",
      defaultText: "this machine's; with --force those of the file that is replaced",
      perRun: true,
      help: "Host names and addresses that peers dial, with commas between them",
    },
    days: { ...days, default: DEFAULT_DAYS, help: "How long it is valid" },
    ca: {
      flag: "--ca",
      value: "FILE",
      defaultText: "none: the certificate is self-signed",
      perRun: true,
      help: "The certificate of the authority that signs it; its key lies next to it",
      complete: "file",
    },
    caKey: {
      flag: "--ca-key",
      value: "FILE",
      perRun: true,
      help: "The authority's key, if it lies elsewhere",
      complete: "file",
    },
    force,
  },
  run: async ({ options: { hosts, ca, caKey, ...others }, io }) => {
    if (caKey !== undefined && ca === undefined) throw new UsageError("--ca-key needs --ca");
    const authority = ca === undefined ? undefined : { certFile: ca, keyFile: caKey };
    const named = hosts === undefined ? undefined : parseHosts(hosts);
    return await tell(io, () => makeCertificate({ ...others, hosts: named, authority }));
  },
});

const ca = defineCommand({
  name: "ca",
  summary: "Makes an authority of your own, which signs the hub's certificates",
  description:
    "Makes a key and the certificate of an authority. Copy the certificate to the machines " +
    "that dial the hub (--tls-ca-cert-file ca.crt), once. Keep the key: whoever has it can pose as " +
    "the hub. The hub does not need it, so it may lie elsewhere until the next renewal.",
  examples: ["ghub cert ca", "ghub cert ca --out ca.crt --name 'Example hub'"],
  options: {
    out: {
      flag: "--out",
      value: "FILE",
      default: "ca.crt",
      perRun: true,
      help: "The certificate's file",
      complete: "file",
    },
    name: {
      flag: "--name",
      value: "NAME",
      default: "ghub authority",
      perRun: true,
      help: "What people see as its name",
    },
    days: { ...days, default: MAX_DAYS, help: "How long it is valid" },
    force,
  },
  run: async ({ options, io }) => await tell(io, () => makeAuthority(options)),
});

const read = defineCommand({
  name: "read",
  summary: "Shows what the certificates in a file say",
  description: "Shows names, dates, pin and fingerprint of each certificate in PEM files.",
  examples: ["ghub cert read hub.crt", "ghub cert read --json hub.crt ca.crt"],
  args: [{ name: "files", summary: "The files", many: true, complete: "file" }],
  options: {
    json: { flag: "--json", perRun: true, help: "One line of JSON for each certificate" },
  },
  run: async ({ args, options, io }) => {
    const texts: string[] = [];
    for (const path of args) texts.push(await summaryOfFile(path, options));
    await io.stdout.write(`${texts.join(options.json ? "\n" : "\n\n")}\n`);
    return 0;
  },
});

/** The group of commands. */
export const certCommand = defineCommand({
  name: "cert",
  summary: "Makes and shows certificates",
  commands: [ca, make, read],
});

async function tell(io: Io, make: () => Promise<MadeFiles>): Promise<number> {
  const { certFile, keyFile, cert } = await make().catch(toUsage);
  await io.stdout.write(`Wrote ${certFile} and ${keyFile}\n${await summary(cert)}\n`);
  return 0;
}

function usage<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    return toUsage(error);
  }
}

/** What cannot be made as asked is a mistake in the command line. */
function toUsage(error: unknown): never {
  throw error instanceof MakeError ? new UsageError(error.message, { cause: error }) : error;
}
