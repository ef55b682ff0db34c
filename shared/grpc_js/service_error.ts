/**
 * RpcError ⇄ the errors of grpc-js.
 *
 * @module
 */
import { Metadata, type ServiceError, type StatusObject } from "@grpc/grpc-js";
import { Buffer } from "node:buffer";
import { DETAILS_FIELD, detailsIn, RpcError, shortMessage } from "../grpc/rpc_error.ts";
import { Status, type StatusCode, statusName } from "../grpc/status.ts";

/**
 * What a grpc-js handler answers with.
 *
 * @param trailers Sent along; not changed.
 */
export function toServiceError(
  error: RpcError,
  trailers: Metadata = new Metadata(),
): StatusObject {
  const metadata = trailers.clone();
  const details = error.encodeDetails();
  if (details !== undefined) metadata.set(DETAILS_FIELD, Buffer.from(details));
  return { code: error.code, details: shortMessage(error.message), metadata };
}

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
