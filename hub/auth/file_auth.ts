/**
 * The answers that one version of an auth file gives. It never changes; `watched_auth.ts` puts
 * another one in its place.
 *
 * @module
 */
import { errorInfo, retryInfo, RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import { type LoginOffer, writeOffer } from "../../shared/login/offer.ts";
import { isLoopback } from "../../shared/net/loopback.ts";
import {
  after,
  type Answer,
  type CallRequest,
  type Identity,
  type Operator,
  type TunnelRequest,
} from "./identity.ts";
import { ERROR_DOMAIN } from "../errors.ts";
import { quote } from "../../shared/text/quote.ts";
import { isServerName } from "../../shared/registration/server_name.ts";
import type { Refusal } from "../registry/refusal.ts";
import type { AuthFile, OperatorEntry, ServerEntry } from "./auth_file.ts";
import { anyMatches, glob, MAX_PATTERN_LENGTH } from "../../shared/rules/glob.ts";
import { LOOPBACK_SAYS_NOTHING } from "./loopback_trust.ts";
import { JwtVerifier } from "./jwt.ts";
import { type FaultReason, type Proof, ProofFault, type ProvenEntry, Prover } from "./prover.ts";
import { EVERYTHING, type Grant, NOTHING, RuleGrant } from "../../shared/rules/rules.ts";

/** What a fault is to a server and to an operator. */
const UNAUTHENTICATED = {
  http: 401,
  code: Status.UNAUTHENTICATED,
  name: "UNAUTHENTICATED",
} as const;
const FORBIDDEN = { http: 403, code: Status.PERMISSION_DENIED, name: "PERMISSION_DENIED" } as const;
const UNAVAILABLE = { http: 503, code: Status.UNAVAILABLE, name: "UNAVAILABLE" } as const;

const ANSWER_TO: Record<
  FaultReason,
  typeof UNAUTHENTICATED | typeof FORBIDDEN | typeof UNAVAILABLE
> = {
  CREDENTIAL_MISSING: UNAUTHENTICATED,
  CREDENTIAL_MALFORMED: UNAUTHENTICATED,
  CREDENTIAL_WRONG: UNAUTHENTICATED,
  CREDENTIAL_EXPIRED: UNAUTHENTICATED,
  CREDENTIAL_NOT_YET_VALID: UNAUTHENTICATED,
  CREDENTIAL_NOT_FOR_THIS: FORBIDDEN,
  KEYS_UNAVAILABLE: UNAVAILABLE,
};

/** When an issuer's keys may be there again. */
const RETRY_S = 5;

/** The answers of one version of an auth file. */
export class FileAuth {
  readonly #allowLoopback: boolean;
  /** The file lets loopback in, but it is no proof here: loopback_trust.ts. */
  readonly #loopbackIsNoProof: boolean;
  readonly #servers: Prover<ServerEntry>;
  readonly #operators: Prover<OperatorEntry>;
  readonly #grants: ReadonlyMap<string, Grant>;
  /** Where operators log in, for those who are not let in. */
  readonly #login: LoginOffer | undefined;
  #missing: RpcError | undefined;

  /**
   * @param path The file's; key files are looked for next to it.
   * @throws {Error} If a key file cannot be used.
   */
  constructor(
    path: string,
    { allowLoopback, issuers, servers, operators }: AuthFile,
    { trustLoopback = true }: { readonly trustLoopback?: boolean } = {},
  ) {
    const jwt = JwtVerifier.load(path, issuers);
    this.#allowLoopback = allowLoopback && trustLoopback;
    this.#loopbackIsNoProof = allowLoopback && !trustLoopback;
    this.#servers = new Prover("server", { entries: servers, others: operators, jwt });
    this.#operators = new Prover("operator", { entries: operators, others: servers, jwt });
    this.#login = issuers.find(({ login }) => login !== undefined)?.login;
    this.#grants = new Map(operators.map(({ id, rules }) => [id, new RuleGrant(rules)]));
  }

  authorizeTunnel(request: TunnelRequest): Answer<Identity | Refusal> {
    const { header, certificate, info } = request;
    const authorization = header("authorization") ?? undefined;
    if (this.#isLocal({ ...request, authorization })) {
      return { kind: "server", name: "loopback", how: "loopback" };
    }
    return after(
      this.#servers.prove(authorization, certificate),
      (proof) =>
        proof instanceof ProofFault ? toRefusal(this.#explained(proof)) : admit(proof, info),
    );
  }

  authorizeCall(request: CallRequest): Answer<Operator | RpcError> {
    if (this.#isLocal(request)) {
      return { kind: "operator", name: "loopback", how: "loopback", grant: EVERYTHING };
    }
    return after(this.#operators.prove(request.authorization, request.certificate), (proof) => {
      if (proof instanceof ProofFault) return this.#refuse(proof);
      return { ...identityOf("operator", proof), grant: this.grantOf(proof.entry.id) };
    });
  }

  grantOf(operator: string): Grant {
    if (operator === "loopback" && this.#allowLoopback) return EVERYTHING;
    return this.#grants.get(operator) ?? NOTHING;
  }

  /** What asks without a credential is answered by one error: to make it costs more than to ask. */
  #refuse(fault: ProofFault): RpcError {
    if (fault.reason !== "CREDENTIAL_MISSING") return toRpcError(fault, this.#login);
    return this.#missing ??= toRpcError(this.#explained(fault), this.#login);
  }

  /** The file may say that loopback needs no credential, so say why it does need one here. */
  #explained(fault: ProofFault): ProofFault {
    if (fault.reason !== "CREDENTIAL_MISSING" || !this.#loopbackIsNoProof) return fault;
    return new ProofFault(fault.reason, `${fault.message}; ${LOOPBACK_SAYS_NOTHING}`);
  }

  #isLocal({ remote, authorization, certificate, forwarded = false }: CallRequest): boolean {
    return this.#allowLoopback && authorization === undefined && certificate === undefined &&
      isLoopback(remote) && !forwarded;
  }
}

function identityOf(kind: Identity["kind"], proof: Proof<ProvenEntry>): Identity {
  const { entry, how, subject, expiresAtMs } = proof;
  return {
    kind,
    name: entry.id,
    how,
    ...(subject === undefined ? {} : { subject }),
    ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
  };
}

/** Whether a server may have the name and the labels that it claims. */
export function admit(
  proof: Proof<ServerEntry>,
  info: TunnelRequest["info"],
): Identity | Refusal {
  const { entry, values } = proof;
  const named = entry.names.some((pattern) => {
    const filled = fill(pattern, values);
    return filled !== undefined && glob(filled).matches(info.name);
  });
  if (!named) return forbidden(entry, `register the name ${quote(info.name)}`);
  for (const [key, value] of Object.entries(info.labels)) {
    const may = entry.labels.some((label) =>
      label.key.matches(key) && anyMatches(label.values, value)
    );
    if (!may) {
      return forbidden(entry, `claim the label ${quote(`${key}=${value}`)}`);
    }
  }
  return identityOf("server", proof);
}

/** `undefined` if a placeholder has no value that could be part of a name. */
function fill(pattern: string, values: ReadonlyMap<string, string>): string | undefined {
  let whole = true;
  const filled = pattern.replace(/\{([A-Za-z_]+)\}/g, (_, key) => {
    const value = values.get(key) ?? "";
    // A star or a slash that came from outside would widen the pattern.
    if (!isServerName(value) || value.includes("/")) whole = false;
    return value;
  });
  return whole && filled.length <= MAX_PATTERN_LENGTH ? filled : undefined;
}

function forbidden({ id }: ProvenEntry, what: string): Refusal {
  const message = `"${id}" may not ${what}`;
  return { status: FORBIDDEN.http, code: FORBIDDEN.name, message, who: id };
}

function toRefusal({ reason, message }: ProofFault): Refusal {
  const { http, name } = ANSWER_TO[reason];
  const refusal = { status: http, code: name, message };
  return http === 503 ? { ...refusal, retryAfterS: RETRY_S } : refusal;
}

function toRpcError({ reason, message }: ProofFault, login: LoginOffer | undefined): RpcError {
  const { code } = ANSWER_TO[reason];
  const retry = code === Status.UNAVAILABLE ? [retryInfo(RETRY_S * 1000)] : [];
  const offer = code === Status.UNAUTHENTICATED && login !== undefined ? writeOffer(login) : {};
  const info = errorInfo(reason, ERROR_DOMAIN, offer);
  return new RpcError(code, message, { details: [info, ...retry] });
}
