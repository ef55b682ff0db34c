/**
 * Signed statements: compact JWS (RFC 7515) by Ed25519 (RFC 8037).
 *
 *     BASE64URL({"alg":"EdDSA","kid":…,"typ":…}) . BASE64URL(claims) . BASE64URL(signature)
 *
 * By `node:crypto` and not by `jose`, because that one answers in promises: a call would have to
 * wait for the next turn of the event loop, at the hub and at the server. The tests have `jose` read
 * and write what this does.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createHash, createPublicKey, type KeyObject, sign, verify } from "node:crypto";

/** Longer ones are not looked at. */
export const MAX_JWS_LENGTH = 4096;

/** A public key, and what it is called. */
export interface PublicKey {
  /** Its thumbprint (RFC 7638): 43 characters, the same wherever it is worked out. */
  readonly id: string;
  readonly key: KeyObject;
}

/** An Ed25519 key as JWK (RFC 8037 §2). */
export interface Jwk {
  readonly kty: "OKP";
  readonly crv: "Ed25519";
  /** 32 bytes in base64url. */
  readonly x: string;
}

const X = /^[A-Za-z0-9_-]{43}$/;

/** @throws {SyntaxError} If it is no Ed25519 public key. */
export function publicKey(jwk: unknown): PublicKey {
  const { kty, crv, x } = (typeof jwk === "object" && jwk !== null ? jwk : {}) as Partial<Jwk>;
  if (kty !== "OKP" || crv !== "Ed25519" || typeof x !== "string" || !X.test(x)) {
    throw new SyntaxError("This is no Ed25519 public key");
  }
  const plain: Jwk = { crv, kty, x };
  // Members in this order, without spaces: RFC 7638 §3.
  const id = createHash("sha256").update(JSON.stringify(plain)).digest("base64url");
  return { id, key: createPublicKey({ key: { ...plain }, format: "jwk" }) };
}

/** The JWK of a key, private or public; never a private part. */
export function jwkOf(key: KeyObject): Jwk {
  const { x } = (key.type === "private" ? createPublicKey(key) : key).export({ format: "jwk" });
  return { kty: "OKP", crv: "Ed25519", x: x! };
}

/** Who signs, and what it says of its statement. */
export interface Signer {
  readonly id: string;
  readonly privateKey: KeyObject;
}

/** @param type What kind of statement it is, so that none can be taken for another. */
export function signJws(type: string, claims: object, { id, privateKey }: Signer): string {
  const head = encode({ alg: "EdDSA", kid: id, typ: type });
  const text = `${head}.${encode(claims)}`;
  return `${text}.${sign(null, Buffer.from(text), privateKey).toString("base64url")}`;
}

/** A statement whose signature was not looked at yet. */
export interface UnverifiedJws {
  readonly keyId: string;
  readonly claims: Readonly<Record<string, unknown>>;
  /** Whether this key has signed it. */
  isBy(key: PublicKey): boolean;
}

/** @throws {SyntaxError} If it is no statement of this type. */
export function readJws(type: string, text: string): UnverifiedJws {
  const parts = text.length > MAX_JWS_LENGTH ? [] : text.split(".");
  const [head = "", body = "", signature = ""] = parts;
  if (parts.length !== 3) throw new SyntaxError("This is no signed statement");
  const { alg, typ, kid, crit } = decode(head);
  if (alg !== "EdDSA" || typ !== type || typeof kid !== "string" || crit !== undefined) {
    throw new SyntaxError(`This is no signed statement of type ${type}`);
  }
  const claims = decode(body);
  return {
    keyId: kid,
    claims,
    isBy: ({ id, key }) =>
      id === kid &&
      verify(null, Buffer.from(`${head}.${body}`), key, Buffer.from(signature, "base64url")),
  };
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

function decode(part: string): Record<string, unknown> {
  const value: unknown = JSON.parse(Buffer.from(part, "base64url").toString());
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw new SyntaxError("This is no signed statement");
}
