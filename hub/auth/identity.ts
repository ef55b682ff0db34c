/**
 * Who may register and who may call: docs/protocol.md §12. This is what the rest of the hub
 * sees of it; the folder `auth/` decides.
 *
 *     tunnel ─▶ authorizeTunnel ─▶ Identity │ Refusal
 *     call   ─▶ authorizeCall   ─▶ Operator │ RpcError       Operator.grant: what it may do
 *
 * @module
 */
import type { RpcError } from "../../shared/grpc/rpc_error.ts";
import type { Grant } from "../../shared/rules/rules.ts";
import type { Refusal } from "../registry/refusal.ts";
import type { ServerInfo } from "../registry/tunnel.ts";
import type { ClientCertificate } from "../net/peer.ts";

/** Who was let in. */
export interface Identity {
  readonly kind: "operator" | "server";
  /** As it stands in the audit line: who, not with which secret. */
  readonly name: string;
  readonly how: "loopback" | "token" | "jwt" | "certificate";
  /** Who it is in the words of its own credential: a JWT's `sub`, a certificate's name. */
  readonly subject?: string;
  /** `Date.now()` at which its credential is no longer good. */
  readonly expiresAtMs?: number;
}

/** An operator, and what it may do. */
export interface Operator extends Identity {
  readonly grant: Grant;
}

/** What is asked for a tunnel. */
export interface TunnelRequest {
  /** Address, without the port. */
  readonly remote: string;
  /** Looks a header of the upgrade request up; names are given in lower case. */
  readonly header: (name: string) => string | null | undefined;
  readonly certificate?: ClientCertificate | undefined;
  /** It came through a proxy: see `behind_proxy.ts`. */
  readonly forwarded?: boolean;
  /** What is to be registered. */
  readonly info: Pick<ServerInfo, "name" | "labels">;
}

/** What is asked for a call or a raw connection. */
export interface CallRequest {
  /** Address, without the port. */
  readonly remote: string;
  /** The `authorization` metadata; a handshake's token as `Bearer …`. */
  readonly authorization: string | undefined;
  readonly certificate?: ClientCertificate | undefined;
  /** It came through a proxy: see `behind_proxy.ts`. */
  readonly forwarded?: boolean;
  /** Whom another hub of ours has let in: its credential was looked at there. */
  readonly operator?: Omit<Operator, "grant">;
}

/** A positive answer: who was let in, for which request, and until when it may be used again. */
export interface KnownCaller {
  readonly request: CallRequest;
  readonly operator: Operator;
  readonly untilMs: number;
  /** The auth's state in which this was the answer. */
  readonly epoch: number;
}

/** Some answers need a key that has to be fetched first. */
export type Answer<T> = T | Promise<T>;

/** What follows from an answer, at once if it is there. */
export function after<T, R>(answer: Answer<T>, then: (value: T) => R): Answer<R> {
  return answer instanceof Promise ? answer.then(then) : then(answer as Awaited<T>);
}

export interface Auth {
  authorizeTunnel(request: TunnelRequest): Answer<Identity | Refusal>;
  authorizeCall(request: CallRequest): Answer<Operator | RpcError>;
  /** What an operator of this name may do now. */
  grantOf(operator: string): Grant;
  /** Called when other answers may be given from now on. */
  onChange(listener: () => void): void;
  /**
   * Where there is a file: looks at it now, whether or not it would by itself.
   *
   * @returns Whether another one is in force.
   * @throws {Error} If it is broken; then the one before it stays in force.
   */
  look?(): boolean | Promise<boolean>;
  /** Ends what goes on in the background. */
  close(): void;
}
