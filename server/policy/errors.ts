/**
 * What a server's own policy answers.
 *
 * @module
 */
import { errorInfo, RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import { quote } from "../../shared/text/quote.ts";
import type { Called, VouchedCaller } from "./policy_file.ts";

/** `ErrorInfo.domain` of this server's own answers. */
export const ERROR_DOMAIN = "ghub.server";

/** The hub cannot be believed, whatever it sends. */
export function untrusted(message: string): RpcError {
  return new RpcError(Status.UNAUTHENTICATED, message, {
    details: [errorInfo("HUB_NOT_TRUSTED", ERROR_DOMAIN)],
  });
}

/** The policy does not allow it. */
export function forbidden(
  { operator, how }: Pick<VouchedCaller, "operator"> & { readonly how?: string },
  { upstream, path }: Called,
): RpcError {
  const where = upstream === "" ? "here" : `of upstream ${quote(upstream)}`;
  const what = path === undefined ? "every method" : quote(path);
  const by = how === undefined ? "" : `, known by ${how},`;
  return new RpcError(
    Status.PERMISSION_DENIED,
    `This server's own policy does not let ${quote(operator)}${by} call ${what} ${where}`,
    { details: [errorInfo("FORBIDDEN_BY_SERVER", ERROR_DOMAIN, { operator })] },
  );
}

/** What is spoken between hub and servers, asked for by somebody else. */
export function notForOperators(path: string): RpcError {
  return new RpcError(Status.PERMISSION_DENIED, `${quote(path)} is not for operators`, {
    details: [errorInfo("NOT_FOR_OPERATORS", ERROR_DOMAIN)],
  });
}
