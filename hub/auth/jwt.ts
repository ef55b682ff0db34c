/**
 * JSON Web Tokens as credentials: signature, `iss`, `aud`, `exp`, `nbf`, and only the algorithms
 * that the auth file names.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7519
 * @module
 */
import { Buffer } from "node:buffer";
import { createHash, createPublicKey, createSecretKey, type KeyObject } from "node:crypto";
import { dirname, resolve } from "node:path";
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  customFetch,
  decodeJwt,
  errors,
  type JWTPayload,
  jwtVerify,
  type JWTVerifyGetKey,
} from "jose";
import { rulesFault } from "../../shared/files/modes.ts";
import { readSecretFile } from "../../shared/files/secret_file.ts";
import { boundedResponse } from "../../shared/net/bounded_response.ts";
import { isSecret, type Issuer } from "./issuer.ts";

/** Longer tokens are refused unread. */
export const MAX_JWT_LENGTH = 8192;
/** Tokens that were good are remembered, so that not each call costs a signature. */
export const MAX_REMEMBERED_JWTS = 10_000;
/** They are looked at again after this: a key may have been withdrawn. */
const REMEMBER_MS = 60_000;
/** For an answer of an issuer's key set. */
const FETCH_TIMEOUT_MS = 5_000;
/** An unknown key id makes the hub fetch the key set again, at most this often. */
const FETCH_COOLDOWN_MS = 30_000;
const KEYS_MAX_AGE_MS = 600_000;
const MAX_KEYS_BYTES = 1024 * 1024;
/** RFC 7518 §3.2: as long as the hash. */
const MIN_SECRET_BYTES = 32;

/** A token that is good. */
export interface VerifiedJwt {
  /** The issuer's id in the auth file. */
  readonly issuer: string;
  readonly claims: JWTPayload;
  readonly expiresAtMs: number;
}

/** What kind of fault it is. `unavailable`: the keys cannot be had, nothing is known of the token. */
export type JwtFaultReason = "wrong" | "expired" | "notYetValid" | "unavailable";

/** Why a token is not good, in words without any of it. */
export class JwtFault extends Error {
  override readonly name = "JwtFault";
  readonly reason: JwtFaultReason;

  constructor(message: string, reason: JwtFaultReason = "wrong") {
    super(message);
    this.reason = reason;
  }
}

/** Whether a credential has the form of a JWT. */
export function looksLikeJwt(token: string): boolean {
  return /^[\w-]+\.[\w-]+\.[\w-]+$/.test(token);
}

interface Source extends Issuer {
  readonly keys: KeyObject | JWTVerifyGetKey;
}

/** Checks tokens of a list of issuers. */
export class JwtVerifier {
  /** By what `iss` says. */
  readonly #sources: ReadonlyMap<string, Source>;
  /** By the token's hash: tokens themselves are not kept. */
  readonly #good = new Map<string, { readonly jwt: VerifiedJwt; readonly untilMs: number }>();

  private constructor(sources: ReadonlyMap<string, Source>) {
    this.#sources = sources;
  }

  /**
   * Reads the issuers' keys.
   *
   * @param path The auth file: key files are looked for next to it.
   * @throws {Error} If a key cannot be read or used.
   */
  static load(
    path: string,
    issuers: readonly Issuer[],
    { fetchCooldownMs = FETCH_COOLDOWN_MS, fetchTimeoutMs = FETCH_TIMEOUT_MS } = {},
  ): JwtVerifier {
    const sources = new Map<string, Source>();
    for (const issuer of issuers) {
      if (sources.has(issuer.issuer)) {
        throw new Error(`Cannot use ${path}: issuer ${issuer.issuer} is there twice`);
      }
      const { keysUrl, keysFile = "" } = issuer;
      const keys = keysUrl === undefined
        ? fileKeys(resolve(dirname(path), keysFile), issuer)
        : remoteKeys(keysUrl, { fetchCooldownMs, fetchTimeoutMs });
      sources.set(issuer.issuer, { ...issuer, keys });
    }
    return new JwtVerifier(sources);
  }

  /** What is known of a token without any waiting. */
  recall(token: string): VerifiedJwt | undefined {
    const known = this.#good.get(digest(token));
    return known !== undefined && Date.now() < known.untilMs ? known.jwt : undefined;
  }

  /** @throws {JwtFault} If it is not good, or that cannot be found out. */
  async verify(token: string): Promise<VerifiedJwt> {
    if (token.length > MAX_JWT_LENGTH) throw new JwtFault("The JWT is too long");
    let source: Source | undefined;
    try {
      source = this.#sources.get(decodeJwt(token).iss ?? "");
    } catch {
      throw new JwtFault("The token looks like a JWT, but cannot be read");
    }
    if (source === undefined) throw new JwtFault("The JWT is of an issuer that is not known here");
    const { keys, issuer, audience, algorithms, clockSkewS } = source;
    const options = {
      issuer,
      audience: [...audience],
      algorithms: [...algorithms],
      clockTolerance: clockSkewS,
      requiredClaims: ["exp"],
    };
    try {
      const { payload } = typeof keys === "function"
        ? await jwtVerify(token, keys, options)
        : await jwtVerify(token, keys, options);
      const expiresAtMs = ((payload.exp ?? 0) + clockSkewS) * 1000;
      const jwt = { issuer: source.id, claims: payload, expiresAtMs };
      this.#remember(token, jwt);
      return jwt;
    } catch (error) {
      throw faultOf(error, source);
    }
  }

  #remember(token: string, jwt: VerifiedJwt): void {
    const [oldest] = this.#good.keys();
    if (oldest !== undefined && this.#good.size >= MAX_REMEMBERED_JWTS) this.#good.delete(oldest);
    const untilMs = Math.min(jwt.expiresAtMs, Date.now() + REMEMBER_MS);
    this.#good.set(digest(token), { jwt, untilMs });
  }
}

const NOT_BY_ITS_KEY = "The JWT is not signed by a key of its issuer";

function faultOf(error: unknown, { id, keysUrl }: Source): JwtFault {
  // Both are told after the signature was found good: nobody learns them of a forged token.
  if (error instanceof errors.JWTExpired) return new JwtFault("The JWT has expired", "expired");
  if (error instanceof errors.JWTClaimValidationFailed && isNotYetValid(error)) {
    return new JwtFault('The JWT is not valid yet, by its claim "nbf"', "notYetValid");
  }
  if (error instanceof errors.JWTClaimValidationFailed) {
    return new JwtFault(`The JWT's claim "${error.claim}" does not fit`);
  }
  if (error instanceof errors.JOSEAlgNotAllowed) {
    return new JwtFault("The JWT is signed by an algorithm that is not allowed here");
  }
  if (
    error instanceof errors.JWSSignatureVerificationFailed ||
    error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys
  ) return new JwtFault(NOT_BY_ITS_KEY);
  if (error instanceof errors.JWSInvalid || error instanceof errors.JWTInvalid) {
    return new JwtFault("The JWT is malformed");
  }
  // A key that is not made for the token's algorithm.
  if (keysUrl === undefined) return new JwtFault(NOT_BY_ITS_KEY);
  return new JwtFault(`The keys of issuer "${id}" cannot be fetched at the moment`, "unavailable");
}

/** A `nbf` that is there and lies in the future, not one that is no number. */
function isNotYetValid({ claim, reason }: errors.JWTClaimValidationFailed): boolean {
  return claim === "nbf" && reason === "check_failed";
}

function fileKeys(path: string, issuer: Issuer): KeyObject | JWTVerifyGetKey {
  try {
    if (isSecret(issuer)) {
      const secret = Buffer.from(readSecretFile(path, MAX_KEYS_BYTES).trim());
      if (secret.length < MIN_SECRET_BYTES) {
        throw new Error(`a shared secret must have at least ${MIN_SECRET_BYTES} bytes`);
      }
      return createSecretKey(secret);
    }
    const text = readText(path);
    if (text.includes("PRIVATE KEY")) throw new Error(ONLY_PUBLIC);
    if (!text.trimStart().startsWith("{")) return createPublicKey(text);
    const set = JSON.parse(text);
    for (const key of Array.isArray(set.keys) ? set.keys : []) {
      if (key.d !== undefined || key.kty === "oct") throw new Error(ONLY_PUBLIC);
    }
    return createLocalJWKSet(set);
  } catch (cause) {
    const message = (cause as Error).message;
    throw new Error(`Cannot use key file ${path} of issuer "${issuer.id}": ${message}`, { cause });
  }
}

const ONLY_PUBLIC = "it holds a private key; the hub needs only the public one";

/** A user who could put another key there could let in anybody. */
function readText(path: string): string {
  const info = Deno.statSync(path);
  const fault = rulesFault(info, path);
  if (fault !== undefined) throw new Error(fault);
  if (info.size > MAX_KEYS_BYTES) throw new Error(`it has more than ${MAX_KEYS_BYTES} bytes`);
  return Deno.readTextFileSync(path);
}

function remoteKeys(
  url: URL,
  { fetchCooldownMs, fetchTimeoutMs }: { fetchCooldownMs: number; fetchTimeoutMs: number },
): JWTVerifyGetKey {
  return createRemoteJWKSet(url, {
    timeoutDuration: fetchTimeoutMs,
    cooldownDuration: fetchCooldownMs,
    cacheMaxAge: KEYS_MAX_AGE_MS,
    [customFetch]: fetchBounded,
  });
}

async function fetchBounded(url: string, options: RequestInit): Promise<Response> {
  return await boundedResponse(await fetch(url, { ...options, redirect: "error" }), {
    maxBytes: MAX_KEYS_BYTES,
    tooLarge: () => new Error("The key set is too large"),
  });
}

function digest(token: string): string {
  return createHash("sha256").update(token).digest("base64");
}
