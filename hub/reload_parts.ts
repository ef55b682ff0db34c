/**
 * What the hub reloads at SIGHUP in addition to its options: auth file, certificate, audit file. The
 * first two are watched anyway; SIGHUP looks at once, and says what it saw.
 *
 * @module
 */
import type { ReloadPart } from "../shared/cli/reload.ts";
import type { Audit } from "./audit/record.ts";
import type { Auth } from "./auth/identity.ts";
import type { CertificateWatch } from "./net/certificate_watch.ts";

export interface ReloadSources {
  readonly auth: Auth;
  readonly authFile: string | undefined;
  readonly audit: Audit;
  readonly auditLog: string | undefined;
}

/** The hub's own parts; those that this hub has not are left out. */
export function reloadParts({ auth, authFile, audit, auditLog }: ReloadSources): ReloadPart[] {
  const parts: ReloadPart[] = [];
  if (auth.look !== undefined) {
    parts.push({
      what: authFile === undefined ? "tokens and enrolled servers" : `auth file ${authFile}`,
      look: async () => await auth.look?.() ? "in force, it has changed" : "unchanged",
    });
  }
  if (auditLog !== undefined && audit.reopen !== undefined) parts.push(auditPart(audit, auditLog));
  return parts;
}

/** The audit's file. */
export function auditPart(audit: Pick<Audit, "reopen">, auditLog: string): ReloadPart {
  return {
    what: `audit log ${auditLog}`,
    look: () => audit.reopen?.() ? "goes on in a new file" : "goes on in the same file",
  };
}

/** The certificate, with its key and authorities. */
export function certificatePart(watch: CertificateWatch, certFile: string): ReloadPart {
  return {
    what: `certificate ${certFile}`,
    look: async () => await watch.look() ? "in use, it has changed" : "unchanged",
  };
}
