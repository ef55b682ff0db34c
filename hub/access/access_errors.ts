/**
 * Errors for callers and servers that are not let in, may not make their call, or are disconnected.
 *
 * @module
 */
import { errorInfo, retryInfo, RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import { quote } from "../../shared/text/quote.ts";
import type { Identity } from "../auth/identity.ts";
import { LOOPBACK_SAYS_NOTHING } from "../auth/loopback_trust.ts";
import { ERROR_DOMAIN } from "../errors.ts";
import type { Refusal } from "../registry/refusal.ts";
import type { ServerName } from "../registry/tunnel.ts";

/** The same for a server that is here and for one that is unknown. */
export function hiddenError(operator: string, server: ServerName): RpcError {
  return denied(
    `"${operator}" may not call server ${quote(server)}, whether it exists or not`,
    server,
  );
}

/** @param server As the caller named it: told back, and written into the audit. */
export function denied(message: string, server: ServerName): RpcError {
  return new RpcError(Status.PERMISSION_DENIED, message, {
    details: [errorInfo("NOT_PERMITTED", ERROR_DOMAIN, { server })],
  });
}

/** Of an operator for whom another hub has vouched. */
export function expiredError(operator: string): RpcError {
  return new RpcError(Status.UNAUTHENTICATED, `The credential of "${operator}" has expired`, {
    details: [errorInfo("CREDENTIAL_EXPIRED", ERROR_DOMAIN)],
  });
}

const TOO_MANY =
  "This credential is wrong, and many wrong ones came from this address before: wait for";

export function tooManyRefusal(waitMs: number): Refusal {
  const retryAfterS = Math.ceil(waitMs / 1000);
  const message = `${TOO_MANY} ${retryAfterS} s`;
  return { status: 429, code: "RESOURCE_EXHAUSTED", message, retryAfterS };
}

export function tooManyError(waitMs: number): RpcError {
  return new RpcError(Status.RESOURCE_EXHAUSTED, `${TOO_MANY} ${Math.ceil(waitMs / 1000)} s`, {
    details: [errorInfo("TOO_MANY_WRONG", ERROR_DOMAIN), retryInfo(waitMs)],
  });
}

export function plaintextError({ fromLoopback }: { readonly fromLoopback: boolean }): RpcError {
  const trust = fromLoopback ? ` (${LOOPBACK_SAYS_NOTHING})` : "";
  return new RpcError(
    Status.PERMISSION_DENIED,
    "This hub accepts calls from other machines over TLS only: start it with --call-tls, or with " +
      `--allow-plaintext-calls if the network between is trusted${trust}`,
    { details: [errorInfo("PLAINTEXT_REFUSED", ERROR_DOMAIN)] },
  );
}

/** The error for an operator or a server whose connection the hub ends. */
export function ended({ name }: Identity, why: string): string {
  return `The hub no longer lets "${name}" in: ${why}`;
}

export function endedError(identity: Identity, { code, message, details }: RpcError): RpcError {
  return new RpcError(code, ended(identity, message), { details });
}
