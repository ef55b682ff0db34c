/**
 * Dials a hub as a server does.
 *
 * @module
 */
import { WebSocket } from "../../shared/bridge/ws.ts";
import { webSocketWire, type Wire } from "./wire.ts";

/** So often is a hub asked again that says it has too much to do. */
const MAX_TRIES = 100;

/** Opens a tunnel for a server of this name. */
export async function dialTunnel(uri: string, name: string): Promise<Wire> {
  for (let tries = 1;; tries++) {
    const answer = await dialOnce(uri, name);
    if ("wire" in answer) return answer.wire;
    const { status, retryAfterS } = answer;
    if (tries === MAX_TRIES || (status !== 429 && status !== 503)) {
      throw new Error(`Cannot open tunnel "${name}": ${uri} answers ${status}`);
    }
    await new Promise((resolve) => setTimeout(resolve, retryAfterS * 1000));
  }
}

function dialOnce(
  uri: string,
  name: string,
): Promise<{ wire: Wire } | { status: number; retryAfterS: number }> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(uri, "ghub.h2.v1", {
      headers: { "x-hub-meta-name": name, "x-hub-meta-instance": crypto.randomUUID() },
      perMessageDeflate: false,
    });
    socket.once("upgrade", ({ socket }) => socket.setNoDelay(true));
    const wire = webSocketWire(socket);
    socket.once("open", () => resolve({ wire }));
    socket.once("unexpected-response", (_request, { statusCode = 0, headers }) => {
      socket.terminate();
      resolve({ status: statusCode, retryAfterS: Number(headers["retry-after"] ?? 1) });
    });
    socket.on("error", reject); // After the opening, `close` tells.
  });
}
