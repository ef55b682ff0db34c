/**
 * The JSON handshake of raw mode: one line each way on a fresh connection to the hub, then the
 * connection belongs to the server (docs/protocol.md, "Raw mode").
 *
 *     → {"version":1,"server":"edge-1","token":"…"}
 *     ← {"ok":true,"server":"edge-1","tunnel":"…"}
 *     ← {"ok":false,"code":"NOT_FOUND","message":"…","servers":["edge-1"]}
 *
 * @module
 */
import { closest } from "../../shared/text/closest.ts";
import { type Detail, errorInfo, RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status, type StatusCode } from "../../shared/grpc/status.ts";
import type { ByteStream } from "../../shared/grpc_client/byte_stream.ts";
import { CallMetadata } from "../../shared/grpc/call_metadata.ts";
import { safeJson } from "../../shared/text/safe_json.ts";

/** What raw mode asks of the hub. */
export interface HandshakeRequest {
  /** Absent: the hub takes its only server. */
  readonly server?: string | undefined;
  /** Absent: the hub knows the caller otherwise, or accepts anybody. */
  readonly token?: string | undefined;
}

/** The wire's revision. */
const VERSION = 1;

/** A longer answer is not the hub's. */
export const MAX_ANSWER_BYTES = 64 * 1024;

/** How much of a foreign answer an error shows. */
const SHOWN_CHARACTERS = 60;

/**
 * Sends the request and waits for the answer.
 *
 * The stream must not have been read from. Its closing ends the wait; so whoever limits the time of
 * connecting must close it.
 *
 * @returns The stream as it goes on: what came after the answer is HTTP/2 of the server.
 * @throws {RpcError} If the hub refuses, with its code; UNAVAILABLE if what answers is no hub.
 */
export async function shakeHands(
  stream: ByteStream,
  request: HandshakeRequest,
): Promise<ByteStream> {
  const { server, token } = request;
  const line = JSON.stringify({ version: VERSION, server, token }) + "\n";
  await stream.write(new TextEncoder().encode(line));
  const { line: answer, rest } = await readLine(stream);
  const refusal = parseAnswer(answer, server);
  if (refusal !== undefined) throw refusal;
  return rest.length === 0 ? stream : after(rest, stream);
}

/**
 * The refusal in an answer; `undefined` when the hub agreed.
 *
 * @param server The name that was asked for.
 */
export function parseAnswer(line: string, server = ""): RpcError | undefined {
  let answer: Record<string, unknown>;
  try {
    answer = Object(JSON.parse(line));
  } catch {
    throw foreign(line);
  }
  if (answer["ok"] === true) return undefined;
  if (answer["ok"] !== false) throw foreign(line);
  const { code, message, servers } = answer;
  const name = String(code);
  const number: StatusCode = Object.hasOwn(Status, name)
    ? Status[name as keyof typeof Status]
    : Status.UNKNOWN;
  const reason = REASONS[name];
  const names = Array.isArray(servers) ? servers.map(String) : [];
  const details: Detail[] = reason === undefined ? [] : [
    errorInfo(reason, "ghub", {
      servers: names.join(","),
      nearest: closest(server, names) ?? "",
    }),
  ];
  return new RpcError(number === Status.OK ? Status.UNKNOWN : number, String(message ?? code), {
    details,
    metadata: ANSWERED_BY_HUB,
  });
}

/** What a routed call's error would have as its reason, where a refusal has `servers`. */
const REASONS: Readonly<Record<string, string>> = {
  NOT_FOUND: "SERVER_NOT_FOUND",
  INVALID_ARGUMENT: "SERVER_NOT_NAMED",
};

/** And these as its trailers. */
const ANSWERED_BY_HUB = CallMetadata.received([["x-hub-hop", "hub"], ["x-hub-forwarded", "0"]]);

function foreign(line: string): RpcError {
  const shown = safeJson(line.slice(0, SHOWN_CHARACTERS));
  return new RpcError(
    Status.UNAVAILABLE,
    `What answers there does no JSON handshake: it sent ${shown}`,
  );
}

const NEWLINE = 10;

async function readLine(
  stream: ByteStream,
): Promise<{ readonly line: string; readonly rest: Uint8Array }> {
  let read = new Uint8Array();
  for (;;) {
    const bytes = await stream.read();
    if (bytes === undefined) {
      if (read.length > 0) throw foreign(latin1(read));
      throw new RpcError(
        Status.UNAVAILABLE,
        "The connection was closed before the handshake's answer",
      );
    }
    const grown = new Uint8Array(read.length + bytes.length);
    grown.set(read);
    grown.set(bytes, read.length);
    read = grown;
    const end = read.indexOf(NEWLINE);
    if (end >= 0) {
      return {
        line: new TextDecoder().decode(read.subarray(0, end)),
        rest: read.subarray(end + 1),
      };
    }
    if (read.length > MAX_ANSWER_BYTES) throw foreign(latin1(read));
  }
}

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes.subarray(0, SHOWN_CHARACTERS));
}

/** A stream with bytes of it that were read already. */
function after(first: Uint8Array, stream: ByteStream): ByteStream {
  let left: Uint8Array | undefined = first;
  return {
    read() {
      const bytes = left;
      left = undefined;
      return bytes === undefined ? stream.read() : Promise.resolve(bytes);
    },
    write: (bytes) => stream.write(bytes),
    close: () => stream.close(),
  };
}
