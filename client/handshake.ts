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
import { Metadata } from "@grpc/grpc-js";
import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { closest } from "../shared/closest.ts";
import { type Detail, errorInfo, RpcError } from "../shared/grpc/rpc_error.ts";
import { Status, type StatusCode } from "../shared/grpc/status.ts";
import { safeJson } from "../shared/safe_json.ts";

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
 * Sends the request and waits for the answer. Bytes behind the answer stay in the socket.
 *
 * The socket must not have been read from. Its closing ends the wait; so whoever limits the
 * time of connecting must destroy it.
 *
 * @throws {RpcError} If the hub refuses, with its code; UNAVAILABLE if what answers is no hub.
 */
export async function shakeHands(socket: Socket, request: HandshakeRequest): Promise<void> {
  const { server, token } = request;
  socket.write(JSON.stringify({ version: VERSION, server, token }) + "\n");
  const refusal = parseAnswer(await readLine(socket), server);
  if (refusal !== undefined) throw refusal;
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
const ANSWERED_BY_HUB = Metadata.fromHttp2Headers({ "x-hub-hop": "hub", "x-hub-forwarded": "0" });

function foreign(line: string): RpcError {
  const shown = safeJson(line.slice(0, SHOWN_CHARACTERS));
  return new RpcError(
    Status.UNAVAILABLE,
    `What answers there does no JSON handshake: it sent ${shown}`,
  );
}

const NEWLINE = 10;

function readLine(socket: Socket): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let read = Buffer.alloc(0);
  const stop = () => {
    socket.off("readable", onReadable).off("end", onEnd).off("close", onEnd).off("error", onError);
  };
  const onReadable = () => {
    for (let chunk = socket.read(); chunk !== null; chunk = socket.read()) {
      read = Buffer.concat([read, chunk]);
      const end = read.indexOf(NEWLINE);
      if (end >= 0) {
        // First: `unshift` makes the socket readable again, at once.
        stop();
        const rest = read.subarray(end + 1);
        // What comes after the line is HTTP/2 of the server.
        if (rest.length > 0) socket.unshift(rest);
        return resolve(read.toString("utf8", 0, end));
      }
      if (read.length > MAX_ANSWER_BYTES) return onError(foreign(read.toString("latin1")));
    }
  };
  const onError = (error: Error) => {
    stop();
    reject(error);
  };
  const onEnd = () => {
    onError(
      read.length > 0 ? foreign(read.toString("latin1")) : new RpcError(
        Status.UNAVAILABLE,
        "The connection was closed before the handshake's answer",
      ),
    );
  };
  socket.on("readable", onReadable).on("end", onEnd).on("close", onEnd).on("error", onError);
  return promise;
}
