/**
 * The hub's first call on a tunnel: it tells the server who it is, and what it expects
 * (docs/protocol.md §6). A server that does not know the call is a good server all the same.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { ghub_v1_WelcomeRequest as WelcomeRequest } from "../../shared/gen/types.ts";
import { root } from "../../shared/grpc/root.ts";
import { encodeMessage } from "../../shared/grpc/service.ts";
import { Status, statusName } from "../../shared/grpc/status.ts";
import { ClientCall } from "../../shared/grpc_client/client_call.ts";
import type { CallTarget } from "../peer/call_target.ts";

/** A server that says nothing by then is not asked again. */
const WELCOME_TIMEOUT_MS = 10_000;
/** Its answer is not looked at; a longer one is no answer. */
const MAX_ANSWER_BYTES = 64 << 10;

/** What the hub itself has open on a tunnel, and gives up when the tunnel drains. */
export interface OwnCall {
  cancel(): void;
}

/** Where it is noted while it is open. */
export interface Welcomed extends CallTarget {
  ownCall: OwnCall | undefined;
}

/** Makes it, and resolves when it has ended. The answer is only logged. */
export async function welcome(
  upstream: Welcomed,
  request: WelcomeRequest,
  { timeoutMs = WELCOME_TIMEOUT_MS }: { readonly timeoutMs?: number } = {},
): Promise<void> {
  const { connection } = upstream.side;
  if (!connection.canRequest) return;
  const call = new ClientCall({ path: "/ghub.v1.Tunnel/Welcome", timeoutMs }, {
    connection,
    head: { authority: upstream.name, scheme: "http", userAgent: "" },
    maxMessageBytes: MAX_ANSWER_BYTES,
  });
  // A server that takes less metadata than this is not disturbed: the call is refused here.
  call.start();
  upstream.ownCall = call;
  await call.send(encodeMessage(root.lookupType("ghub.v1.WelcomeRequest"), request));
  await call.endSending();
  const { error } = await call.ended;
  upstream.ownCall = undefined;
  // What the server did not say itself is no news: it is silent, or the tunnel drains or is gone.
  if (error === undefined || call.trailers === undefined) return;
  if (error.code === Status.UNIMPLEMENTED) return;
  getLogger(["hub", "welcome"]).info('Server "{server}" answered Welcome with {status}: {text}', {
    server: upstream.name,
    status: statusName(error.code),
    text: error.message,
  });
}
