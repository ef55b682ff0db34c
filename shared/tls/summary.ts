/**
 * What a certificate file says, in a few lines for people: `ghub cert read`.
 *
 * @module
 */
import { DAY_MS } from "./day.ts";
import { type CertificateInfo, describeCertificates } from "./describe.ts";
import { readPem } from "./load.ts";

/** All certificates of a PEM text as text for people, an empty line between them. */
export async function summary(pem: string): Promise<string> {
  return (await describeCertificates(pem)).map(lines).join("\n").trimEnd();
}

/**
 * What a file says: for people, or as a line of JSON for each certificate.
 *
 * @throws {Error} If it holds no certificate. The message names the file.
 */
export async function summaryOfFile(path: string, { json }: { json: boolean }): Promise<string> {
  const pem = await readPem(path, { what: "certificate" });
  try {
    if (!json) return await summary(pem);
    return (await describeCertificates(pem)).map((info) => JSON.stringify(info)).join("\n");
  } catch (cause) {
    throw new Error(`Cannot read certificate "${path}": ${(cause as Error).message}`, { cause });
  }
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
