/**
 * RpcError → what a handler of grpc-js answers with.
 *
 * @module
 */
import { Metadata, type StatusObject } from "@grpc/grpc-js";
import { Buffer } from "node:buffer";
import { DETAILS_FIELD, type RpcError, shortMessage } from "../grpc/rpc_error.ts";

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
