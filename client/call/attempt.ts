/**
 * One try of a call: connect, call, hand over the responses; of several hubs, at one after the other.
 *
 * @module
 */
import type protobuf from "protobufjs";
import { formatHostPort, type HostPort } from "../../shared/cli/parse_host_port.ts";
import type { Output } from "../../shared/cli/program.ts";
import { encodeBase64 } from "../../shared/bytes/base64.ts";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { methodPath } from "../../shared/grpc/service.ts";
import { Status, statusName } from "../../shared/grpc/status.ts";
import type { Channel, Goaway } from "../../shared/grpc_client/channel.ts";
import { goawayText } from "../../shared/grpc_client/failures.ts";
import { CallMetadata } from "../../shared/grpc/call_metadata.ts";
import { printable } from "../../shared/text/printable.ts";
import { type Call, calledMethod, messageTypes, type Requests, startCall } from "./call.ts";
import type { MissedHub } from "./failure.ts";
import { isServerAway, mayAskNext, mostTelling } from "./hub_turn.ts";
import { Times } from "./times.ts";
import { type Header, isSecretKey } from "../connect/headers.ts";
import { dial } from "../connect/dial.ts";
import type { SharedChannel } from "../connect/shared_channel.ts";
import type { TlsSettings } from "../connect/tls_settings.ts";
import { LoginError } from "../login/login_error.ts";

/** How one hub is reached. */
export interface HubAddress {
  readonly address: HostPort;
  readonly tls: TlsSettings | undefined;
  /** Absent: straight to the address. */
  readonly proxy: URL | undefined;
  /** Gives a connection that others use too. @default one of this call's own */
  readonly shared?: SharedChannel | undefined;
}

/** What a try needs; the same for each. */
export interface CallPlan extends HubAddress {
  readonly method: protobuf.Method;
  /** All of them, or a stream that gives them as they come. */
  readonly requests: readonly protobuf.Message[] | AsyncIterable<protobuf.Message>;
  /** Asked in turn when the first one does not take the call: see hub_turn.ts. @default none */
  readonly otherHubs?: readonly HubAddress[];
  readonly server: string | undefined;
  readonly token: string | undefined;
  /** Gives the token as it is now, where one is renewed in time. @default `token` */
  readonly freshToken?: (() => Promise<string>) | undefined;
  /** Through the JSON handshake instead of by metadata. */
  readonly raw: boolean;
  /** How long the hub waits for the server; 0 for not at all. */
  readonly waitForServerMs: number;
  readonly headers: readonly Header[];
  /** `Date.now()` at which all must have ended. */
  readonly deadline: number;
  readonly connectTimeoutMs: number;
  readonly signal: AbortSignal;
  /** Gets a trace, if anybody wants it. */
  readonly trace: Output | undefined;
  /** Gets a line when a hub is away, if anybody wants it. @default nobody */
  readonly warnings?: Pick<Output, "write"> | undefined;
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
  readonly headers: CallMetadata | undefined;
  readonly trailers: CallMetadata | undefined;
  /** The hub that answered, or that counts: see hub_turn.ts. */
  readonly hub?: HubAddress;
  /** The others, if there are any. @default none */
  readonly missed?: readonly MissedHub[];
}

/** A server that is waited for may come to any hub: none of several is asked to wait longer. */
const WAIT_SLICE_MS = 5_000;

/**
 * One try: at the first hub, and at the next ones as long as the call was certainly not delivered.
 *
 * @param take Gets each response; the next one is asked for when it is done.
 * @param stage Is kept up to date, also when the try throws.
 * @throws `signal.reason`, when that fired, and what `take` throws. A failed call is no exception.
 */
export async function attemptCall(
  plan: CallPlan,
  take: (message: protobuf.Message, call: Call) => Promise<void>,
  stage: Stage = { connected: false, sent: false },
): Promise<Attempt> {
  const { otherHubs = [], waitForServerMs, deadline } = plan;
  if (otherHubs.length === 0) return await attemptAt(plan, take, stage);
  const waitUntilMs = Date.now() + waitForServerMs;
  // First each hub is asked whether the server is there; then they wait for it in turns.
  for (let waitMs = 0;;) {
    const attempt = await attemptInTurn({ ...plan, waitForServerMs: waitMs }, take, stage);
    const { error } = attempt;
    const leftMs = Math.min(waitUntilMs, deadline) - Date.now();
    if (error === undefined || !isServerAway(error, attempt) || leftMs <= 0) return attempt;
    waitMs = Math.min(leftMs, WAIT_SLICE_MS);
  }
}

async function attemptInTurn(
  plan: CallPlan,
  take: Parameters<typeof attemptCall>[1],
  stage: Stage,
): Promise<Attempt> {
  const hubs: readonly HubAddress[] = [plan, ...plan.otherHubs ?? []];
  const missed: (MissedHub & { readonly attempt: Attempt })[] = [];
  for (const [i, { address, tls, proxy, shared }] of hubs.entries()) {
    Object.assign(stage, { connected: false, sent: false });
    const hub = { address, tls, proxy, shared };
    const attempt = { ...await attemptAt({ ...plan, ...hub }, take, stage), hub };
    const { error, connected, refused } = attempt;
    const way = { connected, refused };
    // What was read of a stream cannot be read once more.
    const isBegun = stage.sent && Symbol.asyncIterator in plan.requests;
    if (error === undefined || isBegun || !mayAskNext(error, way)) return { ...attempt, missed };
    const name = formatHostPort(address);
    missed.push({ address: name, error, way, attempt });
    const next = hubs[i + 1];
    if (next === undefined || Date.now() >= plan.deadline) break;
    const text = `${name}: ${error.message}; asking ${formatHostPort(next.address)}`;
    // A server without a tunnel there is no news: it holds a few of the hubs.
    if (isServerAway(error, way)) await plan.trace?.write(`* ${printable(text)}\n`);
    else await plan.warnings?.write(`warning: ${printable(text)}\n`);
  }
  const most = mostTelling(missed)!;
  return { ...most.attempt, missed: missed.filter((one) => one !== most) };
}

/** One try at one hub. */
async function attemptAt(
  plan: CallPlan,
  take: Parameters<typeof attemptCall>[1],
  stage: Stage,
): Promise<Attempt> {
  const { method, address, deadline, signal, tls, proxy, raw } = plan;
  const trace = async (line: string) => await plan.trace?.write(`${printable(line)}\n`);
  const requests = encode(plan);
  const to = formatHostPort(address);
  const times = plan.trace && new Times();
  let channel: Channel | undefined;
  let call: Call | undefined;
  try {
    const start = performance.now();
    const token = await tokenOf(plan);
    const handshake = raw ? { server: plan.server, token } : undefined;
    const timeoutMs = plan.connectTimeoutMs;
    channel = await (plan.shared?.get(times?.step) ??
      dial(address, { tls, proxy, handshake, timeoutMs, deadline, signal, onStep: times?.step }));
    stage.connected = true;
    const ms = Math.round(performance.now() - start);
    const how = [tls ? "TLS" : "plaintext", raw ? "raw" : "", proxy ? `through ${proxy.host}` : ""];
    await trace(`* connected to ${to} in ${ms} ms (${how.filter((word) => word).join(", ")})`);
    const metadata = requestMetadata({ ...plan, token });
    await trace(`> ${methodPath(method)}${deadlineText(deadline)}`);
    const hidden = plan.headers.filter((header) => header.hidden).map(({ key }) => key);
    for (const line of metadataLines(metadata, hidden)) await trace(`> ${line}`);
    stage.sent = true;
    const left = deadline - Date.now();
    const called = calledMethod(method);
    times?.sent();
    call = startCall(channel, { method: called, requests, metadata, timeoutMs: left, signal });
    for await (const message of call.responses) {
      times?.answered();
      await take(message, call);
    }
    await traceEnd(trace, call, "OK", times);
    return { connected: true, refused: false, headers: call.headers, trailers: call.trailers };
  } catch (error) {
    if (signal.aborted || !(error instanceof RpcError)) throw error;
    if (channel === undefined) await trace(`* no connection to ${to}`);
    await traceEnd(trace, call, statusName(error.code), times);
    const refused = call?.refused ?? false;
    const goaway = refused && error.code === Status.UNAVAILABLE ? channel?.goaway : undefined;
    return {
      error: goaway === undefined ? error : refusal(plan, goaway),
      connected: channel !== undefined,
      refused,
      headers: call?.headers,
      trailers: call?.trailers,
    };
  } finally {
    if (plan.shared === undefined) await channel?.[Symbol.asyncDispose]();
  }
}

/** Requests that are all there become bytes before anything goes out: what cannot be written must be nobody's call. */
function encode({ method, requests }: CallPlan): Requests {
  const { request: type } = messageTypes(method);
  const bytes = (request: protobuf.Message) => {
    try {
      return type.encode(request).finish();
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new Error(`Cannot write the request, so it was not sent: ${why}`, { cause: error });
    }
  };
  return Symbol.asyncIterator in requests ? encodeEach(requests, bytes) : requests.map(bytes);
}

async function* encodeEach(
  requests: AsyncIterable<protobuf.Message>,
  bytes: (request: protobuf.Message) => Uint8Array,
): AsyncGenerator<Uint8Array> {
  for await (const request of requests) yield bytes(request);
}

/**
 * The token for a call that begins now.
 *
 * @throws {RpcError} If a login has none any more: nothing was sent.
 */
export async function tokenOf(
  { token, freshToken }: Pick<CallPlan, "token" | "freshToken">,
): Promise<string | undefined> {
  if (freshToken === undefined) return token;
  try {
    return await freshToken();
  } catch (cause) {
    if (!(cause instanceof LoginError)) throw cause;
    const code = cause.reason === "unreachable" ? Status.UNAVAILABLE : Status.UNAUTHENTICATED;
    throw new RpcError(code, cause.message, { cause });
  }
}

function requestMetadata(plan: CallPlan): CallMetadata {
  const { raw, server, token, waitForServerMs, headers } = plan;
  const metadata = new CallMetadata();
  if (!raw) {
    // In raw mode both stood in the handshake: the server must never see the hub's token.
    if (server !== undefined) metadata.add("x-hub-server", server);
    if (token !== undefined) metadata.add("authorization", `Bearer ${token}`);
    if (waitForServerMs > 0) metadata.add("x-hub-wait", `${Math.ceil(waitForServerMs)}ms`);
  }
  for (const { key, value } of headers) {
    metadata.add(key, key.endsWith("-bin") ? decodeBase64(value) : value);
  }
  return metadata;
}

function decodeBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

/** In raw mode the peer is the server. */
function refusal({ raw }: CallPlan, { code, debug }: Goaway): RpcError {
  const peer = raw ? "server" : "hub";
  const message = code === 0
    ? `The ${peer} is shutting down${debug === "" ? "" : ` ("${debug}")`}`
    : `The other side ended the connection with ${goawayText(code, debug)}`;
  return new RpcError(Status.UNAVAILABLE, `${message}: it did not take the call`);
}

function deadlineText(deadline: number): string {
  return deadline === Infinity ? " without deadline" : ` deadline ${deadline - Date.now()} ms`;
}

async function traceEnd(
  trace: (line: string) => Promise<void>,
  call: Call | undefined,
  status: string,
  times: Times | undefined,
): Promise<void> {
  for (const line of metadataLines(call?.headers)) await trace(`< ${line}`);
  for (const line of metadataLines(call?.trailers)) await trace(`< (trailer) ${line}`);
  await trace(`< ${status}`);
  for (const line of times?.lines() ?? []) await trace(line);
}

/** `key: value` lines, without what must not be seen. */
function metadataLines(
  metadata: CallMetadata | undefined,
  hidden: readonly string[] = [],
): string[] {
  return metadata?.keys().flatMap((key) =>
    metadata.get(key).map((value) => {
      if (isSecretKey(key) || hidden.includes(key)) return `${key}: (not shown)`;
      return `${key}: ${typeof value === "string" ? value : encodeBase64(value)}`;
    })
  ) ?? [];
}
