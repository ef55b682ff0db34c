/**
 * Who makes a call, as the call itself keeps it.
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

/**
 * What a call keeps of who was let in; a refusal stays what it is.
 *
 * @param used Whether its `authorization` was for the hub. @default as for a token or a JWT
 */
export function callIdentity(
  answer: Operator | RpcError,
  used?: boolean,
): CallIdentity | RpcError {
  if (answer instanceof RpcError) return answer;
  const { name, grant, how, subject, expiresAtMs } = answer;
  const credentialUsed = used ?? (how === "token" || how === "jwt");
  // Each call makes one: no spreading.
  const identity: { -readonly [Name in keyof CallIdentity]: CallIdentity[Name] } = {
    name,
    how,
    grant,
    credentialUsed,
  };
  if (subject !== undefined) identity.subject = subject;
  if (expiresAtMs !== undefined) identity.expiresAtMs = expiresAtMs;
  return identity;
}
