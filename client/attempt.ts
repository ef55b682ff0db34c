/**
 * One try of a call: connect, call, hand over the responses.
 *
 * @module
 */
import { Metadata } from "@grpc/grpc-js";
import { Buffer } from "node:buffer";
import type protobuf from "protobufjs";
import { formatHostPort, type HostPort } from "../shared/cli/parse_host_port.ts";
import type { Output } from "../shared/cli/program.ts";
import { RpcError } from "../shared/grpc/rpc_error.ts";
import { methodPath } from "../shared/grpc/service.ts";
import { Status, statusName } from "../shared/grpc/status.ts";
import { type Call, startCall } from "./call.ts";
import { Channel } from "./channel.ts";
import type { Header } from "./connection_options.ts";
import type { TlsSettings } from "./hub_credentials.ts";
import { printable } from "../shared/printable.ts";

/** What a try needs; the same for each. */
export interface CallPlan {
  readonly method: protobuf.Method;
  readonly requests: readonly protobuf.Message[];
  readonly address: HostPort;
  readonly tls: TlsSettings | undefined;
  readonly server: string | undefined;
  readonly token: string | undefined;
  /** Through the JSON handshake instead of by metadata. */
  readonly raw: boolean;
  /** The hub waits so long for the server; 0 for not at all. */
  readonly waitForServerMs: number;
  readonly headers: readonly Header[];
  /** `Date.now()` at which all must have ended. */
  readonly deadline: number;
  readonly connectTimeoutMs: number;
  readonly signal: AbortSignal;
  /** Gets a trace, if anybody wants it. */
  readonly trace: Output | undefined;
}

/** How far a try got: somebody who ends it wants to know what may have happened. */
export interface Stage {
  /** There is a connection. */
  connected: boolean;
  /** The call went out on it, or a part of it. */
  sent: boolean;
}

/** How a try ended. */
export interface Attempt {
  /** Absent for OK. */
  readonly error?: RpcError;
  /** Was there ever a connection? */
  readonly connected: boolean;
  /** Did the peer leave without looking at the call? */
  readonly refused: boolean;
  readonly headers: Metadata | undefined;
  readonly trailers: Metadata | undefined;
}

/**
 * @param take Gets each response; the next one is asked for when it is done.
 * @param stage Is kept up to date, also when the try throws.
 * @throws `signal.reason`, when that fired, and what `take` throws. A failed call is no exception.
 */
export async function attemptCall(
  plan: CallPlan,
  take: (message: protobuf.Message, call: Call) => Promise<void>,
  stage: Stage = { connected: false, sent: false },
): Promise<Attempt> {
  const { method, requests, deadline, signal } = plan;
  const trace = async (line: string) => await plan.trace?.write(`${printable(line)}\n`);
  const handshake = plan.raw ? { server: plan.server, token: plan.token } : undefined;
  using channel = new Channel(plan.address, { tls: plan.tls, handshake });
  let connected = false;
  let call: Call | undefined;
  try {
    const start = performance.now();
    connected = await channel.connect({ timeoutMs: plan.connectTimeoutMs, deadline, signal });
    const ms = Math.round(performance.now() - start);
    const how = `${plan.tls ? "TLS" : "plaintext"}${plan.raw ? ", raw" : ""}`;
    const to = formatHostPort(plan.address);
    await trace(
      connected ? `* connected to ${to} in ${ms} ms (${how})` : `* no connection to ${to}`,
    );
    stage.connected = connected;
    if (channel.leaving) throw refusal(plan);
    const metadata = requestMetadata(plan);
    await trace(`> ${methodPath(method)}${deadlineText(deadline)}`);
    for (const line of metadataLines(metadata)) await trace(`> ${line}`);
    stage.sent = connected;
    call = startCall(channel.client, { method, requests, metadata, deadline, signal });
    for await (const message of call.responses) await take(message, call);
    await traceEnd(trace, call, "OK");
    return { connected, refused: false, headers: call.headers, trailers: call.trailers };
  } catch (error) {
    if (signal.aborted || !(error instanceof RpcError)) throw error;
    await traceEnd(trace, call, statusName(error.code));
    const trailers = error.metadata ?? call?.trailers;
    const refused = connected && (call === undefined ? channel.leaving : channel.refused);
    return {
      error: refused && error.code === Status.UNAVAILABLE ? refusal(plan) : readable(error),
      connected,
      refused,
      headers: call?.headers,
      trailers,
    };
  }
}

function requestMetadata(plan: CallPlan): Metadata {
  const { raw, server, token, waitForServerMs, headers } = plan;
  const metadata = new Metadata();
  if (!raw) {
    // In raw mode both stood in the handshake: the server must never see the hub's token.
    if (server !== undefined) metadata.set("x-hub-server", server);
    if (token !== undefined) metadata.set("authorization", `Bearer ${token}`);
    if (waitForServerMs > 0) metadata.set("x-hub-wait", `${Math.ceil(waitForServerMs)}ms`);
  }
  for (const { key, value } of headers) {
    metadata.add(key, key.endsWith("-bin") ? Buffer.from(value, "base64") : value);
  }
  return metadata;
}

/** In raw mode the peer is the server. */
function refusal({ raw }: CallPlan): RpcError {
  const peer = raw ? "server" : "hub";
  return new RpcError(
    Status.UNAVAILABLE,
    `The ${peer} is shutting down: it did not take the call`,
  );
}

/** grpc-js wraps the reason of a failed connection in words for developers. */
const NO_CONNECTION = /^No connection established\. Last error: (.*)$/s;
const ADDENDA = / ?(?:\(\d{4}-\d\d-\d\dT[\d:.]+Z\)|\. Resolution note: .*$|Resolution note: .*$)/gs;

/** It also puts the times of its own steps behind this. */
const DEADLINE = /^(Deadline exceeded after [\d.]+s),.*$/s;

function readable(error: RpcError): RpcError {
  if (error.code === Status.DEADLINE_EXCEEDED && DEADLINE.test(error.message)) {
    const { metadata } = error;
    return new RpcError(error.code, error.message.replace(DEADLINE, "$1"), {
      ...(metadata !== undefined && { metadata }),
      cause: error,
    });
  }
  const [, reason] = NO_CONNECTION.exec(error.message) ?? [];
  if (reason === undefined || error.code !== Status.UNAVAILABLE) return error;
  const message = `Cannot connect: ${
    reason.replace(ADDENDA, "").replace(/^(?:\w*Error: )+/, "").trim() ||
    "the connection was closed"
  }`;
  return new RpcError(error.code, message, { cause: error });
}

function deadlineText(deadline: number): string {
  return deadline === Infinity ? " without deadline" : ` deadline ${deadline - Date.now()} ms`;
}

async function traceEnd(
  trace: (line: string) => Promise<void>,
  call: Call | undefined,
  status: string,
): Promise<void> {
  for (const line of metadataLines(call?.headers)) await trace(`< ${line}`);
  for (const line of metadataLines(call?.trailers)) await trace(`< (trailer) ${line}`);
  await trace(`< ${status}`);
}

/** `key: value` lines, without what must not be seen. */
function metadataLines(metadata: Metadata | undefined): string[] {
  return Object.keys(metadata?.getMap() ?? {}).flatMap((key) =>
    metadata!.get(key).map((value) => {
      if (key === "authorization") return `${key}: (not shown)`;
      return `${key}: ${typeof value === "string" ? value : value.toString("base64")}`;
    })
  );
}
