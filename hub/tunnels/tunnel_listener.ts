/**
 * Where servers dial in: `GET /ws` becomes a tunnel (docs/protocol.md §2, §3).
 *
 *     request head ─▶ upgrade ─▶ meta ─▶ authorize ─▶ name ─▶ rate ─▶ registry ─▶ 101, HTTP/2
 *        │ HttpError     │          │ Refusal  │         │       │
 *        └───────────────┴──────────┴──────────┴─────────┴───────┴──▶ HTTP status, one line of JSON
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { HttpError } from "../../shared/http1/http_error.ts";
import { checkUpgrade, errorResponse, upgradeResponse } from "../../shared/websocket/upgrade.ts";
import {
  ALREADY_HERE,
  HELD_HEADER,
  HUB_ID_HEADER,
  parseHeld,
} from "../../shared/registration/hub_id.ts";
import { KEYS_HEADER } from "../../shared/vouchers/voucher.ts";
import { networkOf } from "../net/network.ts";
import type { Claims } from "../cluster/view.ts";
import { type AdmissionRate, HandshakeRate } from "./handshake_rate.ts";
import type { Identity, TunnelRequest } from "../auth/identity.ts";
import { isForwarded } from "../auth/behind_proxy.ts";
import type { Access } from "../access/access.ts";
import { parseMeta } from "./registration_headers.ts";
import type { ConnectionPlaces } from "../limits/open_files.ts";
import { OpenTunnel } from "./open_tunnel.ts";
import { readHead } from "../net/read_head.ts";
import { probeResponse } from "../relay/probes.ts";
import type { Refusal } from "../registry/refusal.ts";
import type { Registry } from "../registry/registry.ts";
import type { ServerInfo } from "../registry/tunnel.ts";
import { readNonce, type Vouchers } from "../access/vouchers.ts";
import { closeQuietly, hostOf, type Peer, type PeerConn, peerOf, writeAll } from "../net/peer.ts";
import { HANDSHAKE_TIMEOUT_MS } from "../net/listen_options.ts";

/** Handshakes under way at once, shared by the addresses that dial; more are answered 503. */
export const MAX_HANDSHAKES = 512;
/** `Retry-After` of those. */
const BUSY_RETRY_S = 2;

/** What is known of a server that was refused, as far as it came. */
export interface RefusedServer {
  readonly peer: string;
  /** The name that it claimed. */
  readonly server: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Whose credential it showed, if that was good. */
  readonly who: string;
}

/** What the tunnel listener needs of the hub. */
export interface TunnelListenerContext {
  /** Sent to servers, so that they know one hub from another. */
  readonly hubId: string;
  readonly path: string;
  readonly access: Pick<Access, "authenticator" | "live">;
  readonly registry: Registry<OpenTunnel>;
  /** Whether this instance of a server has an open tunnel at this hub, at whichever worker. */
  isHere(server: Pick<ServerInfo, "name" | "instance">): boolean;
  /** Who gives a name to a tunnel that the registry would take. */
  readonly claims: Claims;
  /** True while the hub drains: nobody registers any more. */
  isDraining(): boolean;
  readonly vouchers: Vouchers;
  readonly places: ConnectionPlaces;
  readonly maxHandshakesPerS: number;
  /** Who counts them. @default this listener alone */
  readonly admission?: AdmissionRate | undefined;
  nextId(): string;
  onRefused(asked: RefusedServer, refusal: HttpError): void;
  onRegistered(tunnel: OpenTunnel, identity: Identity): void;
}

/** Serves connections of servers. */
export class TunnelListener {
  readonly #context: TunnelListenerContext;
  readonly #admission: AdmissionRate;
  /** Connections that are no tunnels yet. */
  readonly #handshakes = new Set<PeerConn>();

  constructor(context: TunnelListenerContext) {
    this.#context = context;
    this.#admission = context.admission ??
      new HandshakeRate({ perSecond: context.maxHandshakesPerS });
  }

  /** Ends all handshakes under way; tunnels belong to the registry. */
  close(): void {
    for (const conn of this.#handshakes) closeQuietly(conn);
  }

  /**
   * Takes one connection from its first byte until it is a tunnel, or is none. Not to its end:
   * what waits with a tunnel is kept as long, a thousand times over.
   */
  async serve(conn: PeerConn): Promise<void> {
    const { remoteAddress, certificate } = peerOf(conn);
    const timer = setTimeout(() => closeQuietly(conn), HANDSHAKE_TIMEOUT_MS);
    let opened: { tunnel: OpenTunnel; rest: Uint8Array } | undefined;
    this.#handshakes.add(conn);
    try {
      conn.setNoDelay();
      opened = await this.#handshake(conn, { remoteAddress, certificate });
    } catch (error) {
      getLogger(["hub", "tunnel"]).debug("Handshake of {remoteAddress} failed: {error}", {
        remoteAddress,
        error,
      });
    } finally {
      clearTimeout(timer);
      this.#handshakes.delete(conn);
    }
    if (opened === undefined) return closeQuietly(conn);
    opened.tunnel.run(opened.rest);
  }

  async #handshake(
    conn: PeerConn,
    { remoteAddress, certificate }: Pick<Peer, "remoteAddress" | "certificate">,
  ): Promise<{ tunnel: OpenTunnel; rest: Uint8Array } | undefined> {
    let asked: RefusedServer = { peer: remoteAddress, server: "", who: "" };
    try {
      const { places } = this.#context;
      using place = places.handshake(networkOf(hostOf(remoteAddress)));
      if (place === undefined) throw busy();
      const read = await readHead(conn);
      if (read === undefined) return undefined;
      const { head, rest } = read;
      const isTunnel = head.target.split("?", 1)[0] === this.#context.path;
      const probe = isTunnel ? undefined : probeResponse(head, !this.#context.isDraining());
      if (probe !== undefined) {
        await writeAll(conn, probe);
        return undefined;
      }
      const upgrade = checkUpgrade(head);
      const [path] = head.target.split("?", 1);
      if (path !== this.#context.path) {
        throw new HttpError(404, "NOT_FOUND", `Tunnels are at ${this.#context.path}, not ${path}`);
      }
      const header = (field: string) => head.one(field);
      const info = accept(parseMeta(header, remoteAddress));
      const { name, labels } = info;
      asked = { ...asked, server: name, labels };
      const nonce = readNonce(header);
      if (typeof nonce === "object") throw toHttpError(nonce);
      const { access, registry } = this.#context;
      const request: TunnelRequest = {
        remote: hostOf(remoteAddress),
        header,
        certificate,
        forwarded: isForwarded(head.fields),
        info,
      };
      const known = access.authenticator.authorizeTunnel(request);
      // Not awaited without need: who was admitted together is so not registered together with
      // those of the next second.
      const answer = known instanceof Promise ? await known : known;
      asked = { ...asked, who: ("status" in answer ? answer.who : answer.name) ?? "" };
      const identity = accept(answer);
      const owner = identity.name;
      const refusal = this.#context.isDraining() ? goingAway() : registry.admit(info, owner);
      if (refusal !== undefined) throw toHttpError(refusal);
      const { hubId } = this.#context;
      if (parseHeld(header(HELD_HEADER.toLowerCase())).includes(hubId)) {
        // Only while its tunnel is open here too: a server learns later than the hub that it has lost one.
        if (info.instance !== "" && this.#context.isHere(info)) throw alreadyHere(name, hubId);
      }
      // Last, and of those alone who may come in: strangers have no part in it.
      const asking = this.#admission.retryAfterS(owner);
      // Not awaited without need: see above.
      const retryAfterS = asking instanceof Promise ? await asking : asking;
      if (retryAfterS !== undefined) throw tooMany(this.#admission.perSecond, retryAfterS);
      const file = places.tunnel(owner);
      if (file === undefined) throw tooManyOf(owner);
      const { vouchers, claims } = this.#context;
      const id = this.#context.nextId();
      const claimed = claims.claim(info, { tunnel: id, owner });
      // Other hubs may know of this place before we do.
      using _arrival = claimed instanceof Promise ? registry.arrivals.begin(name) : undefined;
      // Alone it is there at once: see above.
      const claim = claimed instanceof Promise ? await claimed : claimed;
      if ("status" in claim) {
        file[Symbol.dispose]();
        throw toHttpError(claim);
      }
      if (this.#context.isDraining()) { // Since it has asked.
        file[Symbol.dispose]();
        const refusal = goingAway();
        const closed = Promise.resolve({ reason: refusal.message, by: "hub" } as const);
        claims.release({ id, info, closed });
        throw toHttpError(refusal);
      }
      const vouched = nonce === undefined ? undefined : { server: name, nonce };
      const tunnel = new OpenTunnel(conn, {
        id,
        info,
        generation: claim.generation,
        owner,
        greeting: upgradeResponse(upgrade, {
          [HUB_ID_HEADER]: hubId,
          ...(vouched && { [KEYS_HEADER]: vouchers.statement(vouched) }),
        }),
        vouchers: vouched && vouchers.of(vouched),
      });
      void tunnel.closed.then(() => file[Symbol.dispose]());
      // Before the 101: a server that reads it is registered.
      registry.add(tunnel);
      claims.release(tunnel);
      access.live.keepTunnel(tunnel, { ...request, header: keptHeader(header) }, identity);
      this.#context.onRegistered(tunnel, identity);
      return { tunnel, rest };
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      // Asked in order to know, not to get in: no news for anybody.
      if (error.code !== ALREADY_HERE) this.#context.onRefused(asked, error);
      using answer = this.#context.places.answer();
      if (answer !== undefined) await writeAll(conn, errorResponse(error));
      return undefined;
    }
  }
}

const NO_HEADER = () => undefined;

/** The headers that a later look at the credential asks for, without the rest of the head. */
function keptHeader(header: TunnelRequest["header"]): TunnelRequest["header"] {
  const authorization = header("authorization") ?? undefined;
  if (authorization === undefined) return NO_HEADER;
  return (name) => name === "authorization" ? authorization : undefined;
}

function accept<T extends object>(result: T | Refusal): T {
  if ("status" in result) throw toHttpError(result);
  return result;
}

function toHttpError({ status, code, message, retryAfterS }: Refusal): HttpError {
  const headers: Record<string, string> = {};
  if (retryAfterS !== undefined) headers["Retry-After"] = String(retryAfterS);
  if (status === 401) headers["WWW-Authenticate"] = "Bearer";
  return new HttpError(status, code, message, { headers });
}

function busy(): HttpError {
  return toHttpError({
    status: 503,
    code: "UNAVAILABLE",
    message: "The hub has too many handshakes under way",
    retryAfterS: BUSY_RETRY_S,
  });
}

function tooManyOf(owner: string): HttpError {
  return toHttpError({
    status: 503,
    code: "RESOURCE_EXHAUSTED",
    message:
      `"${owner}" has its share of the files that the hub may open, the rest is for others: ` +
      "raise the limit of open files",
    retryAfterS: BUSY_RETRY_S,
    who: owner,
  });
}

function tooMany(perSecond: number, retryAfterS: number): HttpError {
  return toHttpError({
    status: 503,
    code: "UNAVAILABLE",
    message: `The hub opens at most ${perSecond} tunnels per second: come back in ${retryAfterS} s`,
    retryAfterS,
  });
}

/** No fault of anybody: two of the addresses that the server was given lead here. */
function alreadyHere(name: string, hubId: string): HttpError {
  return new HttpError(
    409,
    ALREADY_HERE,
    `This server has a tunnel of "${name}" at this hub already, and it stays open`,
    { headers: { [HUB_ID_HEADER]: hubId } },
  );
}

function goingAway(): Refusal {
  return {
    status: 503,
    code: "UNAVAILABLE",
    message: "The hub goes away",
    retryAfterS: BUSY_RETRY_S,
  };
}
