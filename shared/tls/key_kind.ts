/**
 * Whether TLS takes a key, by its kind. What it does not take would pass every check of a file and
 * then fail in each handshake, without a word about the reason.
 *
 * | kind                             | TLS                                               |
 * | -------------------------------- | ------------------------------------------------- |
 * | ECDSA P-256, P-384, P-521        | takes it                                          |
 * | Ed25519                          | takes it                                          |
 * | RSA of 2048 bits or more         | takes it                                          |
 * | RSA of fewer bits                | does not                                          |
 * | RSA for PSS alone (RFC 4055 §1.2) | does not; signatures with PSS by a plain RSA key are another thing |
 * | other curves, DSA                | does not                                          |
 *
 * @module
 */
import type { KeyObject } from "node:crypto";

const CURVES: readonly string[] = ["prime256v1", "secp384r1", "secp521r1"];
const MIN_RSA_BITS = 2048;
const REMEDY = "Make another one with a key of ECDSA P-256, or RSA of 2048 bits";

/**
 * Why TLS does not take it, and what to do.
 *
 * @param key Public or private; `undefined` if it is of a kind that cannot be read.
 */
export function keyKindFault(key: KeyObject | undefined): string | undefined {
  const kind = kindFault(key);
  return kind === undefined ? undefined : `${kind}. ${REMEDY}`;
}

function kindFault(key: KeyObject | undefined): string | undefined {
  const { modulusLength, namedCurve } = key?.asymmetricKeyDetails ?? {};
  switch (key?.asymmetricKeyType) {
    case "ed25519":
      return undefined;
    case "ec":
      if (namedCurve !== undefined && CURVES.includes(namedCurve)) return undefined;
      return `its key is of the curve ${namedCurve}, which TLS does not take`;
    case "rsa":
      if (modulusLength !== undefined && modulusLength >= MIN_RSA_BITS) return undefined;
      return `its RSA key has ${modulusLength} bits, and TLS takes ${MIN_RSA_BITS} or more`;
    case "rsa-pss":
    case undefined: // Deno (2.9.6) reads such a key from a key file, but not from a certificate.
      return "its key is for RSA-PSS alone, or of another kind that TLS does not take";
    default:
      return `its key is of the kind ${key?.asymmetricKeyType}, which TLS does not take`;
  }
}
