/**
 * The one error of a gRPC call: code, message and details, and its form in trailers.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { encodeBase64 } from "../bytes/base64.ts";
import type {
  google_rpc_ErrorInfo as ErrorInfo,
  google_rpc_Status as RpcStatus,
} from "../gen/types.ts";
import { percentEncode } from "./percent.ts";
import { duration } from "./proto_time.ts";
import { root } from "./root.ts";
import { decodeMessage, encodeMessage } from "./service.ts";
import { Status, type StatusCode, statusName } from "./status.ts";

/** The trailer with a status and its details. */
export const DETAILS_FIELD = "grpc-status-details-bin";

const log = getLogger(["grpc"]);

/** Details beyond this many encoded bytes are left out: peers commonly refuse 8 KiB of headers. */
export const MAX_DETAILS_BYTES = 4096;
/** Longer messages are cut, for the same reason. */
export const MAX_MESSAGE_LENGTH = 1024;

/** A detail of a status: a message of `google.rpc` (or another known type) and its content. */
export interface Detail {
  /** Full name, such as `google.rpc.ErrorInfo`. */
  readonly type: string;
  /** The message as a plain object, or its bytes. */
  readonly value: object;
}

/** Metadata as it came, of whichever client: names are looked up without regard to case. */
export interface ReceivedMetadata {
  get(name: string): readonly (string | Uint8Array)[];
}

export interface RpcErrorOptions extends ErrorOptions {
  readonly details?: readonly Detail[];
  readonly metadata?: ReceivedMetadata;
}

/** A gRPC status other than OK. */
export class RpcError extends Error {
  override readonly name = "RpcError";
  readonly code: StatusCode;
  readonly details: readonly Detail[];
  /** The trailers that came with a received status, such as `x-hub-hop`. Never sent on. */
  readonly metadata: ReceivedMetadata | undefined;

  /** @throws {Error} If the type of a detail is not known: better here than when it is sent. */
  constructor(code: StatusCode, message: string, options: RpcErrorOptions = {}) {
    super(message, options);
    this.code = code;
    this.details = options.details ?? [];
    this.metadata = options.metadata;
    for (const { type, value } of this.details) {
      if (!(value instanceof Uint8Array)) root.lookupType(type);
    }
  }

  /** Any thrown value as an RpcError; what is none already becomes `INTERNAL`, without its stack. */
  static from(error: unknown): RpcError {
    if (error instanceof RpcError) return error;
    const message = error instanceof Error ? error.message : String(error);
    return new RpcError(Status.INTERNAL, message.replace(STACK, ""), { cause: error });
  }

  /** The encoded `google.rpc.Status`; none without details, or when they are too many to send. */
  encodeDetails(): Uint8Array | undefined {
    if (this.details.length === 0) return undefined;
    const message = shortMessage(this.message);
    try {
      const bytes = encodeStatus({ code: this.code, message, details: this.details });
      return bytes.length <= MAX_DETAILS_BYTES ? bytes : undefined;
    } catch (error) {
      // The status matters more than its details.
      log.error("Cannot encode the details of {status}: {error}", { status: String(this), error });
      return undefined;
    }
  }

  /** `grpc-status`, `grpc-message` and, with details, `grpc-status-details-bin`. */
  trailers(): [name: string, value: string][] {
    const message = shortMessage(this.message);
    const fields: [string, string][] = [["grpc-status", String(this.code)]];
    if (message !== "") fields.push(["grpc-message", percentEncode(message)]);
    const details = this.encodeDetails();
    if (details !== undefined) {
      fields.push([DETAILS_FIELD, encodeBase64(details)]);
    }
    return fields;
  }

  override toString(): string {
    return `${statusName(this.code)}: ${this.message}`;
  }
}

/** Some libraries put a stack into the message; it is nobody's business outside. */
const STACK = /\n[ \t]+at [^]*$/;

/** A message as it may be sent: not too long, and without half characters. */
export function shortMessage(message: string): string {
  return message.slice(0, MAX_MESSAGE_LENGTH).toWellFormed();
}

/** A `google.rpc.ErrorInfo` detail. */
export function errorInfo(
  reason: string,
  domain: string,
  metadata: ErrorInfo["metadata"] = {},
): Detail {
  return { type: "google.rpc.ErrorInfo", value: { reason, domain, metadata } };
}

/** A `google.rpc.RetryInfo` detail. */
export function retryInfo(delayMs: number): Detail {
  return { type: "google.rpc.RetryInfo", value: { retryDelay: duration(delayMs) } };
}

const TYPE_URL = "type.googleapis.com/";

/** Encodes a `google.rpc.Status`, as `grpc-status-details-bin` carries it. */
export function encodeStatus(
  status: { code: number; message: string; details: readonly Detail[] },
): Uint8Array {
  const details = status.details.map(({ type, value }) => ({
    type_url: TYPE_URL + type,
    value: value instanceof Uint8Array ? value : encodeMessage(root.lookupType(type), value),
  }));
  return encodeMessage(root.lookupType("google.rpc.Status"), { ...status, details });
}

/**
 * Decodes a `grpc-status-details-bin`. Details that cannot be decoded, of unknown types or not,
 * have their bytes as `value`.
 *
 * @throws {Error} If the bytes are no `google.rpc.Status`.
 */
export function decodeStatus(bytes: Uint8Array): {
  code: number;
  message: string;
  details: Detail[];
} {
  const status = decodeMessage<RpcStatus>(root.lookupType("google.rpc.Status"), bytes);
  const details = (status.details ?? []).map((any): Detail => {
    const { type_url: url = "", value = new Uint8Array() } = any;
    const type = url.slice(url.lastIndexOf("/") + 1);
    try {
      return { type, value: decodeMessage<object>(root.lookupType(`.${type}`), value) };
    } catch {
      return { type, value };
    }
  });
  return { code: status.code ?? 0, message: status.message ?? "", details };
}

/**
 * The details that a trailer carries; none if they cannot be read: a status must never be lost to them.
 *
 * @param value Of {@linkcode DETAILS_FIELD}; `undefined` if there is none.
 */
export function detailsIn(value: string | Uint8Array | undefined): Detail[] {
  if (!(value instanceof Uint8Array)) return [];
  try {
    return decodeStatus(value).details;
  } catch {
    return [];
  }
}
