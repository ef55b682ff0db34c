/**
 * The last header section of an answer: the status, and what goes with it.
 *
 *     Response      → Response-Headers *Length-Prefixed-Message Trailers / Trailers-Only
 *     Trailers-Only → HTTP-Status Content-Type Trailers
 *
 * @see https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#responses
 * @module
 */
import { CallMetadata } from "../grpc/call_metadata.ts";
import { DETAILS_FIELD, type RpcError } from "../grpc/rpc_error.ts";
import { type Field, type HeaderList, headerListBytes } from "../http2/header_list.ts";
import { encodeHeaderList } from "../http2/hpack/encoder.ts";

/** What each answer of gRPC begins with. */
export const ANSWER_HEAD: readonly Field[] = [
  [":status", "200"],
  ["content-type", "application/grpc"],
];

const OK: readonly Field[] = [["grpc-status", "0"]];
const NONE = new CallMetadata();

export interface EndingOptions {
  /** Whether nothing was sent before. */
  readonly trailersOnly: boolean;
  /** The largest header list that the caller takes: some end the connection for a larger one. */
  readonly maxListBytes: number;
  /** What else the caller shall find. @default nothing */
  readonly trailers?: CallMetadata;
}

/**
 * Encodes it.
 *
 * @param error Absent for OK.
 */
export function endingBlock(error: RpcError | undefined, options: EndingOptions): Uint8Array {
  const { trailersOnly, maxListBytes, trailers = NONE } = options;
  const status: HeaderList = error?.trailers() ?? OK;
  const hasDetails = status.some(([name]) => name === DETAILS_FIELD);
  const more = trailers.fields().filter(([name]) => !(hasDetails && name === DETAILS_FIELD));
  const all: HeaderList = [...status, ...more];
  // What can be done without comes last; the status itself always goes.
  for (let kept = all.length;; kept--) {
    const fields = [...(trailersOnly ? ANSWER_HEAD : []), ...all.slice(0, kept)];
    if (kept === 1 || headerListBytes(fields) <= maxListBytes) return encodeHeaderList(fields);
  }
}
