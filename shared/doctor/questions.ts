/**
 * Questions of a doctor to whoever answers at a port: one over HTTP/1.1, one over gRPC.
 *
 * @module
 */
import type { Socket } from "node:net";
import { deadline } from "../async/deadline.ts";
import { formatHostPort } from "../cli/parse_host_port.ts";
import { CallMetadata } from "../grpc/call_metadata.ts";
import { root } from "../grpc/root.ts";
import { decodeMessage, encodeMessage, methodOf, methodPath } from "../grpc/service.ts";
import { Channel } from "../grpc_client/channel.ts";
import { duplexStream } from "../grpc_client/duplex_stream.ts";
import { type NetworkTarget, openTcp, openTls } from "./open.ts";

/** An answer takes no longer. */
const ANSWER_MS = 10_000;
/** What comes after that in an answer is not read. */
const MAX_ANSWER_BYTES = 16 << 10;
const HEALTH_CHECK = "grpc.health.v1.Health/Check";
const HEALTH = methodOf(root, HEALTH_CHECK)!;

/** Sends a request as it stands. @returns What comes until the other end closes, or is too long. */
export async function askHttp(target: NetworkTarget, request: string): Promise<string> {
  const socket: Socket = await openTls(target) ?? await openTcp(target);
  try {
    socket.write(request);
    return await deadline(readAnswer(socket), ANSWER_MS, {
      signal: target.signal,
      what: "answer over HTTP/1.1",
    });
  } finally {
    socket.destroy();
  }
}

async function readAnswer(socket: Socket): Promise<string> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of socket) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length >= MAX_ANSWER_BYTES) break;
  }
  return text;
}

/**
 * Asks a gRPC server for its health, without a credential.
 *
 * @returns Its answer, `SERVING` if all is well.
 * @throws {RpcError} If it answers with an error.
 */
export async function askHealth(target: NetworkTarget): Promise<string> {
  const socket: Socket = await openTls(target) ?? await openTcp(target);
  await using channel = new Channel(duplexStream(socket), {
    authority: formatHostPort(target.address),
    secure: target.tls !== undefined,
    maxMessageBytes: MAX_ANSWER_BYTES,
  });
  const { signal } = target;
  await deadline(channel.ready, ANSWER_MS, { signal, what: "first word of HTTP/2" });
  const call = channel.call({
    path: methodPath(HEALTH),
    metadata: new CallMetadata(),
    timeoutMs: ANSWER_MS,
    signal,
  });
  const send = async () => {
    await call.send(encodeMessage(HEALTH.resolvedRequestType!, {}));
    await call.endSending();
  };
  const receive = async () => {
    let first: Uint8Array | undefined;
    for await (const message of call.messages()) first ??= message.slice();
    return first;
  };
  const [bytes] = await Promise.all([receive(), send()]);
  const { error } = await call.ended;
  if (error !== undefined) throw error;
  if (bytes === undefined) throw new Error("An answer without a message");
  const { status = "UNKNOWN" } = decodeMessage<{ status?: string }>(
    HEALTH.resolvedResponseType!,
    bytes,
  );
  return status;
}
