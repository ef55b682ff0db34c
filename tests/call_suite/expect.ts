/**
 * Small words for the suite.
 *
 * @module
 */
import type { Metadata } from "@grpc/grpc-js";
import assert from "node:assert/strict";
import type { Buffer } from "node:buffer";
import type { echo_v1_EchoResponse as EchoResponse } from "../../shared/gen/types.ts";
import { statusName } from "../../shared/grpc/status.ts";
import type { Outcome } from "../support/echo_client.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export const text = (value: string): Uint8Array => encoder.encode(value);

export const texts = (responses: readonly EchoResponse[]): string[] =>
  responses.map(({ data }) => decoder.decode(data));

/** A fresh `x-echo-id`. */
export const requestId = (): string => crypto.randomUUID();

/** Asserts that a call went well, and passes its outcome on. */
export function ok(outcome: Outcome): Outcome {
  assert.equal(`${statusName(outcome.code)} ${outcome.details}`, "OK " + outcome.details);
  assert.equal(outcome.responsesBeforeHeaders, 0, "headers come before messages");
  return outcome;
}

/**
 * All values of a name as one text. HTTP allows anyone on the way to join values by a comma;
 * gRPC therefore counts `a` and `b` equal to `a, b`.
 */
export function joined(metadata: Metadata, name: string): string {
  return (metadata.get(name) as (string | Buffer)[])
    .map((value) => typeof value === "string" ? value : value.toString("base64"))
    .join(", ");
}

/** Bytes that no compression and no mix-up of chunks leaves the same. */
export function noise(size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let state = 0x9e3779b9 ^ size;
  for (let i = 0; i < size; i++) {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d);
    state ^= state >>> 12;
    bytes[i] = state = (state + i) | 0;
  }
  return bytes;
}

/** `deepEqual` for large bytes, which does not print them. */
export function assertSameBytes(actual: Uint8Array | undefined, expected: Uint8Array): void {
  assert.equal(actual?.length, expected.length);
  const at = expected.findIndex((byte, i) => actual?.[i] !== byte);
  assert.equal(at, -1, `bytes differ from offset ${at} on`);
}
