/**
 * Call gRPC services through a hub, from a program of your own: all four kinds of call, with deadlines,
 * metadata, and errors that say where a call failed and whether it may have been carried out.
 *
 * ```ts
 * import { CallError, HubClient } from "@ghub/ghub/client";
 * import { runHub } from "@ghub/ghub/hub";
 *
 * // A hub of its own, to try it. Yours is at "hub.example:9090".
 * const here = { hostname: "127.0.0.1", port: 0 };
 * await using running = await runHub({ tunnelListen: here, callListen: here });
 *
 * await using hub = new HubClient({ address: running.callAddress });
 * const check = await hub.method("grpc.health.v1.Health/Check");
 * const { response, trailers } = await hub.unary(check, {}, { timeoutMs: 5_000 });
 * console.log(response, "from the", trailers.get("x-hub-hop")?.[0]);
 *
 * try {
 *   await hub.unary(check, {}, { server: "edge-1", timeoutMs: 5_000 });
 * } catch (error) {
 *   if (!(error instanceof CallError)) throw error;
 *   // NOT_FOUND from hub, not-delivered: Server "edge-1" was never here
 *   console.log(`${error.status} from ${error.hop}, ${error.delivery}: ${error.message}`);
 * }
 * ```
 *
 * Methods come from a service definition, as proto-loader and generators for grpc-js make them; a method
 * without any is asked for by its name, as above.
 *
 * @module
 */
export {
  type HubCallOptions,
  HubClient,
  type HubClientOptions,
  type HubClientTls,
  type HubReplies,
  type HubReply,
  type HubRequests,
} from "./library/hub_client.ts";
export { CallError, type CallErrorDetail } from "./library/call_error.ts";
export type { GivenMetadata, HubMetadata, HubMetadataValue } from "./library/metadata.ts";
export type { HubMethod, JsonMessage } from "./library/method.ts";
export type { Delivery, Hop } from "./call/delivery.ts";
export { Status, type StatusName } from "../shared/grpc/status.ts";
