/**
 * `ghub.v1.Tunnel`: what the hub asks of a server, on the server's own tunnel.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { Duplex } from "node:stream";
import type {
  ghub_v1_Chunk as Chunk,
  ghub_v1_WelcomeRequest as WelcomeRequest,
  ghub_v1_WelcomeResponse as WelcomeResponse,
  google_protobuf_Duration as Duration,
} from "../../shared/gen/types.ts";
import { bidi, type CallContext, type Handlers, unary } from "../../shared/grpc/handlers.ts";
import { durationMs } from "../../shared/grpc/proto_time.ts";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import { OPERATOR_FIELD, VOUCHER_FIELD } from "../../shared/vouchers/voucher.ts";
import { FairShare } from "../../shared/async/fair_share.ts";
import { VERSION } from "../../shared/version.ts";
import type { TunnelGrpcServer } from "./grpc_server.ts";
import { connectLocal, pumpChunks } from "./raw_connection.ts";
import { rawOrigin } from "./origin.ts";
import { untrusted } from "../policy/errors.ts";
import type { Guard } from "../policy/guard.ts";
import { namedJudge, withToken } from "../policy/call_judge.ts";
import { RawUpstream } from "./raw_upstream.ts";
import type { ServerTunnel } from "../tunnel/tunnel.ts";
import type { ExposedUpstream } from "../upstream/upstream.ts";
import { dialUpstream } from "../upstream/upstream_dial.ts";

const log = getLogger(["server", "tunnel"]);

/** A hub cannot make a server ping more often, or wait longer, than these. */
const PING_INTERVAL_MS = [100, 300_000] as const;
const DEAD_AFTER_MS = [300, 900_000] as const;
const RECONNECT_SPREAD_MS = [0, 600_000] as const;
/** Raw connections at one time, shared by the operators; each may hold buffers and a socket. */
export const MAX_RAW_CONNECTIONS = 1_000;

/** Which upstream a raw connection is for; without it, this process's own services. */
const UPSTREAM_FIELD = "x-hub-upstream";

/** Options of {@linkcode tunnelService}. */
export interface TunnelServiceOptions {
  readonly grpc: TunnelGrpcServer;
  readonly upstreams: readonly ExposedUpstream[];
  /** The server's own policy, if it has one. */
  readonly guard?: Guard | undefined;
  /** The tunnel of that id, as `context.peer` names it. */
  readonly tunnel: (id: string) => ServerTunnel | undefined;
}

export function tunnelService(options: TunnelServiceOptions): Handlers {
  const { grpc, upstreams, guard, tunnel } = options;
  const places = new FairShare(MAX_RAW_CONNECTIONS);

  /** Who opens a raw connection, as far as the policy wants to know it. */
  function guardedBy({ peer, metadata }: CallContext) {
    if (guard === undefined) return undefined;
    const caller = tunnel(peer)?.vouchers?.read(metadata.get(VOUCHER_FIELD)[0]?.toString()) ??
      untrusted("The tunnel is gone");
    if (caller instanceof RpcError) throw caller;
    return { guard, caller };
  }

  async function openFar(context: CallContext): Promise<Duplex> {
    const guarded = guardedBy(context);
    const name = context.metadata.get(UPSTREAM_FIELD)[0]?.toString();
    if (name === undefined) {
      const refusal = guarded?.guard.rawRefusal(guarded.caller);
      if (refusal !== undefined) throw refusal;
      const operator = guarded?.caller.operator ?? operatorOf(context);
      return connectLocal(grpc, rawOrigin(operator, guarded));
    }
    const operator = guarded?.caller.operator ?? operatorOf(context);
    if (guarded === undefined) return await dialFar(name, operator);
    // Nobody here sees what is called in it.
    const recheck = () => guarded.guard.refusal(guarded.caller, { upstream: name });
    const refusal = recheck();
    if (refusal !== undefined) throw refusal;
    const far = await dialFar(name, operator);
    const kept = guarded.guard.keep({ recheck, end: (why) => far.destroy(why) });
    far.once("close", () => kept[Symbol.dispose]());
    // The policy may have changed meanwhile.
    const late = recheck();
    if (late !== undefined) far.destroy(late);
    return far;
  }

  async function dialFar(name: string, operator: string): Promise<Duplex> {
    const upstream = upstreams.find((one) => one.name === name);
    if (upstream === undefined) {
      const known = upstreams.map((one) => one.name).join(", ") || "none";
      throw new RpcError(Status.NOT_FOUND, `Unknown upstream "${name}": exposed here: ${known}`);
    }
    try {
      const { socket, token } = await dialUpstream(upstream);
      return new RawUpstream(socket, {
        judge: withToken(namedJudge(operator), token),
        // One that is dialled with TLS speaks no other TLS within.
        allowTls: upstream.tls === undefined,
      });
    } catch (error) {
      throw new RpcError(Status.UNAVAILABLE, (error as Error).message, { cause: error });
    }
  }

  return {
    Welcome: unary<WelcomeRequest, WelcomeResponse>((request, { peer }) => {
      const current = tunnel(peer);
      if (current !== undefined) welcome(current, request);
      return { version: VERSION };
    }),

    Connect: bidi<Chunk, Chunk>(async function* (requests, context) {
      using place = places.take(operatorOf(context));
      if (place === undefined) {
        throw new RpcError(
          Status.RESOURCE_EXHAUSTED,
          `Too many raw connections: of ${MAX_RAW_CONNECTIONS}, the rest is for other operators`,
        );
      }
      const far = await openFar(context);
      // Tells the hub that the other end is there, before it has a byte to send.
      context.sendHeaders();
      yield* pumpChunks(requests, far, context.signal);
    }),
  };
}

/** Who opens a raw connection, as the hub says. */
function operatorOf({ metadata }: CallContext): string {
  return metadata.get(OPERATOR_FIELD)[0]?.toString() ?? "";
}

/** Takes over the hub's numbers; one that the hub did not send does not change. */
function welcome(tunnel: ServerTunnel, request: WelcomeRequest): void {
  const { pingIntervalMs, deadAfterMs } = tunnel.numbers;
  tunnel.numbers = {
    pingIntervalMs: toMs(request.pingInterval, PING_INTERVAL_MS) ?? pingIntervalMs,
    deadAfterMs: toMs(request.deadAfter, DEAD_AFTER_MS) ?? deadAfterMs,
  };
  tunnel.reconnectSpreadMs = toMs(request.reconnectSpread, RECONNECT_SPREAD_MS) ?? 0;
  log.debug("Welcomed by hub {hub} as generation {generation}: {numbers}", {
    hub: request.hubId,
    generation: request.generation,
    numbers: { ...tunnel.numbers, reconnectSpreadMs: tunnel.reconnectSpreadMs },
  });
}

function toMs(
  duration: Duration | undefined | null,
  [least, most]: readonly [number, number],
): number | undefined {
  if (duration === undefined || duration === null) return undefined;
  const ms = durationMs(duration);
  return Math.min(Math.max(ms, least), most);
}
