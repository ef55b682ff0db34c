/**
 * `deno task gencert`: makes `test.crt` and `test.key` for this machine, so that TLS can be tried
 * without an authority and without openssl. `ghub cert make` does the same without this repository.
 *
 * @module
 */
import { DEFAULT_DAYS } from "../shared/tls/generate.ts";
import { makeCertificate, MakeError, parseDays, parseHosts } from "../shared/tls/make.ts";
import { summary } from "../shared/tls/summary.ts";
import { readArguments, runScript } from "./arguments.ts";
import { UsageError } from "../shared/cli/usage_error.ts";

const USAGE = `
Usage: deno task gencert [--out FILE] [--hosts NAMES] [--days N] [--force]

Makes a self-signed certificate and its key.

  --out FILE      The certificate's file (default test.crt). The key goes beside it:
                  test.crt → test.key, hub.pem → hub-key.pem
  --hosts NAMES   Host names and addresses that it is good for, with commas between them
                  (default localhost, 127.0.0.1, ::1 and this machine's name)
  --days N        How long it is valid (default ${DEFAULT_DAYS})
  --force         Replace files that are there already; without --hosts, for the same hosts
`;

/** Makes the files. Returns the exit code. */
async function gencert(args: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(USAGE, args, {
    out: { type: "string", default: "test.crt" },
    hosts: { type: "string" },
    days: { type: "string" },
    force: { type: "boolean", default: false },
  });
  if (positionals.length > 0) throw new UsageError(`Unexpected argument "${positionals[0]}"`);
  const { out, force } = values;
  try {
    const { certFile, keyFile, cert } = await makeCertificate({
      out,
      force,
      hosts: values.hosts === undefined ? undefined : parseHosts(values.hosts),
      days: values.days === undefined ? undefined : parseDays(values.days, "--days "),
    });
    console.log(`Wrote ${certFile} and ${keyFile}\n${await summary(cert)}`);
    return 0;
  } catch (error) {
    throw error instanceof MakeError ? new UsageError(error.message, { cause: error }) : error;
  }
}

await runScript(gencert);
