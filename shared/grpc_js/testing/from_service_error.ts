/**
 * The twin of `toServiceError`, for tests whose client is grpc-js.
 *
 * @module
 */
import type { ServiceError } from "@grpc/grpc-js";
import { DETAILS_FIELD, detailsIn, RpcError } from "../../grpc/rpc_error.ts";
import { Status, type StatusCode, statusName } from "../../grpc/status.ts";

/**
 * What a grpc-js call failed with, as an RpcError: its details decoded, its trailers kept in
 * `metadata`. A code that gRPC does not define reads as `UNKNOWN`.
 */
export function fromServiceError(error: ServiceError): RpcError {
  const { code, details: message, metadata } = error;
  return new RpcError(Status[statusName(code)] as StatusCode, message, {
    details: detailsIn(metadata.get(DETAILS_FIELD)[0]),
    metadata,
    cause: error,
  });
}
