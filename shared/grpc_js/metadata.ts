/**
 * Metadata ⇄ that of grpc-js.
 *
 * @module
 */
import { Metadata } from "@grpc/grpc-js";
import { Buffer } from "node:buffer";
import { CallMetadata } from "../grpc/call_metadata.ts";

/** What grpc-js received. */
export function fromGrpcJs(metadata: Metadata): CallMetadata {
  const copy = new CallMetadata();
  for (const [name, values] of Object.entries(metadata.toJSON())) {
    for (const value of values as (string | Buffer)[]) copy.take(name, value);
  }
  return copy;
}

/** What grpc-js shall send. */
export function toGrpcJs(metadata: CallMetadata): Metadata {
  const copy = new Metadata();
  for (const name of metadata.keys()) {
    for (const value of metadata.get(name)) {
      copy.add(name, typeof value === "string" ? value : Buffer.from(value));
    }
  }
  return copy;
}
