/**
 * Vouches for operators towards servers that ask for it: what a server believes who checks an
 * operator's rights by itself (docs/protocol.md §12.3).
 *
 *     voucher.key       signs         made at the first start, mode 0600
 *     voucher-next.key  comes next    servers learn it together with the first, so that a hub may
 *                                     change its key by renaming this file to voucher.key
 *
 * @module
 */
import { createPrivateKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { openStateFolder } from "../../shared/files/state_folder.ts";
import type { Jwk, Signer } from "../../shared/vouchers/jws.ts";
import {
  isNonce,
  NONCE_HEADER,
  NONCE_RULE,
  publicPartOf,
  signKeys,
  signVoucher,
  type VouchedTunnel,
} from "../../shared/vouchers/voucher.ts";
import type { Vouched, VoucherSource } from "../peer/call_target.ts";
import type { Refusal } from "../registry/refusal.ts";
import { openSecret } from "../auth/token_file.ts";
import { quote } from "../../shared/text/quote.ts";

/** A voucher is good for this long, or as long as the operator's credential. */
export const VOUCHER_LIFE_MS = 5 * 60_000;
/** A new one is made when no more than this is left: a call must not meet its end on the way. */
const RENEW_MS = VOUCHER_LIFE_MS / 2;
/** Vouchers kept for one tunnel; one more, and all are made again. */
export const MAX_VOUCHERS = 1_000;

/** In the state folder. */
export const KEY_FILE = "voucher.key";
export const NEXT_KEY_FILE = "voucher-next.key";
const MAX_KEY_BYTES = 4096;

/** The key and the next one, as PEM. */
export type VoucherKeys = readonly [key: string, next: string];

/** Makes keys that live in memory only. */
export function newVoucherKeys(): VoucherKeys {
  return [newKey(), newKey()];
}

/** What a hub signs with. */
export class Vouchers {
  readonly #signer: Signer;
  readonly #keys: readonly Jwk[];

  private constructor(key: KeyObject, next: KeyObject) {
    const { key: { id }, jwk } = publicPartOf({ id: "", privateKey: key });
    this.#signer = { id, privateKey: key };
    this.#keys = [jwk, publicPartOf({ id: "", privateKey: next }).jwk];
  }

  /**
   * Opens the keys, and at the first start makes them.
   *
   * @param stateDir Without one they are in memory only: no server that has pinned them believes
   * the next hub.
   * @param inMemory Gives those. @default new ones
   * @throws {Error} If the folder or a file is not safe, holds no key, or cannot be made.
   */
  static open(stateDir: string | undefined, inMemory = newVoucherKeys): Vouchers {
    if (stateDir === undefined) {
      const [key, next] = inMemory();
      return new Vouchers(readKey(key), readKey(next));
    }
    openStateFolder(stateDir);
    const open = (file: string) =>
      openSecret(`${stateDir}/${file}`, {
        what: "key file",
        make: newKey,
        read: readKey,
        maxBytes: MAX_KEY_BYTES,
      });
    return new Vouchers(open(KEY_FILE), open(NEXT_KEY_FILE));
  }

  /** The key statement for a server that asked for vouchers, in the answer to its dial. */
  statement(tunnel: VouchedTunnel): string {
    return signKeys(tunnel, { keys: this.#keys, signer: this.#signer, nowMs: Date.now() });
  }

  /** The vouchers of one tunnel. */
  of(tunnel: VouchedTunnel): TunnelVouchers {
    return new TunnelVouchers(tunnel, this.#signer);
  }
}

interface Kept {
  readonly text: string;
  /** Of the credential for which it was made. */
  readonly credentialEndsMs: number;
  readonly renewAtMs: number;
}

/** One per operator is kept: a call costs a look at a table. */
export class TunnelVouchers implements VoucherSource {
  readonly #tunnel: VouchedTunnel;
  readonly #signer: Signer;
  readonly #kept = new Map<string, Kept>();

  constructor(tunnel: VouchedTunnel, signer: Signer) {
    this.#tunnel = tunnel;
    this.#signer = signer;
  }

  /** The voucher for an operator, as it stands in a call's metadata. */
  of({ name, how, expiresAtMs: credentialEndsMs = Infinity }: Vouched): string {
    const who = `${how} ${name}`;
    const nowMs = Date.now();
    const kept = this.#kept.get(who);
    if (kept !== undefined && kept.credentialEndsMs === credentialEndsMs) {
      if (nowMs < kept.renewAtMs) return kept.text;
    }
    const expiresAtMs = Math.min(nowMs + VOUCHER_LIFE_MS, credentialEndsMs);
    const text = signVoucher(this.#tunnel, { operator: name, how, expiresAtMs }, this.#signer);
    if (this.#kept.size >= MAX_VOUCHERS) this.#kept.clear();
    const renewAtMs = expiresAtMs === credentialEndsMs ? expiresAtMs : expiresAtMs - RENEW_MS;
    this.#kept.set(who, { text, credentialEndsMs, renewAtMs });
    return text;
  }
}

/**
 * The nonce of a server that asks for vouchers; `undefined` if it does not.
 *
 * @param header Looks a header of its request up; names are given in lower case.
 */
export function readNonce(
  header: (name: string) => string | null | undefined,
): string | undefined | Refusal {
  const nonce = header(NONCE_HEADER.toLowerCase()) ?? undefined;
  if (nonce === undefined || isNonce(nonce)) return nonce;
  return {
    status: 400,
    code: "INVALID_ARGUMENT",
    message: `Bad ${NONCE_HEADER} ${quote(nonce)}: it must be ${NONCE_RULE}`,
  };
}

function newKey(): string {
  return generateKeyPairSync("ed25519").privateKey.export({ format: "pem", type: "pkcs8" })
    .toString();
}

/** @throws {Error} If it is no Ed25519 key. */
function readKey(pem: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch {
    // What the library says could quote the file.
    throw new Error("it holds no private key in PEM");
  }
  if (key.asymmetricKeyType !== "ed25519") throw new Error("its key is not of type Ed25519");
  return key;
}
