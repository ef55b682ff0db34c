/**
 * How two hubs prove to each other that they hold the same secret, without telling it: an HMAC over
 * both nonces and the certificate that the dialled one has shown. So whoever sits between them with a
 * certificate of its own gets neither a proof that is good elsewhere nor the secret, whatever
 * authority has signed that certificate.
 *
 * @module
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { Buffer } from "node:buffer";

/** What both ends know when they have said hello. */
export interface ProofContext {
  readonly dialler: string;
  readonly listener: string;
  /** SHA-256 of the listener's certificate. */
  readonly certificate: string;
}

export type ProofRole = "dialler" | "listener";

/** A value that nobody can have seen before. */
export function nonce(): string {
  return randomBytes(32).toString("base64url");
}

/** @param der A certificate, as TLS has shown it. */
export function certificateHash(der: Uint8Array): string {
  return createHash("sha256").update(der).digest("base64url");
}

/** What the end of this role sends. */
export function prove(secret: string, role: ProofRole, context: ProofContext): string {
  const text = ["ghub peer 1", role, context.dialler, context.listener, context.certificate];
  return createHmac("sha256", secret).update(text.join("\n")).digest("base64url");
}

/** Whether what the end of this role has sent is that. */
export function isProof(
  proof: unknown,
  { secret, role, context }: {
    readonly secret: string;
    readonly role: ProofRole;
    readonly context: ProofContext;
  },
): boolean {
  if (typeof proof !== "string") return false;
  const expected = Buffer.from(prove(secret, role, context));
  const given = Buffer.from(proof);
  return given.length === expected.length && timingSafeEqual(given, expected);
}
