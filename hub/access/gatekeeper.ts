/**
 * Stands between those who ask and what they ask for: lets in, directs within what may be
 * seen, and ends what has lost its credential or permission.
 *
 *     call ─▶ authorize ─▶ direct (sees only what the operator may see) ─▶ permit ─▶ leaves the hub
 *     auth file changes, credential expires ─▶ look at everything that is open again
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { turns } from "../../shared/async/turns.ts";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import { isLoopback } from "../../shared/net/loopback.ts";
import {
  after,
  type Answer,
  type Auth,
  type CallRequest,
  type Identity,
  type KnownCaller,
  type Operator,
  type TunnelRequest,
} from "../auth/identity.ts";
import { EVERYTHING, type Grant } from "../../shared/rules/rules.ts";
import { Throttle } from "../auth/throttle.ts";
import { direct, directRaw, notHere, type Route, type RouteView } from "./director.ts";
import { quote } from "../../shared/text/quote.ts";
import {
  denied,
  ended,
  endedError,
  expiredError,
  hiddenError,
  plaintextError,
  tooManyError,
  tooManyRefusal,
} from "./gate_errors.ts";
import { NearNames } from "./near_names.ts";
import { type ForwardedOperator, RAW_PATH, rawServerOf } from "./peer_fields.ts";
import { SlotSet } from "../peer/slot_set.ts";
import type { Refusal } from "../registry/refusal.ts";
import type { Registry } from "../registry/registry.ts";
import type { CallHeaders } from "./call_head.ts";
import { hostOf, type Peer } from "../net/peer.ts";
import type { CloseReason, ServerName, Tunnel } from "../registry/tunnel.ts";

/** An answer for one list of metadata on one connection is good for this long. */
const REMEMBER_MS = 60_000;
/** An issuer that withdraws a key says so to nobody: JWTs of what is open are looked at so often. */
export const LOOK_AT_JWTS_S = 600;
/** WebSocket close code: policy violation (RFC 6455 §7.4.1). */
const POLICY_VIOLATION = 1008;

const NO_LABELS: Readonly<Record<string, string>> = Object.freeze({});

/** A call that was let in and has not ended. */
export interface LiveCall {
  readonly head: CallHeaders;
  /** Who calls; a new look may find that it may do something else. */
  readonly identity: { grant: Grant };
  /** Name of its server; empty for the hub's own services. */
  readonly server: ServerName;
  /** Written by the gatekeeper, as long as it keeps the call. */
  admission: KnownCaller | undefined;
  livePlace: number;
  fail(error: RpcError): void;
}

/** A raw connection that was let in and has not ended. */
export interface LiveRaw {
  readonly server: ServerName;
  readonly identity: Operator;
  readonly request: CallRequest;
  end(error: RpcError): void;
}

/** A tunnel as the gatekeeper closes it. */
export interface LiveTunnel extends Tunnel {
  close(reason: CloseReason, code?: number): void;
}

/** What must be known of the registry. */
type View = Omit<RouteView, "nearest" | "hidden"> & Pick<Registry, "changes" | "labelsOf">;

export interface GatekeeperOptions {
  readonly auth: Auth;
  readonly registry: View;
  /** Takes calls in plain text from other machines too. */
  readonly allowPlaintextCalls: boolean;
  /** Who comes from loopback is on this machine: auth/loopback_trust.ts. @default true */
  readonly trustLoopback?: boolean;
}

/** Decides who may register, see and call what, and ends what is no longer permitted. */
export class Gatekeeper {
  readonly #auth: Auth;
  readonly #registry: View;
  readonly #near: NearNames;
  /** The view of an operator who may do everything: each call asks for one. */
  readonly #wholeView: RouteView;
  readonly #allowPlaintext: boolean;
  readonly #trustLoopback: boolean;
  readonly #throttle = new Throttle();
  readonly #calls = new SlotSet<"livePlace", LiveCall>("livePlace");
  readonly #raws = new Set<LiveRaw>();
  readonly #tunnels = new Map<LiveTunnel, { request: TunnelRequest; identity: Identity }>();
  #epoch = 0;
  #seconds = 0;
  #looking: Promise<void> | undefined;

  constructor({ auth, registry, allowPlaintextCalls, trustLoopback = true }: GatekeeperOptions) {
    this.#auth = auth;
    this.#registry = registry;
    this.#near = new NearNames(registry);
    this.#wholeView = {
      known: () => registry.known(),
      isOnline: (server) => registry.isOnline(server),
      isRenewing: (server) => (registry.isRenewing?.(server) ?? false),
      has: (server) => registry.has(server),
      lastSeen: (server) => registry.lastSeen(server),
      nearest: (server) => this.#near.of(server, { grant: EVERYTHING, sees: () => true }),
      unreachable: (server) => registry.unreachable?.(server),
    };
    this.#allowPlaintext = allowPlaintextCalls;
    this.#trustLoopback = trustLoopback;
    auth.onChange(() => this.trustHasChanged());
  }

  // ---- Getting in

  /** Who dials in, and whether it may have the name and labels that it claims. */
  authorizeTunnel(request: TunnelRequest): Answer<Identity | Refusal> {
    const { remote, header } = request;
    const answer = this.#auth.authorizeTunnel(request);
    const given = header("authorization") ?? undefined;
    if (given === undefined) return answer;
    const isWrong = (known: Identity | Refusal) => "status" in known && known.status === 401;
    return this.#slowly(answer, { remote, isWrong, tooMany: tooManyRefusal });
  }

  /** Who calls, or why it may not. The same metadata on the same connection is looked at once. */
  authorizeCall(head: CallHeaders, peer: Peer): Answer<Operator | RpcError> {
    const known = this.#admitted(head);
    if (known !== undefined) return known;
    const given = head.fields.filter(([name]) => name === "authorization");
    const request: CallRequest = {
      remote: hostOf(peer.remoteAddress),
      // Of two, nobody knows which one counts: together they are none.
      authorization: given.length === 0 ? undefined : given.map(([, value]) => value).join(", "),
      certificate: peer.certificate,
      forwarded: head.forwarded,
    };
    const epoch = this.#epoch;
    return after(
      this.authorizeRequest(request, peer),
      (answer) => remembered(head, answer, { request, epoch }),
    );
  }

  /**
   * The same for a call that another hub forwards: that one has looked at the credential. What the
   * operator may do here, the auth file of this hub says.
   */
  authorizeForwarded(
    head: CallHeaders,
    forwarded: ForwardedOperator,
    peer: Peer,
  ): Operator | RpcError {
    const known = this.#admitted(head);
    if (known !== undefined) return known;
    const operator = { kind: "operator", ...forwarded } as const;
    const request: CallRequest = {
      remote: hostOf(peer.remoteAddress),
      authorization: undefined,
      operator,
    };
    return remembered(head, this.#judgeForwarded(operator), { request, epoch: this.#epoch });
  }

  /** Who was let in with this head, as long as that holds. */
  #admitted({ admission }: CallHeaders): Operator | undefined {
    if (admission === undefined || admission.epoch !== this.#epoch) return undefined;
    return Date.now() < admission.untilMs ? admission.operator : undefined;
  }

  #judgeForwarded(operator: Omit<Operator, "grant">): Operator | RpcError {
    const { name, expiresAtMs = Infinity } = operator;
    if (expiresAtMs <= Date.now()) return expiredError(name);
    return { ...operator, grant: this.#auth.grantOf(name) };
  }

  /** The same for a handshake. */
  authorizeRequest(request: CallRequest, peer: Peer): Answer<Operator | RpcError> {
    if (!peer.encrypted && !this.#allowPlaintext) {
      const fromLoopback = isLoopback(request.remote);
      if (!fromLoopback || !this.#trustLoopback) return plaintextError({ fromLoopback });
    }
    const { remote, authorization } = request;
    const answer = this.#auth.authorizeCall(request);
    if (authorization === undefined) return answer;
    const isWrong = (known: Operator | RpcError) =>
      known instanceof RpcError && known.code === Status.UNAUTHENTICATED;
    return this.#slowly(answer, { remote, isWrong, tooMany: tooManyError });
  }

  /** A good credential is accepted at once; a wrong one is answered later with each failed try. */
  #slowly<T>(
    answer: Answer<T>,
    { remote, isWrong, tooMany }: {
      readonly remote: string;
      readonly isWrong: (known: T) => boolean;
      readonly tooMany: (waitMs: number) => T;
    },
  ): Answer<T> {
    if (answer instanceof Promise) {
      return answer.then((known) => this.#slowly<T>(known, { remote, isWrong, tooMany }));
    }
    if (!isWrong(answer as Awaited<T>)) return answer;
    const verdict = this.#throttle.failed(remote);
    if (verdict.answer === "now") return answer;
    if (verdict.answer === "too many") return tooMany(verdict.waitMs);
    return verdict.until.then(() => answer);
  }

  /** Nobody is made to wait any longer. */
  close(): void {
    this.#throttle[Symbol.dispose]();
  }

  // ---- What may be seen

  /** The registry as an operator may see it. */
  view({ name, grant }: Pick<Operator, "name" | "grant">): RouteView {
    const registry = this.#registry;
    if (grant.everything) return this.#wholeView;
    const sees = (server: ServerName) => grant.maySee(this.#target(server));
    return {
      known: function* () {
        for (const server of registry.known()) if (sees(server)) yield server;
      },
      isOnline: (server) => sees(server) && registry.isOnline(server),
      isRenewing: (server) => sees(server) && (registry.isRenewing?.(server) ?? false),
      has: (server) => sees(server) && registry.has(server),
      lastSeen: (server) => sees(server) ? registry.lastSeen(server) : undefined,
      nearest: (server) => this.#near.of(server, { grant, sees }),
      unreachable: (server) => sees(server) ? registry.unreachable?.(server) : undefined,
      hidden: (server) => sees(server) ? undefined : hiddenError(name, server),
    };
  }

  /** Whether an operator of this name may see a server; the empty name stands for all of them. */
  sees(operator: string, server: ServerName): boolean {
    const grant = this.#auth.grantOf(operator);
    if (grant.everything) return true;
    return server !== "" && grant.maySee(this.#target(server));
  }

  /** What a call is told whose server did not come. It may call this name, but perhaps no others. */
  notHere(server: ServerName): RpcError {
    return notHere(server, { ...this.#wholeView, nearest: () => [] });
  }

  // ---- Where it may go

  /** Directs a routed call, if its operator may make it. */
  direct(head: CallHeaders, operator: Pick<Operator, "name" | "grant">): Route | RpcError {
    const route = direct(head.wish, this.view(operator));
    if (route instanceof RpcError || route.to === "hub") return route;
    return this.permit(head, { operator, server: route.name }) ?? route;
  }

  /** Directs a raw connection, if its operator may call everything there. */
  directRaw(candidates: readonly ServerName[], operator: Operator): Route | RpcError {
    const route = directRaw(candidates, this.view(operator));
    if (route instanceof RpcError || route.to === "hub") return route;
    return this.#permitRaw(operator, route.name) ?? route;
  }

  /** Why an operator may not make this call of this server, as the server is now. */
  permit(
    { path }: Pick<CallHeaders, "path">,
    { operator, server }: { operator: Pick<Operator, "name" | "grant">; server: ServerName },
  ): RpcError | undefined {
    const { name, grant } = operator;
    if (grant.everything) return undefined;
    const target = this.#target(server);
    if (!grant.maySee(target)) return hiddenError(name, server);
    if (grant.mayCall(target, path)) return undefined;
    const why = grant.whyNot(target, path);
    return denied(
      `"${name}" may not call ${quote(path)} of server ${quote(server)}: ${why}`,
      server,
    );
  }

  /** Why an operator may not open a raw connection to a server, as the server is now. */
  #permitRaw(
    { name, grant }: Pick<Operator, "name" | "grant">,
    server: ServerName,
  ): RpcError | undefined {
    if (grant.everything) return undefined;
    const target = this.#target(server);
    if (!grant.maySee(target)) return hiddenError(name, server);
    if (grant.mayCallAll(target)) return undefined;
    const why = grant.whyNot(target, "");
    return denied(
      `"${name}" may not open a raw connection to server ${
        quote(server)
      }: ${why} (the hub cannot ` +
        "see what is called there, so that every method must be allowed)",
      server,
    );
  }

  /**
   * Why an operator may not make a call that may have come from another hub: a raw connection comes from
   * there as a call, which no operator could make itself.
   */
  permitForwarded(
    head: CallHeaders,
    { operator, server }: { operator: Pick<Operator, "name" | "grant">; server: ServerName },
  ): RpcError | undefined {
    return head.path === RAW_PATH
      ? this.#permitRaw(operator, rawServerOf(server, head))
      : this.permit(head, { operator, server });
  }

  /** Whether an operator of this name may make a call now; an empty path asks for every method. */
  canCall(
    operator: string,
    { server, path }: { server: ServerName; path: string },
  ): RpcError | undefined {
    const who = { name: operator, grant: this.#auth.grantOf(operator) };
    return path === ""
      ? this.#permitRaw(who, server)
      : this.permit({ path }, { operator: who, server });
  }

  /** Whether an operator of this name may do everything now. */
  mayEverything(operator: string): boolean {
    return this.#auth.grantOf(operator).everything;
  }

  #target(name: ServerName) {
    return { name, labels: this.#registry.labelsOf(name) ?? NO_LABELS };
  }

  // ---- Ending

  /** A tunnel that is registered now. */
  keepTunnel(tunnel: LiveTunnel, request: TunnelRequest, identity: Identity): void {
    this.#tunnels.set(tunnel, { request, identity });
    void tunnel.closed.then(() => this.#tunnels.delete(tunnel));
  }

  /** A call goes on from now. */
  callStarted(call: LiveCall): void {
    call.admission = call.head.admission;
    if (call.admission !== undefined) this.#calls.add(call);
  }

  callEnded(call: LiveCall): void {
    this.#calls.delete(call);
  }

  /** A raw connection that stands now. */
  keepRaw(raw: LiveRaw): Disposable {
    this.#raws.add(raw);
    return { [Symbol.dispose]: () => this.#raws.delete(raw) };
  }

  /** Other answers may be given from now on: ends what would not be let in any more. */
  trustHasChanged(): void {
    this.#epoch++;
    void this.#lookAgain();
  }

  /** Once a second: ends what hangs on a credential whose time is over, or whose key is gone. */
  tick(): void {
    const now = Date.now();
    const lookAtJwts = ++this.#seconds % LOOK_AT_JWTS_S === 0;
    const isOver = ({ how, expiresAtMs = Infinity }: Identity) =>
      expiresAtMs <= now || (lookAtJwts && how === "jwt");
    const over = [...this.#tunnels.values()].some(({ identity }) => isOver(identity)) ||
      this.#calls.members.some(({ admission }) => isOver(admission!.operator)) ||
      [...this.#raws].some(({ identity }) => isOver(identity));
    if (over) void this.#lookAgain();
  }

  /** Asks again for all that is open. A change in the middle of it makes it begin again. */
  #lookAgain(): Promise<void> {
    return this.#looking ??= this.#look().catch((error) =>
      getLogger(["hub", "auth"]).error("Cannot look at what is open again: {error}", { error })
    ).finally(() => this.#looking = undefined);
  }

  async #look(): Promise<void> {
    let epoch;
    do {
      epoch = this.#epoch;
      await this.#lookAtTunnels();
      await this.#lookAtCalls();
      await this.#lookAtRaws();
    } while (epoch !== this.#epoch);
  }

  async #lookAtTunnels(): Promise<void> {
    for (const [tunnel, kept] of this.#tunnels) {
      if (turns.isOver()) await turns.next();
      const answer = await this.#auth.authorizeTunnel(kept.request);
      if (!("status" in answer)) kept.identity = answer;
      else if (answer.status !== 503) {
        tunnel.close({ reason: ended(kept.identity, answer.message), by: "hub" }, POLICY_VIOLATION);
      }
    }
  }

  async #lookAtCalls(): Promise<void> {
    const answers = new Map<CallRequest, Operator | RpcError>();
    for (const call of [...this.#calls.members]) {
      if (turns.isOver()) await turns.next();
      if (!this.#calls.has(call)) continue;
      const { request, operator } = call.admission!;
      const answer = answers.get(request) ??
        await (request.operator === undefined
          ? this.#auth.authorizeCall(request)
          : this.#judgeForwarded(request.operator));
      answers.set(request, answer);
      if (!this.#calls.has(call)) continue;
      if (answer instanceof RpcError) {
        if (answer.code === Status.UNAVAILABLE) continue;
        call.fail(endedError(operator, answer));
        continue;
      }
      const error = call.server === ""
        ? undefined
        : this.permitForwarded(call.head, { operator: answer, server: call.server });
      if (error !== undefined) call.fail(endedError(operator, error));
      else {
        call.identity.grant = answer.grant;
        call.admission = { request, operator: answer, untilMs: 0, epoch: this.#epoch };
      }
    }
  }

  async #lookAtRaws(): Promise<void> {
    for (const raw of this.#raws) {
      if (turns.isOver()) await turns.next();
      const answer = await this.#auth.authorizeCall(raw.request);
      const error = answer instanceof RpcError ? answer : this.#permitRaw(answer, raw.server);
      if (error === undefined || error.code === Status.UNAVAILABLE) continue;
      raw.end(endedError(raw.identity, error));
    }
  }
}

/** Who was let in, whom the head remembers; a refusal stays what it is, and is looked at again. */
function remembered(
  head: CallHeaders,
  answer: Operator | RpcError,
  looked: Pick<KnownCaller, "request" | "epoch">,
): Operator | RpcError {
  if (answer instanceof RpcError) return answer;
  const untilMs = Math.min(answer.expiresAtMs ?? Infinity, Date.now() + REMEMBER_MS);
  const { request, epoch } = looked;
  head.admission = { request, operator: answer, untilMs, epoch };
  return answer;
}
