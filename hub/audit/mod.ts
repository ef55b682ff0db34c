/**
 * The audit: one line of JSON for each registration and each call that ended, also for those that
 * were refused. Many refusals of one stranger share a line. Lines are chained by hashes, so that
 * none can be changed or removed unseen: `ghub audit verify`. Bodies and credentials are never in it.
 *
 *     {"time":"…","kind":"call","who":"alice","peer":"192.0.2.7:4711","server":"edge-1",
 *      "method":"/fluentd.v1.Fluentd/Start","status":"OK","bytesUp":12,"bytesDown":40,
 *      "durationMs":8.1,"id":"…"}
 *
 * What joins the lines is in `chain.ts`.
 *
 * @module
 */
import { AUDIT_FILE, AuditFile, type AuditFileOptions } from "./file.ts";
import { BlockChain } from "./block_chain.ts";
import { AuditWriter } from "./writer.ts";
import type { Audit } from "./record.ts";

/** The audit that is not kept. */
export const NO_AUDIT: Audit = {
  record() {},
  recordJson() {},
  [Symbol.asyncDispose]: () => Promise.resolve(),
};

/** The audit that is not a file: two hubs may write it, each to its own standard error. */
export const STDERR = "stderr";

/**
 * Opens the audit.
 *
 * @param target A file to append to, or `stderr`; `undefined` keeps no audit.
 * @param options What is left out is as in `AUDIT_FILE`.
 * @throws {Error} If the file cannot be opened.
 */
export function openAudit(
  target: string | undefined,
  options: Partial<AuditFileOptions> = {},
): Audit {
  if (target === undefined) return NO_AUDIT;
  return new AuditWriter(openChain(target, options));
}

/** The same, for blocks. @throws {Error} If the file cannot be opened. */
export function openChain(target: string, options: Partial<AuditFileOptions> = {}): BlockChain {
  if (target === STDERR) return new BlockChain({ write: (bytes) => Deno.stderr.write(bytes) });
  const file = AuditFile.open(target, { ...AUDIT_FILE, ...options });
  return new BlockChain(file, file.head);
}
