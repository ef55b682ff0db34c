/**
 * Finds out who asks: checks the credential of a tunnel, a call or a raw connection.
 *
 *     metadata, certificate, address ─▶ auth/ ─▶ Operator │ RpcError
 *                                         │
 *                                         └─ wrong ─▶ Throttle: the answer comes later with each try
 *
 * @module
 */
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import { isLoopback } from "../../shared/net/loopback.ts";
import {
  after,
  type Answer,
  type Auth,
  type CallRequest,
  type Identity,
  type KnownCaller,
  type Operator,
  type TunnelRequest,
} from "../auth/identity.ts";
import { type JointGuesses, Throttle } from "../auth/throttle.ts";
import { hostOf, type Peer } from "../net/peer.ts";
import type { Refusal } from "../registry/refusal.ts";
import { expiredError, plaintextError, tooManyError, tooManyRefusal } from "./access_errors.ts";
import type { CallHeaders } from "./call_head.ts";
import type { ForwardedOperator } from "./peer_fields.ts";

/** An answer for one list of metadata on one connection is good for this long. */
const REMEMBER_MS = 60_000;

export interface AuthenticatorOptions {
  readonly auth: Auth;
  /** Takes calls in plain text from other machines too. */
  readonly allowPlaintextCalls: boolean;
  /** A peer that comes from loopback is on this machine: auth/loopback_trust.ts. @default true */
  readonly trustLoopback?: boolean;
  /** Wrong credentials that other workers of this process count as well. @default it counts alone */
  readonly guesses?: JointGuesses | undefined;
}

/** Lets in, or says why not. The head of a call remembers who was let in, so there is no map of callers. */
export class Authenticator {
  readonly #auth: Auth;
  readonly #allowPlaintext: boolean;
  readonly #trustLoopback: boolean;
  readonly #throttle: Throttle;
  #epoch = 0;

  constructor(
    { auth, allowPlaintextCalls, trustLoopback = true, guesses }: AuthenticatorOptions,
  ) {
    this.#throttle = new Throttle({ joint: guesses });
    this.#auth = auth;
    this.#allowPlaintext = allowPlaintextCalls;
    this.#trustLoopback = trustLoopback;
  }

  /** Counts the times when other answers could be given from then on. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Other answers may be given from now on: callers that were let in are looked at again. */
  forget(): void {
    this.#epoch++;
  }

  /** Who dials in, and whether it may have the name and labels that it claims. */
  authorizeTunnel(request: TunnelRequest): Answer<Identity | Refusal> {
    const { remote, header } = request;
    const answer = this.#auth.authorizeTunnel(request);
    const given = header("authorization") ?? undefined;
    if (given === undefined) return answer;
    const isWrong = (known: Identity | Refusal) => "status" in known && known.status === 401;
    return this.#slowly(answer, { remote, isWrong, tooMany: tooManyRefusal });
  }

  /** Who calls, or why it may not. The same metadata on the same connection is looked at once. */
  authorizeCall(head: CallHeaders, peer: Peer): Answer<Operator | RpcError> {
    const known = this.#admitted(head);
    if (known !== undefined) return known;
    const given = head.fields.filter(([name]) => name === "authorization");
    const request: CallRequest = {
      remote: hostOf(peer.remoteAddress),
      // Nobody knows which one of two credentials was meant, so reject both.
      authorization: given.length === 0 ? undefined : given.map(([, value]) => value).join(", "),
      certificate: peer.certificate,
      forwarded: head.forwarded,
    };
    const epoch = this.#epoch;
    return after(
      this.authorizeRequest(request, peer),
      (answer) => remembered(head, answer, { request, epoch }),
    );
  }

  /**
   * The same for a call that another hub forwards: that hub has checked the credential. What the
   * operator may do here, the auth file of this hub says.
   */
  authorizeForwarded(
    head: CallHeaders,
    forwarded: ForwardedOperator,
    peer: Peer,
  ): Operator | RpcError {
    const known = this.#admitted(head);
    if (known !== undefined) return known;
    const operator = { kind: "operator", ...forwarded } as const;
    const request: CallRequest = {
      remote: hostOf(peer.remoteAddress),
      authorization: undefined,
      operator,
    };
    return remembered(head, this.#judgeForwarded(operator), { request, epoch: this.#epoch });
  }

  /** The same for a handshake. */
  authorizeRequest(request: CallRequest, peer: Peer): Answer<Operator | RpcError> {
    if (!peer.encrypted && !this.#allowPlaintext) {
      const fromLoopback = isLoopback(request.remote);
      if (!fromLoopback || !this.#trustLoopback) return plaintextError({ fromLoopback });
    }
    const { remote, authorization } = request;
    const answer = this.#auth.authorizeCall(request);
    if (authorization === undefined) return answer;
    const isWrong = (known: Operator | RpcError) =>
      known instanceof RpcError && known.code === Status.UNAUTHENTICATED;
    return this.#slowly(answer, { remote, isWrong, tooMany: tooManyError });
  }

  /** Asks again about a call that was let in: at once, as nobody tries a credential here. */
  lookAgain(request: CallRequest): Answer<Operator | RpcError> {
    const { operator } = request;
    return operator === undefined
      ? this.#auth.authorizeCall(request)
      : this.#judgeForwarded(operator);
  }

  /** Releases all answers that are held back. */
  close(): void {
    this.#throttle[Symbol.dispose]();
  }

  /** Who was let in with this head, as long as that holds. */
  #admitted({ admission }: CallHeaders): Operator | undefined {
    if (admission === undefined || admission.epoch !== this.#epoch) return undefined;
    return Date.now() < admission.untilMs ? admission.operator : undefined;
  }

  #judgeForwarded(operator: Omit<Operator, "grant">): Operator | RpcError {
    const { name, expiresAtMs = Infinity } = operator;
    if (expiresAtMs <= Date.now()) return expiredError(name);
    return { ...operator, grant: this.#auth.grantOf(name) };
  }

  /** A good credential is accepted at once; a wrong one is answered later with each failed try. */
  #slowly<T>(
    answer: Answer<T>,
    { remote, isWrong, tooMany }: {
      readonly remote: string;
      readonly isWrong: (known: T) => boolean;
      readonly tooMany: (waitMs: number) => T;
    },
  ): Answer<T> {
    if (answer instanceof Promise) {
      return answer.then((known) => this.#slowly<T>(known, { remote, isWrong, tooMany }));
    }
    if (!isWrong(answer as Awaited<T>)) return answer;
    const verdict = this.#throttle.failed(remote);
    if (verdict.answer === "now") return answer;
    if (verdict.answer === "too many") return tooMany(verdict.waitMs);
    return verdict.until.then(() => answer);
  }
}

/** Who was let in, which the head remembers. A refusal is not remembered, so it is checked again. */
function remembered(
  head: CallHeaders,
  answer: Operator | RpcError,
  looked: Pick<KnownCaller, "request" | "epoch">,
): Operator | RpcError {
  if (answer instanceof RpcError) return answer;
  const untilMs = Math.min(answer.expiresAtMs ?? Infinity, Date.now() + REMEMBER_MS);
  const { request, epoch } = looked;
  head.admission = { request, operator: answer, untilMs, epoch };
  return answer;
}
