/**
 * RpcError ⇄ the errors of grpc-js.
 *
 * @module
 */
import { Metadata, type ServiceError, type StatusObject } from "@grpc/grpc-js";
import { Buffer } from "node:buffer";
import { decodeStatus, type Detail, RpcError, shortMessage } from "../grpc/rpc_error.ts";
import { Status, type StatusCode, statusName } from "../grpc/status.ts";

const DETAILS = "grpc-status-details-bin";

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
  if (details !== undefined) metadata.set(DETAILS, Buffer.from(details));
  return { code: error.code, details: shortMessage(error.message), metadata };
}

/**
 * What a grpc-js call failed with, as an RpcError: its details decoded, its trailers kept in
 * `metadata`. A code that gRPC does not define reads as `UNKNOWN`.
 */
export function fromServiceError(error: ServiceError): RpcError {
  const { code, details: message, metadata } = error;
  return new RpcError(Status[statusName(code)] as StatusCode, message, {
    details: decodeDetails(metadata),
    metadata,
    cause: error,
  });
}

/** The details in the trailers; none if they cannot be read: a status must never be lost to them. */
function decodeDetails(trailers: Metadata): Detail[] {
  const [bytes] = trailers.get(DETAILS);
  if (!(bytes instanceof Uint8Array)) return [];
  try {
    return decodeStatus(bytes).details;
  } catch {
    return [];
  }
}
