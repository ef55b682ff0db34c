/**
 * What a hub says to a server under its signature (docs/protocol.md §12.3).
 *
 *     key statement   at the tunnel's start: these are my keys, it is now 12:00
 *     voucher         with each call: alice calls, and proved it with a token
 *
 * Both are for one tunnel alone: they name the server and the nonce that it made for this dial. So
 * nobody can use again what was said on another tunnel, to another server, or to the same one
 * yesterday; and the server needs no clock that agrees with the hub's.
 *
 * @module
 */
import {
  type Jwk,
  jwkOf,
  type PublicKey,
  publicKey,
  readJws,
  type Signer,
  signJws,
  type UnverifiedJws,
} from "./jws.ts";

/** With it a server asks for vouchers when it dials; its value is the nonce. */
export const NONCE_HEADER = "X-Hub-Meta-Nonce";
/** The key statement, in the hub's answer. */
export const KEYS_HEADER = "X-Hub-Keys";
/** Metadata that tells who calls: only the hub may write it. */
export const OPERATOR_FIELD = "x-hub-operator";
/** The voucher, in the metadata of a call. */
export const VOUCHER_FIELD = "x-hub-voucher";

/** How somebody proved who they are. */
export const PROOFS = ["loopback", "token", "jwt", "certificate"] as const;
export type ProofKind = typeof PROOFS[number];

const NONCE = /^[A-Za-z0-9_-]{22,64}$/;
export const NONCE_RULE = "22 to 64 of A-Z a-z 0-9 _ -, a new one for each dial";
const KEYS_TYPE = "ghub-keys";
const VOUCHER_TYPE = "ghub-voucher";
/** A hub has one key that it signs with, and one that comes after it. */
const MAX_KEYS = 4;

/** Whether a text can be a nonce. */
export function isNonce(text: string): boolean {
  return NONCE.test(text);
}

/** One tunnel: whom and when statements are for. */
export interface VouchedTunnel {
  /** The name that it registered. */
  readonly server: string;
  readonly nonce: string;
}

/** What a hub says of itself. */
export interface KeyStatement {
  /** The one that signed this, then those that may follow it. */
  readonly keys: readonly PublicKey[];
  /** The hub's clock when it said so. */
  readonly hubTimeMs: number;
}

/** Who calls. */
export interface Voucher {
  /** The operator's name at the hub. */
  readonly operator: string;
  readonly how: ProofKind;
  /** By the hub's clock. */
  readonly expiresAtMs: number;
}

/** @param keys The public keys: first the signer's own. */
export function signKeys(
  { server, nonce }: VouchedTunnel,
  { keys, signer, nowMs }: {
    readonly keys: readonly Jwk[];
    readonly signer: Signer;
    readonly nowMs: number;
  },
): string {
  return signJws(KEYS_TYPE, { aud: server, nonce, iat: seconds(nowMs), keys }, signer);
}

/**
 * Reads a key statement. It proves only that the hub has the first key, not that the hub may be trusted.
 *
 * @throws {SyntaxError} That says what is wrong with it.
 */
export function readKeys(text: string, tunnel: VouchedTunnel): KeyStatement {
  const jws = readJws(KEYS_TYPE, text);
  const { keys, iat } = jws.claims;
  if (!Array.isArray(keys) || keys.length === 0 || keys.length > MAX_KEYS) {
    throw new SyntaxError(`It must hold 1 to ${MAX_KEYS} keys`);
  }
  const known = keys.map(publicKey);
  checkSigned(jws, known.slice(0, 1));
  checkTunnel(jws, tunnel);
  if (typeof iat !== "number") throw new SyntaxError("It does not say when it was made");
  return { keys: known, hubTimeMs: iat * 1000 };
}

/** @param expiresAtMs Rounded down to seconds. */
export function signVoucher(
  { server, nonce }: VouchedTunnel,
  { operator, how, expiresAtMs }: Voucher,
  signer: Signer,
): string {
  const claims = { aud: server, nonce, sub: operator, how, exp: seconds(expiresAtMs) };
  return signJws(VOUCHER_TYPE, claims, signer);
}

/**
 * Reads a voucher. Whether it has expired is for the caller to say.
 *
 * @throws {SyntaxError} That says what is wrong with it.
 */
export function readVoucher(
  text: string,
  { tunnel, keys }: { readonly tunnel: VouchedTunnel; readonly keys: readonly PublicKey[] },
): Voucher {
  const jws = readJws(VOUCHER_TYPE, text);
  checkSigned(jws, keys);
  checkTunnel(jws, tunnel);
  const { sub, how, exp } = jws.claims;
  const proof = PROOFS.find((one) => one === how);
  if (typeof sub !== "string" || sub === "" || proof === undefined || typeof exp !== "number") {
    throw new SyntaxError("It does not say who calls");
  }
  return { operator: sub, how: proof, expiresAtMs: exp * 1000 };
}

/** The public key and the JWK of a signer. */
export function publicPartOf(
  { privateKey }: Signer,
): { readonly key: PublicKey; readonly jwk: Jwk } {
  const jwk = jwkOf(privateKey);
  return { key: publicKey(jwk), jwk };
}

function checkSigned(jws: UnverifiedJws, keys: readonly PublicKey[]): void {
  if (!keys.some((key) => jws.isBy(key))) throw new SyntaxError("It is not signed by this hub");
}

function checkTunnel({ claims }: UnverifiedJws, { server, nonce }: VouchedTunnel): void {
  if (claims["aud"] !== server) throw new SyntaxError("It is for another server");
  if (claims["nonce"] !== nonce) throw new SyntaxError("It is for another tunnel");
}

function seconds(ms: number): number {
  return Math.floor(ms / 1000);
}
