/**
 * Where a call goes that another hub forwards: to the tunnel of this hub that the other one has
 * judged, or nowhere. It sees nothing but this hub's own tunnels, so no call makes a second hop.
 *
 * Between workers of one hub there is an exception: a call whose server renews its tunnel in that very
 * moment waits for the new one, and follows it to whichever worker it comes. Each further hop is a
 * registration of the server, and those have a rate.
 *
 * A call whose server registers here in that very moment waits for its tunnel: the other hub may have heard
 * of its place by its watch, before this one hears that its claim was taken.
 *
 * It is judged here again, by this hub's own auth file and on the labels of that very tunnel: a denial
 * at either hub counts.
 *
 * @module
 */
import { errorInfo, retryInfo, RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import { RENEWAL_WAIT_MS } from "../../shared/registration/renewing.ts";
import { type CallIdentity, forwardedIdentity } from "../access/call_identity.ts";
import type { CallHeaders } from "../access/call_head.ts";
import { type CallRouter, loadOf, type Routed } from "../access/call_router.ts";
import { isTunnelService, onlyForServers } from "../access/director.ts";
import type { Access } from "../access/access.ts";
import { type ForwardedHead, RAW_PATH } from "../access/peer_fields.ts";
import { ERROR_DOMAIN } from "../errors.ts";
import type { Limits } from "../limits/limits.ts";
import type { Peer } from "../net/peer.ts";
import type { CallTarget } from "../peer/call_target.ts";
import type { Registry } from "../registry/registry.ts";
import type { ServerName, Tunnel } from "../registry/tunnel.ts";

export interface PeerRouterOptions {
  /** This hub's name, for errors; empty for a worker, which callers do not see. */
  readonly hub: string;
  /** For workers of one hub: where a call waits for a server that renews its tunnel. */
  readonly ofWorkers?: Pick<CallRouter, "waitFor"> | undefined;
  readonly access: Pick<Access, "authenticator" | "permissions">;
  /** Of this hub's own tunnels, and of nothing else. */
  readonly registry: Pick<Registry<Tunnel & CallTarget>, "arrivals" | "isRenewing" | "pick">;
  readonly limits: Pick<Limits, "ownRefusal" | "refusal">;
  /** What this hub tells other ones: of its own servers only. */
  readonly own: () => CallTarget;
}

/** The tunnel to which the other hub has sent a call. */
type Meant = NonNullable<ForwardedHead["to"]>;

/** Takes the place of `CallRouter` for calls that come over a link. */
export class PeerRouter {
  readonly #options: PeerRouterOptions;

  constructor(options: PeerRouterOptions) {
    this.#options = options;
  }

  /** Who calls, as the other hub says. */
  identify(head: CallHeaders, peer: Peer): CallIdentity | RpcError {
    const forwarded = head.forwardedHead;
    if (forwarded instanceof RpcError) return forwarded;
    const answer = this.#options.access.authenticator.authorizeForwarded(
      head,
      forwarded.operator,
      peer,
    );
    // A credential for the hubs was taken out by the other one: what is left is the server's.
    return forwardedIdentity(answer);
  }

  /** Where it goes, or why nowhere: nothing was delivered then. */
  route(head: CallHeaders, identity: CallIdentity): Routed | RpcError {
    const routed = this.#route(head, identity);
    return routed instanceof RpcError ? atHub(routed, this.#options.hub) : routed;
  }

  /**
   * Waits for a tunnel that is about to open here, as long as its claim may take, and between workers for
   * one that is renewed. `x-hub-wait` is the first hub's.
   *
   * @throws {RpcError} If it did not come, or if the caller may not call what has come.
   */
  async waitFor(...[call, wait]: Parameters<CallRouter["waitFor"]>): Promise<CallTarget> {
    const { ofWorkers, registry, hub } = this.#options;
    const { head, server, identity } = call;
    await registry.arrivals.over(server);
    const forwarded = head.forwardedHead;
    const to = forwarded instanceof RpcError ? undefined : forwarded.to;
    const target = to && this.#pick(to);
    if (target === undefined) {
      if (ofWorkers !== undefined) return await ofWorkers.waitFor(call, wait);
      throw atHub(notHere(server), hub);
    }
    const denied = this.#denied(head, { operator: identity, server });
    if (denied !== undefined) throw atHub(denied, hub);
    return target;
  }

  #route(head: CallHeaders, identity: CallIdentity): Routed | RpcError {
    const { ofWorkers, registry, limits, own } = this.#options;
    const forwarded = head.forwardedHead;
    if (forwarded instanceof RpcError) return forwarded;
    const { to } = forwarded;
    if (to === undefined) {
      return limits.ownRefusal(identity.name, { isForwarded: true }) ??
        { server: "", target: own(), waitMs: 0 };
    }
    const { server } = to;
    const target = this.#pick(to);
    const isArriving = target === undefined && this.#isArriving(to);
    const isRenewing = ofWorkers !== undefined && registry.isRenewing(server);
    if (target === undefined && !isArriving && !isRenewing) return notHere(server);
    // Which labels one has that arrives is not known yet.
    const denied = isArriving ? undefined : this.#denied(head, { operator: identity, server });
    const place = { ...loadOf(server, target, identity.name), isForwarded: true };
    return denied ?? limits.refusal(identity.name, place) ??
      { server, target, waitMs: RENEWAL_WAIT_MS };
  }

  /** The tunnel that the other hub means. */
  #pick({ server, generation }: Meant): (Tunnel & CallTarget) | undefined {
    const { ofWorkers, registry } = this.#options;
    const target = registry.pick(server);
    // Workers have one list of servers: what the other one saw is older, and meant this very server.
    return ofWorkers !== undefined || target?.generation === generation ? target : undefined;
  }

  /** Whether it may mean a tunnel whose claim is under way here. */
  #isArriving({ server, generation }: Meant): boolean {
    const { registry } = this.#options;
    const here = registry.pick(server)?.generation ?? 0;
    return here < generation && registry.arrivals.over(server) !== undefined;
  }

  #denied(
    head: CallHeaders,
    to: { readonly operator: CallIdentity; readonly server: ServerName },
  ): RpcError | undefined {
    if (isTunnelService(head.path) && head.path !== RAW_PATH) return onlyForServers();
    return this.#options.access.permissions.permitForwarded(head, to);
  }
}

/** The other hub's map is older than this one's truth: it reads the name again. */
function notHere(server: ServerName): RpcError {
  return new RpcError(
    Status.UNAVAILABLE,
    `Server "${server}" has no such tunnel at this hub any more, nothing was delivered`,
    { details: [errorInfo("NOT_DELIVERED", ERROR_DOMAIN, { server }), retryInfo(0)] },
  );
}

/** Says in an error's details which hub has made it. */
function atHub(error: RpcError, hub: string): RpcError {
  if (hub === "") return error;
  const { code, message, details } = error;
  return new RpcError(code, message, {
    details: details.map((detail) => {
      if (detail.type !== "google.rpc.ErrorInfo" || !("metadata" in detail.value)) return detail;
      const { metadata } = detail.value as { metadata?: Record<string, string> };
      return { ...detail, value: { ...detail.value, metadata: { ...metadata, hub } } };
    }),
  });
}
