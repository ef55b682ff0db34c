/**
 * Finds out who somebody is: from a credential to an entry of the auth file.
 *
 *     authorization ─▶ token's hash ─▶ entry            certificate ─▶ first entry that it fits
 *                   └▶ JWT ─▶ issuer, claims ─▶ first entry that they fit
 *
 * A call with `Authorization` is judged by it alone; a certificate counts for a call without.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { Answer, Identity } from "./identity.ts";
import type { ClientCertificate } from "../net/peer.ts";
import type { Credentials } from "./auth_file.ts";
import { NOT_ENROLLED } from "./enrolment.ts";
import { bearerToken } from "./bearer.ts";
import { anyMatches } from "../../shared/rules/glob.ts";
import { MIN_TOKEN_LENGTH } from "./token_file.ts";
import {
  JwtFault,
  type JwtFaultReason,
  type JwtVerifier,
  looksLikeJwt,
  type VerifiedJwt,
} from "./jwt.ts";

/** What an entry needs to be found. */
export interface ProvenEntry extends Credentials {
  readonly id: string;
}

/** Somebody whose credential is good. */
export interface Proof<E extends ProvenEntry> {
  readonly entry: E;
  readonly how: "token" | "jwt" | "certificate";
  readonly subject?: string;
  readonly expiresAtMs?: number;
  /** What `{…}` in a server's names stands for. */
  readonly values: ReadonlyMap<string, string>;
}

/** `ErrorInfo.reason` of each fault. */
export type FaultReason =
  | "CREDENTIAL_MISSING"
  | "CREDENTIAL_MALFORMED"
  | "CREDENTIAL_WRONG"
  | "CREDENTIAL_EXPIRED"
  | "CREDENTIAL_NOT_YET_VALID"
  | "CREDENTIAL_NOT_FOR_THIS"
  | "KEYS_UNAVAILABLE";

/** Why a credential is not good. */
export class ProofFault {
  readonly reason: FaultReason;
  readonly message: string;

  constructor(reason: FaultReason, message: string) {
    this.reason = reason;
    this.message = message;
  }
}

const NEEDED = "This hub lets nobody in without a credential: a token or JWT as " +
  "Authorization: Bearer (--token-file), or a client certificate";

/** Knows those who may pass one door, and those who are meant for the other one. */
export class Prover<E extends ProvenEntry> {
  readonly #kind: Identity["kind"];
  readonly #entries: readonly E[];
  readonly #others: readonly ProvenEntry[];
  readonly #byHash: ReadonlyMap<string, E>;
  readonly #otherHashes: ReadonlySet<string>;
  readonly #jwt: JwtVerifier;

  constructor(
    kind: Identity["kind"],
    { entries, others, jwt }: {
      readonly entries: readonly E[];
      readonly others: readonly ProvenEntry[];
      readonly jwt: JwtVerifier;
    },
  ) {
    this.#kind = kind;
    this.#entries = entries;
    this.#others = others;
    this.#jwt = jwt;
    this.#byHash = new Map(
      entries.flatMap((entry) => entry.tokens.map(({ sha256 }): [string, E] => [sha256, entry])),
    );
    this.#otherHashes = new Set(others.flatMap(({ tokens }) => tokens.map((one) => one.sha256)));
  }

  prove(
    authorization: string | undefined,
    certificate: ClientCertificate | undefined,
  ): Answer<Proof<E> | ProofFault> {
    if (authorization !== undefined) return this.#proveBearer(authorization);
    if (certificate === undefined) return new ProofFault("CREDENTIAL_MISSING", NEEDED);
    if (certificate.notAfterMs <= Date.now()) {
      return new ProofFault("CREDENTIAL_EXPIRED", "The client certificate has expired");
    }
    if (!certificate.isVouchedFor()) {
      const message = "The client certificate is of no authority that this hub trusts now";
      return new ProofFault("CREDENTIAL_WRONG", message);
    }
    return findByCertificate(this.#entries, certificate) ??
      this.#stranger(findByCertificate(this.#others, certificate));
  }

  #proveBearer(authorization: string): Answer<Proof<E> | ProofFault> {
    const token = bearerToken(authorization);
    if (token === undefined) {
      const message = "Cannot read Authorization: it must be Bearer <token>, once";
      return new ProofFault("CREDENTIAL_MALFORMED", message);
    }
    // Before it is looked up: a short one could be guessed, and its hash may be in a file all the same.
    if (token.length < MIN_TOKEN_LENGTH) {
      const message = `Wrong token: it must have at least ${MIN_TOKEN_LENGTH} characters`;
      return new ProofFault("CREDENTIAL_WRONG", message);
    }
    const byHash = this.#proveToken(token);
    if (byHash !== undefined) return byHash;
    if (!looksLikeJwt(token)) {
      const message = this.#kind === "server" ? NOT_ENROLLED : "Wrong token";
      return new ProofFault("CREDENTIAL_WRONG", message);
    }
    const find = (jwt: VerifiedJwt) =>
      findByJwt(this.#entries, jwt) ?? this.#stranger(findByJwt(this.#others, jwt));
    const known = this.#jwt.recall(token);
    return known === undefined ? this.#jwt.verify(token).then(find, faultOf) : find(known);
  }

  /**
   * The table is asked for a hash of what was sent. How long that takes tells of the hash alone,
   * from which nobody can come nearer to a token.
   */
  #proveToken(token: string): Proof<E> | ProofFault | undefined {
    const hash = createHash("sha256").update(token).digest("hex");
    const entry = this.#byHash.get(hash);
    if (entry === undefined) return this.#otherHashes.has(hash) ? this.#notForThis() : undefined;
    const expiresAtMs = entry.tokens.find(({ sha256 }) => sha256 === hash)?.expiresAtMs;
    if (expiresAtMs === undefined) return { entry, how: "token", values: new Map() };
    if (expiresAtMs <= Date.now()) {
      return new ProofFault("CREDENTIAL_EXPIRED", `The token of "${entry.id}" has expired`);
    }
    return { entry, how: "token", expiresAtMs, values: new Map() };
  }

  #stranger(found: unknown): ProofFault {
    if (found !== undefined) return this.#notForThis();
    const message = `This credential is of no ${this.#kind} that this hub knows`;
    return new ProofFault("CREDENTIAL_WRONG", message);
  }

  #notForThis(): ProofFault {
    const other = this.#kind === "server" ? "an operator" : "a server";
    return new ProofFault("CREDENTIAL_NOT_FOR_THIS", `Wrong kind of credential: it is ${other}'s`);
  }
}

const JWT_FAULTS: Readonly<Record<JwtFaultReason, FaultReason>> = {
  wrong: "CREDENTIAL_WRONG",
  expired: "CREDENTIAL_EXPIRED",
  notYetValid: "CREDENTIAL_NOT_YET_VALID",
  unavailable: "KEYS_UNAVAILABLE",
};

function faultOf(error: unknown): ProofFault {
  if (!(error instanceof JwtFault)) throw error;
  return new ProofFault(JWT_FAULTS[error.reason], error.message);
}

function findByJwt<E extends ProvenEntry>(
  entries: readonly E[],
  { issuer, claims, expiresAtMs }: VerifiedJwt,
): Proof<E> | undefined {
  const entry = entries.find(({ jwt }) =>
    jwt.some((match) =>
      match.issuer === issuer &&
      [...match.claims].every(([claim, pattern]) =>
        texts(Object.hasOwn(claims, claim) ? claims[claim] : undefined)
          .some((value) => pattern.matches(value))
      )
    )
  );
  if (entry === undefined) return undefined;
  const values = new Map(
    Object.entries(claims).filter((pair): pair is [string, string] => typeof pair[1] === "string"),
  );
  const subject = typeof claims.sub === "string" ? { subject: claims.sub } : {};
  return { entry, how: "jwt", expiresAtMs, values, ...subject };
}

/** A claim's values: some, such as groups, are lists. */
function texts(value: unknown): string[] {
  const list = Array.isArray(value) ? value : [value];
  return list.filter((one) => typeof one === "string");
}

function findByCertificate<E extends ProvenEntry>(
  entries: readonly E[],
  { names, notAfterMs }: ClientCertificate,
): Proof<E> | undefined {
  for (const entry of entries) {
    const subject = names.find((name) => anyMatches(entry.certificates, name));
    if (subject === undefined) continue;
    const values = new Map([["san", subject.slice(subject.indexOf(":") + 1)]]);
    return { entry, how: "certificate", subject, expiresAtMs: notAfterMs, values };
  }
  return undefined;
}
