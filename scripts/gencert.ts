/**
 * `deno task gencert`: makes `test.crt` and `test.key` for this machine, so that TLS can be tried
 * without an authority and without openssl.
 *
 * @module
 */
import { DEFAULT_DAYS, generateCertificate, MAX_DAYS } from "../shared/tls/generate.ts";
import { keyFilesFor } from "../shared/tls/load.ts";
import { saveCertificate } from "../shared/tls/save.ts";
import { readArguments, runScript, UsageError } from "./arguments.ts";
import { summary } from "./readcert.ts";

const USAGE = `
Usage: deno task gencert [--out FILE] [--hosts NAMES] [--days N] [--force]

Makes a self-signed certificate and its key.

  --out FILE      The certificate's file (default test.crt). The key goes beside it:
                  test.crt → test.key, hub.pem → hub-key.pem
  --hosts NAMES   Host names and addresses that it is good for, with commas between them
                  (default localhost, 127.0.0.1, ::1 and this machine's name)
  --days N        How long it is valid (default ${DEFAULT_DAYS})
  --force         Replace files that are there already
`;

/** What every certificate for trying out is good for, besides the machine's own name. */
const LOCAL_HOSTS = ["localhost", "127.0.0.1", "::1"];

function parseDays(text: string): number {
  const days = Number(text);
  if (Number.isInteger(days) && days >= 1 && days <= MAX_DAYS) return days;
  throw new UsageError(`--days "${text}" is not a number of days from 1 to ${MAX_DAYS}`);
}

function parseHosts(text: string): string[] {
  return text.split(",").map((host) => host.trim()).filter((host) => host !== "");
}

/** The machine's name, if it can stand in a certificate. */
function ownName(): string[] {
  const name = Deno.hostname().toLowerCase();
  return /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(name) ? [name] : [];
}

/** Makes the files. Returns the exit code. */
async function gencert(args: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(USAGE, args, {
    out: { type: "string", default: "test.crt" },
    hosts: { type: "string" },
    days: { type: "string", default: String(DEFAULT_DAYS) },
    force: { type: "boolean", default: false },
  });
  if (positionals.length > 0) throw new UsageError(`Unexpected argument "${positionals[0]}"`);
  const certFile = values.out;
  const keyFile = keyFilesFor(certFile)[0]!;
  const days = parseDays(values.days);
  const hosts = values.hosts === undefined
    ? [...LOCAL_HOSTS, ...ownName()]
    : parseHosts(values.hosts);
  const pair = await generateCertificate(hosts, { days }).catch((error) => {
    throw new UsageError(error.message);
  });
  try {
    await saveCertificate(pair, { certFile, keyFile, force: values.force });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    throw new UsageError(`${error.message}. Add --force to replace it`);
  }
  console.log(`Wrote ${certFile} and ${keyFile}\n${(await summary(pair.cert)).trimEnd()}`);
  return 0;
}

if (import.meta.main) await runScript(gencert);
