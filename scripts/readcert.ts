/**
 * `deno task readcert FILE`: what a certificate file says, in a few lines.
 *
 * @module
 */
import { type CertificateInfo, describeCertificates } from "../shared/tls/describe.ts";
import { MAX_PEM_BYTES } from "../shared/tls/load.ts";
import { readArguments, runScript, UsageError } from "./arguments.ts";

const USAGE = `
Usage: deno task readcert [--json] [FILE]

Shows what the certificates of a PEM file (test.crt if none is named) say.

  --json   One line of JSON for each certificate
`;

const DAY_MS = 24 * 60 * 60 * 1000;

/** All certificates of a PEM text as text for people, an empty line between them. */
export async function summary(pem: string): Promise<string> {
  return (await describeCertificates(pem)).map(lines).join("\n");
}

function lines(info: CertificateInfo): string {
  const rows: [label: string, value: string][] = [
    ["subject", info.subject],
    ["issuer", info.selfSigned ? "itself (self-signed)" : info.issuer],
    ["hosts", info.hosts.join(", ") || "none"],
    ["valid", `${day(info.notBefore)} to ${day(info.notAfter)}, ${remaining(info)}`],
    ["key", info.keyAlgorithm],
    ["serial", info.serial],
    ["sha256", info.fingerprint],
    ["pin", info.pin],
  ];
  if (info.otherNames.length > 0) rows.splice(3, 0, ["other names", info.otherNames.join(", ")]);
  if (info.authority) rows.push(["authority", "yes, it may sign other certificates"]);
  return rows.map(([label, value]) => `  ${label.padEnd(12)}${value}\n`).join("");
}

function day(date: Date): string {
  return date.toISOString().slice(0, 10);
}

function remaining({ notBefore, notAfter }: CertificateInfo): string {
  const now = Date.now();
  if (now < notBefore.getTime()) return "not valid yet";
  const days = Math.floor(Math.abs(notAfter.getTime() - now) / DAY_MS);
  return now < notAfter.getTime() ? `${days} days left` : `expired ${days} days ago`;
}

async function readFile(path: string): Promise<string> {
  if ((await Deno.stat(path)).size > MAX_PEM_BYTES) {
    throw new Error(`it has more than ${MAX_PEM_BYTES} bytes`);
  }
  return await Deno.readTextFile(path);
}

/** Prints the certificates. Returns the exit code. */
async function readcert(args: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(USAGE, args, {
    json: { type: "boolean", default: false },
  });
  if (positionals.length > 1) throw new UsageError(`Unexpected argument "${positionals[1]}"`);
  const path = positionals[0] ?? "test.crt";
  try {
    const pem = await readFile(path);
    const text = values.json
      ? (await describeCertificates(pem)).map((info) => JSON.stringify(info)).join("\n")
      : await summary(pem);
    console.log(text.trimEnd());
    return 0;
  } catch (error) {
    throw new Error(`Cannot read "${path}": ${(error as Error).message}`, { cause: error });
  }
}

if (import.meta.main) await runScript(readcert);
