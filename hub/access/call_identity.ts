/**
 * Who makes a call, as the call keeps it.
 *
 * @module
 */
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import type { Grant } from "../../shared/rules/rules.ts";
import type { Identity, Operator } from "../auth/identity.ts";

/** Who calls. */
export interface CallIdentity {
  readonly name: string;
  readonly how: Identity["how"];
  readonly subject?: string;
  readonly expiresAtMs?: number;
  /** What it may do; replaced when that has changed. */
  grant: Grant;
  /** The call's `authorization` was meant for the hub: it is not sent on. */
  readonly credentialUsed: boolean;
}

/** What a call keeps of the operator who was let in. A refusal is passed through. */
export function callIdentity(answer: Operator | RpcError): CallIdentity | RpcError {
  if (answer instanceof RpcError) return answer;
  return kept(answer);
}

/** The same of a call that another hub forwards: what `authorization` it has is meant for the server. */
export function forwardedIdentity(answer: Operator | RpcError): CallIdentity | RpcError {
  if (answer instanceof RpcError) return answer;
  const identity = kept(answer);
  identity.credentialUsed = false;
  return identity;
}

type Kept = { -readonly [Name in keyof CallIdentity]: CallIdentity[Name] };

function kept({ name, grant, how, subject, expiresAtMs }: Operator): Kept {
  // Each call makes one: no spreading.
  const credentialUsed = how === "token" || how === "jwt";
  const identity: Kept = { name, how, grant, credentialUsed };
  if (subject !== undefined) identity.subject = subject;
  if (expiresAtMs !== undefined) identity.expiresAtMs = expiresAtMs;
  return identity;
}
