/**
 * A call that this hub itself makes of another one, in the name of an operator: the other hub shows
 * only what that operator may see there.
 *
 * @module
 */
import { CallMetadata } from "../../shared/grpc/call_metadata.ts";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import { root } from "../../shared/grpc/root.ts";
import { decodeMessage, encodeMessage } from "../../shared/grpc/service.ts";
import { ClientCall } from "../../shared/grpc_client/client_call.ts";
import { peerFields } from "../access/peer_fields.ts";
import type { OpenLink } from "./open_link.ts";

/** The longest message of another hub: a page of servers has less than 1 MiB. */
const MAX_PEER_MESSAGE_BYTES = 2 << 20;

export interface PeerCallOptions {
  /** In whose name. */
  readonly operator: string;
  /** Of `ghub.v1.Hub`. */
  readonly method: "ListServers" | "WatchActivity";
  readonly signal: AbortSignal;
  /** @default no limit */
  readonly timeoutMs?: number;
}

/**
 * The answers of another hub, about itself alone.
 *
 * @throws {RpcError} Why it did not answer, or no further.
 */
export async function* callPeer<Req extends object, Res extends object>(
  link: Pick<OpenLink, "hub" | "side">,
  request: Req,
  { operator, method, signal, timeoutMs = Infinity }: PeerCallOptions,
): AsyncGenerator<Res, void, undefined> {
  const { connection } = link.side;
  if (!connection.canRequest) {
    throw new RpcError(Status.UNAVAILABLE, "The link takes no more calls");
  }
  const service = root.lookupService("ghub.v1.Hub");
  const { requestType, responseType } = service.methods[method]!;
  const call = new ClientCall({
    path: `/ghub.v1.Hub/${method}`,
    metadata: CallMetadata.received(peerFields({ name: operator, how: "token" })),
    signal,
    timeoutMs,
  }, {
    connection,
    head: { authority: "hub", scheme: "https", userAgent: "" },
    maxMessageBytes: MAX_PEER_MESSAGE_BYTES,
  });
  call.start();
  const message = encodeMessage(service.parent!.lookupType(requestType), request);
  await call.send(message);
  await call.endSending();
  const type = service.parent!.lookupType(responseType);
  for await (const bytes of call.messages()) yield decodeMessage<Res>(type, bytes);
  const { error } = await call.ended;
  if (error !== undefined) throw error;
}
